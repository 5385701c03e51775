"""A place for one item between two threads."""

import threading
from typing import Generic, List, TypeVar

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

    def get(self) -> Item:
        """Fetch the item, or wait for one; raises :class:`ClosedError` where none comes any more."""
        with self._change:
            while not self._items and not self._closed:
                self._change.wait()
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
