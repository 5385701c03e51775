"""The templates in memory, kept up with the file: what others have changed in it is read, and nothing else."""

from typing import Optional

import numpy as np

from kface.gallery.coarse import coarse
from kface.gallery.index import Index, build
from kface.gallery.model import Model
from kface.gallery.rows import Rows
from kface.gallery.store import Store


class Cache(object):
    """Holds the last index.

    Args:
        store: The opened file.
        rows: Reads it.
        model: Of which model it is, and is to be.
    """

    def __init__(self, store: Store, rows: Rows, model: Model) -> None:
        self._store = store
        self._rows = rows
        self._model = model
        self._index: Optional[Index] = None
        self._version: Optional[int] = None
        self._others: Optional[int] = None
        self._changes = 0

    def expire(self) -> None:
        """Look again the next time: SQLite's version tells of other connections' changes, not of this one's own."""
        self._version = None
        self._changes += 1

    def version(self) -> int:
        """Return how many times this object has noticed that the file was changed, by itself or by others."""
        others = self._store.version()
        if others != self._others:
            self._others = others
            self._changes += 1
        return self._changes

    def forget(self) -> None:
        """Give the memory back."""
        self._index = None
        self._version = None

    def current(self) -> Index:
        """Return the templates as the file has them now.

        Raises:
            GalleryError: They are of another model, or one of them was changed since it was written.
        """
        # Asked before the read: what changes in between is found the next time.
        version = self._store.version()
        if self._index is None or version != self._version:
            self._index = self._load(self._index)
            self._version = version
        return self._index

    def _load(self, old: Optional[Index]) -> Index:
        with self._store.snapshot() as db:
            entries = self._rows.entries(db)
            fingerprint, size = self._model.check() if entries else ("", 1)
            matrix = np.empty((len(entries), size), np.float32)
            known = old.rows() if old is not None and old.matrix.shape[1] == size else {}
            places = np.array([known.get(entry, -1) for entry in entries], np.intp)
            if old is not None and known:
                matrix[places >= 0] = old.matrix[places[places >= 0]]
            wanted = [(int(row), entries[row][0], entries[row][1]) for row in np.flatnonzero(places < 0)]
            self._rows.fill(db, wanted, fingerprint, matrix)
            bytes_too = coarse(matrix, None if old is None else old.coarse, places)
            return build(matrix, entries, self._rows.names(db), bytes_too)
