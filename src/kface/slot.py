"""A place for one item between two threads."""

import queue
import threading
import time
from typing import Generic, List, Optional, TypeVar

Item = TypeVar("Item")


class ClosedError(Exception):
    """Nothing comes out of a slot any more."""


class Slot(Generic[Item]):
    """A place for one item between two threads.

    Args:
        drop: Whether a newer item takes the place of one that nobody has fetched; otherwise who puts it waits.

    Attributes:
        dropped: How many items nobody fetched.
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
        """Put an item there; raises :class:`ClosedError` where the slot was closed."""
        with self._change:
            while self._items and not self._drop and not self._closed:
                self._change.wait()
            if self._closed:
                raise ClosedError()
            self.dropped += len(self._items)
            self._items = [item]
            self._change.notify_all()

    def get(self, timeout: Optional[float] = None) -> Item:
        """Fetch the item, or wait for one.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            ClosedError: None comes any more.
            queue.Empty: None came in time.
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
        """Let nothing in any more; what is there can still be fetched, unless it is discarded."""
        with self._change:
            self._closed = True
            if discard:
                self.dropped += len(self._items)
                self._items = []
            self._change.notify_all()
