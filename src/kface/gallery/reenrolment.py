"""All templates for another model, from the crops that were kept."""

import contextlib
import sqlite3
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np

from kface.errors import GalleryError
from kface.gallery.changes import change
from kface.gallery.crops import decode_crop
from kface.gallery.founding import Parts
from kface.gallery.model import Model
from kface.gallery.rows import Entry, Rows
from kface.gallery.values import Reenrolled, unit


class ModelSwitch(NamedTuple):
    """How a gallery goes over to another model while it is in use.

    Attributes:
        fingerprint: Of the new model.
        hold: Makes a context in which nothing searches the gallery; entered before its lock.
        committed: Called in that context once the file has the new templates; lets the gallery be of the new model.
    """

    fingerprint: str
    hold: "Callable[[], contextlib.AbstractContextManager[Any]]"
    committed: Callable[[], None]


def reenrol(
    parts: Parts,
    embed: Callable[[np.ndarray], np.ndarray],
    discard: bool,
    batch: int,
    lock: "contextlib.AbstractContextManager[Any]",
    switch: Optional[ModelSwitch] = None,
) -> Reenrolled:
    """See :meth:`kface.gallery.Gallery.reenrol`; others may read and write while the network works.

    Args:
        parts: Of the gallery.
        embed: See there.
        discard: See there.
        batch: See there.
        lock: Held while the file is used; may be entered again.
        switch: Where the gallery goes on being used for its old model until all is done; None where it was opened for the
            new one.
    """
    store, rows, model = parts.store, parts.rows, parts.model
    wanted = model.wanted if switch is None else switch.fingerprint
    if wanted is None:
        raise GalleryError("it was opened without a model", store.path, "open it with the new bundle's fingerprint")
    made: Dict[Entry, bytes] = {}
    while True:
        done: Optional[Reenrolled] = None
        # Whoever searches meanwhile must not see the new templates with the old model.
        with contextlib.ExitStack() as held:
            if switch is not None:
                held.enter_context(switch.hold())
            held.enter_context(lock)
            with change(parts) as db:
                old, entries = model.current(), rows.entries(db)
                kept = {row[0] for row in db.execute("SELECT template FROM crop")}
                without = [entry for entry in entries if entry[0] not in kept]
                missing = [entry for entry in entries if entry[0] in kept and entry not in made]
                if old is None or old == wanted:
                    done = Reenrolled(0, 0)
                elif without and not discard:
                    raise GalleryError(
                        "{} of {} templates, of {} people, have no crop and cannot be recomputed".format(
                            len(without), len(entries), len({person_id for _, person_id, _ in without})
                        ),
                        store.path,
                        "use discard (--discard) to remove them, and enrol these people again",
                    )
                elif not missing:
                    for entry in without:
                        rows.remove_template(db, entry[0])
                    _replace(db, rows, model, str(old), [entry for entry in entries if entry[0] in kept], made, wanted)
                    done = Reenrolled(len(entries) - len(without), len(without))
            if done is not None:
                if switch is not None:
                    switch.committed()
                return done
        for start in range(0, len(missing), batch):
            made.update(_embed(parts, str(old), missing[start : start + batch], embed, lock))


def _embed(
    parts: Parts,
    old: str,
    entries: List[Entry],
    embed: Callable[[np.ndarray], np.ndarray],
    lock: "contextlib.AbstractContextManager[Any]",
) -> Dict[Entry, bytes]:
    store, rows, model = parts.store, parts.rows, parts.model
    crops: Dict[Entry, np.ndarray] = {}
    with lock, store.snapshot() as db:
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
    db: sqlite3.Connection,
    rows: Rows,
    model: Model,
    old: str,
    entries: List[Entry],
    made: Dict[Entry, bytes],
    wanted: str,
) -> None:
    """Put the new templates in the old ones' places; the caller's transaction makes it all or nothing."""
    if not entries:
        model.adopt(None, None)
        return
    for entry in entries:
        rows.move(db, entry[0], (entry[1], old), (entry[1], wanted), made[entry])
    model.adopt(wanted, len(made[entries[0]]) // 4)
