"""The gallery's file: opened for a model, closed, looked over, and changed in one piece or not at all."""

import contextlib
import os
import sqlite3
import threading
from typing import Iterator, Optional, Tuple, Union

from kface.errors import GalleryError
from kface.gallery import search_file
from kface.gallery.cache import Cache
from kface.gallery.changes import change
from kface.gallery.checking import Checked, check
from kface.gallery.cipher import Cipher
from kface.gallery.founding import Parts, prepare
from kface.gallery.ledger import Ledger
from kface.gallery.model import Model
from kface.gallery.rows import Rows
from kface.gallery.store import TIMEOUT_S, Store
from kface.gallery.values import Damage
from kface.gallery.witness import Witness

PathLike = Union[str, "os.PathLike[str]"]


class GalleryFile(object):
    """An open gallery's file; what is in it is :class:`kface.gallery.Gallery`'s, which also has the arguments."""

    def __init__(
        self,
        path: PathLike,
        fingerprint: Optional[str],
        key: bytes,
        create: bool = True,
        timeout: float = TIMEOUT_S,
        accept: bool = False,
    ) -> None:
        self._cipher = Cipher(key)
        self._lock = threading.RLock()
        witness = Witness(os.fspath(path), self._cipher)
        self._kept = [witness.path, search_file.path_of(os.fspath(path))]
        if create and not os.path.lexists(os.fspath(path)):
            # Whoever removed the file wants another one; before it is there, so that no one takes it for an empty one.
            witness.forget()
            search_file.erase(os.fspath(path))
        self._store = Store(path, create, timeout)
        self._ledger = Ledger(self._cipher, self._store)
        self._rows = Rows(self._cipher, self._store.path, self._ledger)
        self._model = Model(self._store, fingerprint)
        self._cache = Cache(self._store, self._rows, self._model, self._ledger, self._cipher)
        self._parts = Parts(self._store, self._cipher, self._ledger, self._rows, self._model, witness)
        try:
            self.accepted = prepare(self._parts, accept)
        except BaseException:
            self._store.close()
            raise

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            self._store.close()
            self._cache.forget()

    @property
    def path(self) -> str:
        """The file."""
        return self._store.path

    def keep(self, path: PathLike) -> None:
        """Never write an export over this file, such as the key's."""
        self._kept.append(os.fspath(path))

    def version(self) -> int:
        """Return a number that is a larger one once anybody, here or in another process, has changed the gallery.

        It shows whether results of :meth:`match` may be out of date, costs a few microseconds, and means nothing to another
        object or process.

        Raises:
            GalleryError: The file cannot be read.
        """
        with self._lock:
            return self._cache.version()

    @property
    def damage(self) -> Tuple[Damage, ...]:
        """What the last :meth:`match` or :meth:`refresh` had to leave out: it was changed, is missing or was put back.

        A large gallery that was opened by its search file leaves nothing out; :meth:`check` finds what is damaged there.
        """
        return self._cache.damage

    def refresh(self) -> Tuple[Damage, ...]:
        """Read what has changed since, as :meth:`match` does, and return what has to be left out.

        Raises:
            GalleryError: The file is damaged as a whole, of another model, or an older one was put in its place.
        """
        with self._lock:
            self._cache.current()
            return self._cache.damage

    def use_model(self, fingerprint: str) -> None:
        """Be of another model from now on, which only a gallery without templates can, or of the one that it is of.

        Raises:
            GalleryError: There are templates of another model (see :meth:`kface.gallery.Gallery.reenrol`); nothing has
                changed then.
        """
        with self._lock:
            self._model.expect(fingerprint)
            self._cache.expire()

    def check(self) -> Checked:
        """Read everything, crops too, and return how many there are and what cannot be used.

        Raises:
            GalleryError: The file is damaged as a whole, or an older one has been put in its place.
        """
        with self._lock:
            return check(self._parts)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            with change(self._parts) as db:
                yield db
            self._cache.expire()

    def _known(self, db: sqlite3.Connection, who: str) -> str:
        found = self._rows.find(db, who)
        if found is None:
            raise GalleryError("no such person", who, "`kface gallery list` shows the names")
        return found

    def _owner(self, db: sqlite3.Connection, template: int) -> str:
        row = db.execute("SELECT person FROM template WHERE id = ?", (template,)).fetchone()
        if row is None:
            raise GalleryError("no such template: {}".format(template), self.path)
        return str(row[0])
