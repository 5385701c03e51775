"""Of which model a gallery's templates are: of one, and never of two."""

import json
from typing import Optional, Tuple

from kface.errors import GalleryError
from kface.gallery.schema import ACCEPT, RESTORE
from kface.gallery.store import Store

#: Numbers of the longest embedding.
LONGEST = 1 << 16


class Model(object):
    """What a gallery was opened for, beside what it is of.

    Args:
        store: The opened file.
        wanted: The fingerprint that it was opened for; None for whatever it is of.

    Attributes:
        wanted: As given.
    """

    def __init__(self, store: Store, wanted: Optional[str]) -> None:
        self._store = store
        self.wanted = wanted

    def current(self) -> Optional[str]:
        """Return the fingerprint of the templates that are there, or None before the first."""
        return self._store.fact("fingerprint")

    def text(self) -> str:
        """Return fingerprint and length as they stand in the file, to be sealed with its list of rows."""
        return json.dumps([self._store.fact("fingerprint"), self._store.fact("embedding")])

    def compare(self, sealed: str) -> None:
        """Compare the facts with what :meth:`text` was when they were sealed; raises GalleryError where they differ."""
        if self.text() != sealed:
            raise GalleryError("its model was changed since it was written", self._store.path, ACCEPT)

    def restore(self, sealed: str) -> None:
        """Set the facts to what was sealed; only inside a transaction."""
        fingerprint, size = json.loads(sealed)
        self._store.set_fact("fingerprint", fingerprint)
        self._store.set_fact("embedding", size)

    def size(self) -> int:
        """Return the length of the embeddings that are there."""
        text = self._store.fact("embedding") or ""
        if not text.isdigit() or not 1 <= int(text) <= LONGEST:
            raise GalleryError("is damaged: it lacks the size of its embeddings", self._store.path, RESTORE)
        return int(text)

    def check(self) -> Tuple[str, int]:
        """Return fingerprint and length of the templates that are there; raises GalleryError where they are another's."""
        current = self.current() or ""
        if self.wanted is not None and current != self.wanted:
            raise self._other(current, self.wanted)
        return current, self.size()

    def expect(self, fingerprint: str) -> None:
        """Be of another model from now on; raises GalleryError where there are templates of another one."""
        current = self.current()
        if not self._is_free() and current != fingerprint:
            raise self._other(str(current), fingerprint)
        self.wanted = fingerprint

    def claim(self, size: int) -> str:
        """Return the fingerprint to seal new templates for, which are of `size` numbers; only inside a transaction.

        Raises:
            GalleryError: There are templates of another model, or the gallery was opened without one and has none.
        """
        if self._is_free():
            if self.wanted is None:
                raise GalleryError("it has no model yet", self._store.path, "open it with a bundle's fingerprint")
            self.adopt(self.wanted, size)
        fingerprint, known = self.check()
        if size != known:
            raise GalleryError(
                "its templates have {} dimensions, not {}".format(known, size),
                self._store.path,
                "use the model that the gallery was made with",
            )
        return fingerprint

    def accept(self, fingerprint: str, size: int) -> None:
        """Make room for templates of an export; only inside a transaction; raises GalleryError where they do not fit."""
        if self._is_free():
            self.adopt(fingerprint, size)
        if (self.current(), self.size()) != (fingerprint, size):
            raise GalleryError(
                "its templates are from another model ({:.12}) than the export's ({:.12})".format(
                    self.current() or "", fingerprint
                ),
                self._store.path,
                "import into a new gallery file and recompute them there: kface gallery reenrol",
            )

    def adopt(self, fingerprint: Optional[str], size: Optional[int]) -> None:
        """Set of which model the gallery is from now on; only inside a transaction."""
        self._store.set_fact("fingerprint", fingerprint)
        self._store.set_fact("embedding", None if size is None else str(size))

    def _other(self, current: str, wanted: str) -> GalleryError:
        return GalleryError(
            "its templates are from another model ({:.12}) than this one ({:.12})".format(current, wanted),
            self._store.path,
            "recompute them from stored crops (kface gallery reenrol), or open it with its own bundle",
        )

    def _is_free(self) -> bool:
        return self.current() is None or not self._store.has_templates()
