"""All templates for another model, from the crops that were kept."""

import sqlite3
from typing import Callable, Dict, List, Optional

import numpy as np

from kface.errors import GalleryError
from kface.gallery.changes import change
from kface.gallery.crops import decode_crop
from kface.gallery.founding import Parts
from kface.gallery.model import Model
from kface.gallery.rows import Entry, Rows
from kface.gallery.values import Reenrolled, unit


def reenrol(parts: Parts, embed: Callable[[np.ndarray], np.ndarray], discard: bool, batch: int) -> Reenrolled:
    """See :meth:`kface.gallery.Gallery.reenrol`; others may read and write while the network works."""
    store, rows, model = parts.store, parts.rows, parts.model
    if model.wanted is None:
        raise GalleryError("it was opened without a model", store.path, "open it with the new bundle's fingerprint")
    made: Dict[Entry, bytes] = {}
    while True:
        with change(parts) as db:
            old, entries = model.current(), rows.entries(db)
            if old is None or old == model.wanted:
                return Reenrolled(0, 0)
            kept = {row[0] for row in db.execute("SELECT template FROM crop")}
            without = [entry for entry in entries if entry[0] not in kept]
            if without and not discard:
                raise GalleryError(
                    "{} of {} templates, of {} people, have no crop and cannot be recomputed".format(
                        len(without), len(entries), len({person_id for _, person_id, _ in without})
                    ),
                    store.path,
                    "use discard (--discard) to remove them, and enrol these people again",
                )
            missing = [entry for entry in entries if entry[0] in kept and entry not in made]
            if not missing:
                for entry in without:
                    rows.remove_template(db, entry[0])
                _replace(db, rows, model, old, [entry for entry in entries if entry[0] in kept], made)
                return Reenrolled(len(entries) - len(without), len(without))
        for start in range(0, len(missing), batch):
            made.update(_embed(parts, old, missing[start : start + batch], embed))


def _embed(
    parts: Parts, old: str, entries: List[Entry], embed: Callable[[np.ndarray], np.ndarray]
) -> Dict[Entry, bytes]:
    store, rows, model = parts.store, parts.rows, parts.model
    crops: Dict[Entry, np.ndarray] = {}
    with store.snapshot() as db:
        # Another process may have been faster, or have deleted or merged someone.
        there = set(rows.entries(db)) if model.current() == old else set()
        for entry in entries:
            png: Optional[bytes] = rows.crop(db, entry[0], entry[1], old) if entry in there else None
            if png is not None:
                crops[entry] = decode_crop(png, "the crop of template {}".format(entry[0]))
    if not crops:
        return {}
    vectors = unit(embed(np.stack(list(crops.values()))))
    if len(vectors) != len(crops):
        raise GalleryError("the model gave {} embeddings for {} crops".format(len(vectors), len(crops)), store.path)
    return {entry: vector.astype("<f4").tobytes() for entry, vector in zip(crops, vectors)}


def _replace(
    db: sqlite3.Connection, rows: Rows, model: Model, old: str, entries: List[Entry], made: Dict[Entry, bytes]
) -> None:
    """Put the new templates in the old ones' places; the caller's transaction makes it all or nothing."""
    wanted = str(model.wanted)
    if not entries:
        model.adopt(None, None)
        return
    for entry in entries:
        rows.move(db, entry[0], (entry[1], old), (entry[1], wanted), made[entry])
    model.adopt(wanted, len(made[entries[0]]) // 4)
