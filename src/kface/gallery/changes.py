"""A change of a gallery: one transaction that ends with the list of rows, and with the note outside the file."""

import contextlib
import sqlite3
from typing import Iterator

from kface.gallery import search_file
from kface.gallery.founding import Parts


@contextlib.contextmanager
def change(parts: Parts) -> Iterator[sqlite3.Connection]:
    """Write, alone: on leaving everything is on the disk, or after an exception nothing has changed.

    Raises:
        GalleryError: The file is damaged as a whole, or an older one has been put in its place.
    """
    try:
        with parts.store.transaction() as db:
            parts.model.compare(parts.ledger.root(db).model)
            yield db
            root = parts.ledger.write(db, parts.model.text())
    except BaseException:
        parts.ledger.forget()
        raise
    # It is of the state before, and may hold what has just been deleted.
    search_file.erase(parts.store.path)
    parts.witness.note(root)
