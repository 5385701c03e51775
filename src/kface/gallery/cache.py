"""The templates in memory, kept up with the file: what others have changed in it is read, and nothing else."""

import logging
import sqlite3
from typing import Dict, List, Optional, Set, Tuple

import numpy as np

from kface.gallery import search_file
from kface.gallery.cipher import Cipher, ForgedError
from kface.gallery.coarse import coarse
from kface.gallery.following import follow
from kface.gallery.index import Index, build
from kface.gallery.ledger import TEMPLATE, Ledger, Root
from kface.gallery.model import Model
from kface.gallery.rows import CHANGED, UNLISTED, Entry, Rows
from kface.gallery.store import Store
from kface.gallery.values import Damage
from kface.text import printable

LOGGER = logging.getLogger(__name__)


class Cache(object):
    """Holds the last index.

    Args:
        store: The opened file.
        rows: Reads it.
        model: Of which model it is, and is to be.
        ledger: Its list of rows.
        cipher: Of its key.

    Attributes:
        damage: What the last index leaves out.
    """

    def __init__(self, store: Store, rows: Rows, model: Model, ledger: Ledger, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher
        self._rows = rows
        self._model = model
        self._ledger = ledger
        self.damage: Tuple[Damage, ...] = ()
        self._reported: Set[Damage] = set()
        self._index: Optional[Index] = None
        #: The state of an index that was read of a search file.
        self._root: Optional[Root] = None
        self._version: Optional[int] = None
        self._others: Optional[int] = None
        self._changes = 0

    def expire(self) -> None:
        """Look again the next time: SQLite's version shows other connections' changes, not of this one's own."""
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
        self._root = None
        self._version = None

    def current(self) -> Index:
        """Return the templates as the file has them now, without those that are damaged; these are logged, once each.

        Where there are many, what was read of a search file is used for as long as nothing changes
        (:mod:`kface.gallery.search_file`); it holds what the rows proved to be when it was written.

        Raises:
            GalleryError: They are of another model, or the file as a whole is damaged or older than it was.
        """
        # Asked before the read: what changes in between is found the next time.
        version = self._store.version()
        if self._index is None or version != self._version:
            self._index = self._open() if self._index is None else self._follow(self._index)
            self._version = version
        return self._index

    def complete(self) -> Index:
        """Return what :meth:`current` does, with everything in memory."""
        index = self.current()
        try:
            return index.complete()
        except ForgedError:
            return self.distrust()

    def distrust(self) -> Index:
        """Erase the search file, which has turned out to be changed, and return :meth:`current` without it."""
        search_file.erase(self._store.path)
        LOGGER.warning("%s: was damaged or changed; not used", printable(search_file.path_of(self._store.path)))
        version = self._store.version()
        self._root = None
        self._index = self._load(None)[1]
        self._version = version
        return self._index

    def _follow(self, index: Index) -> Index:
        if self._root is not None:
            with self._store.snapshot() as db:
                root = self._ledger.root(db)
                self._model.compare(root.model)
                fingerprint = self._model.check()[0] if self._rows.any(db) else ""
                found = follow(index, self._root, root, db, self._ledger, self._rows, fingerprint)
            if found is not None:
                self._root = root
                return found
            self._root = None
        try:
            return self._load(index.complete())[1]
        except ForgedError:
            return self._load(None)[1]

    def _open(self) -> Index:
        with self._store.snapshot() as db:
            if self._rows.any(db):
                self._model.check()
                root = self._ledger.root(db)
                self._model.compare(root.model)
                found = search_file.read(self._store.path, self._cipher, root)
                if found is not None:
                    self._report([])
                    self._root = root
                    return found
        root, index = self._load(None)
        if self.damage or index.matrix.size < search_file.LEAST:
            return index
        if not search_file.write(self._store.path, self._cipher, root, index):
            return index
        # From now on as the next one who opens the gallery, with a quarter of the memory.
        with self._store.snapshot() as db:
            if self._ledger.root(db).nonce != root.nonce:
                # Whoever changed the gallery meanwhile found no file to erase.
                search_file.erase(self._store.path)
                return index
        found = search_file.read(self._store.path, self._cipher, root)
        self._root = None if found is None else root
        return index if found is None else found

    def _load(self, old: Optional[Index]) -> Tuple[Root, Index]:
        with self._store.snapshot() as db:
            found = self._rows.entries(db)
            fingerprint, size = self._model.check() if found else ("", 1)
            self._ledger.load(db)
            root = self._ledger.root(db)
            self._model.compare(root.model)
            names, damage = self._rows.people(db)
            lost = {each.person_id for each in damage}
            entries: List[Entry] = []
            for entry in found:
                template, person_id, nonce = entry
                expected = self._ledger.expected(db, TEMPLATE, template)
                if expected == nonce and person_id in names:
                    entries.append(entry)
                elif expected != nonce:
                    how = UNLISTED if expected is None else CHANGED
                    damage.append(
                        Damage(_what(template, person_id, how), str(person_id), names.get(person_id, ""), template)
                    )
                elif str(person_id) not in lost:
                    damage.append(
                        Damage(_what(template, person_id, "belongs to no person"), str(person_id), "", template)
                    )
            damage += self._rows.missing(db, list(names) + list(lost), [row[0] for row in found])
            entries, matrix, places, unread = self._fill(db, entries, old, fingerprint, size)
            damage += [each._replace(name=names.get(each.person_id, "")) for each in unread]
            self._report(damage)
            return root, build(matrix, entries, names, coarse(matrix, None if old is None else old.coarse, places))

    def _fill(
        self, db: sqlite3.Connection, entries: List[Entry], old: Optional[Index], fingerprint: str, size: int
    ) -> Tuple[List[Entry], np.ndarray, np.ndarray, List[Damage]]:
        """Return the entries that can be read with their vectors, their places in the old index, and what is wrong."""
        matrix = np.empty((len(entries), size), np.float32)
        known = old.rows() if old is not None and old.matrix.shape[1] == size else {}
        places = np.array([known.get(entry, -1) for entry in entries], np.intp)
        if old is not None and known:
            matrix[places >= 0] = old.matrix[places[places >= 0]]
        wanted = [(int(row), entries[row][0], entries[row][1]) for row in np.flatnonzero(places < 0)]
        unread: Dict[int, Damage] = self._rows.fill(db, wanted, fingerprint, matrix)
        if unread:
            kept = np.array([row for row in range(len(entries)) if row not in unread], np.intp)
            entries, matrix, places = [entries[row] for row in kept], matrix[kept], places[kept]
        return entries, matrix, places, list(unread.values())

    def _report(self, damage: List[Damage]) -> None:
        self.damage = tuple(damage)
        for each in damage:
            if each not in self._reported:
                LOGGER.warning("%s: %s; skipped", printable(self._store.path), printable(str(each)))
        self._reported = set(damage)


def _what(template: int, person_id: object, how: str) -> str:
    return "template {} of the person {} {}".format(template, person_id, how)
