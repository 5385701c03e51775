"""Hands single items from one thread to another."""

import queue
import threading
import time
from typing import Generic, List, Optional, TypeVar

Item = TypeVar("Item")


class ClosedError(Exception):
    """A slot is closed, and empty or no longer accepting items."""


class Slot(Generic[Item]):
    """A place for one item between two threads.

    Args:
        drop: Whether a newer item replaces one that was not fetched; otherwise :meth:`put` waits.

    Attributes:
        dropped: Number of items that were never fetched.
    """

    def __init__(self, drop: bool) -> None:
        self.dropped = 0
        self._drop = drop
        self._items: List[Item] = []
        self._closed = False
        self._change = threading.Condition()

    @property
    def over(self) -> bool:
        """Whether it is closed and empty."""
        with self._change:
            return self._closed and not self._items

    def put(self, item: Item) -> None:
        """Put an item in; raises :class:`ClosedError` where the slot is closed."""
        with self._change:
            while self._items and not self._drop and not self._closed:
                self._change.wait()
            if self._closed:
                raise ClosedError()
            self.dropped += len(self._items)
            self._items = [item]
            self._change.notify_all()

    def get(self, timeout: Optional[float] = None) -> Item:
        """Fetch the item; wait for one where the slot is empty.

        Args:
            timeout: Maximum wait in seconds.

        Raises:
            ClosedError: The slot is closed and empty.
            queue.Empty: No item arrived in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._change:
            while not self._items and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise queue.Empty()
                self._change.wait(left)
            if not self._items:
                raise ClosedError()
            item = self._items.pop()
            self._change.notify_all()
            return item

    def close(self, discard: bool = False) -> None:
        """Refuse further items; one that is waiting can still be fetched, unless it is discarded."""
        with self._change:
            self._closed = True
            if discard:
                self.dropped += len(self._items)
                self._items = []
            self._change.notify_all()
