"""What a deletion took away, in memory and sealed no longer, so that it can be undone for a while."""

import sqlite3
from typing import NamedTuple, Optional, Sequence, Tuple

from kface.errors import GalleryError
from kface.gallery.model import Model
from kface.gallery.rows import Rows


class RemovedTemplate(NamedTuple):
    """A template that was deleted: its number, when it was enrolled, its vector as little-endian float32, its crop as PNG."""

    id: int
    created: str
    vector: bytes
    crop: Optional[bytes]


class Removed(NamedTuple):
    """A person, or one of a person's templates, that was deleted; :meth:`kface.gallery.Gallery.restore` takes it back.

    It holds biometric data in the clear, as an open gallery does: whoever keeps one lets go of it soon.

    Attributes:
        person_id: The person's ID.
        name: The person's name.
        created: When the person was enrolled.
        complete: Whether the person was deleted, and not some templates only.
        fingerprint: Of the model whose templates these are; empty without templates.
        templates: What was deleted of the person, without what could not be read.
        lost: How many templates could not be read, and do not come back.
    """

    person_id: str
    name: str
    created: str
    complete: bool
    fingerprint: str
    templates: Tuple[RemovedTemplate, ...]
    lost: int


def read(
    db: sqlite3.Connection, rows: Rows, model: Model, person_id: str, only: Optional[Sequence[int]] = None
) -> Removed:
    """Return what a deletion would take away.

    Args:
        db: In a transaction.
        rows: Of the gallery.
        model: Of the gallery.
        person_id: Whose.
        only: Numbers of the templates; all, and the person, where None.

    Raises:
        GalleryError: The person's name cannot be read.
    """
    row = db.execute("SELECT id, handle, nonce, sealed, created FROM person WHERE id = ?", (person_id,)).fetchone()
    if row is None:
        raise rows.damaged("the person {}".format(person_id), "is missing")
    fingerprint = model.current() or ""
    kept, lost = [], 0
    found = db.execute("SELECT id, created FROM template WHERE person = ? ORDER BY id", (person_id,)).fetchall()
    for template, created in found:
        if only is not None and template not in only:
            continue
        try:
            vector = rows.vector(db, template, person_id, fingerprint)
        except GalleryError:
            lost += 1
            continue
        try:
            png = rows.crop(db, template, person_id, fingerprint)
        except GalleryError:
            png = None
        kept.append(RemovedTemplate(template, created, vector, png))
    return Removed(person_id, rows.name(db, *row[:4]), row[4], only is None, fingerprint, tuple(kept), lost)


def restore(db: sqlite3.Connection, rows: Rows, model: Model, removed: Removed, path: str) -> int:
    """See :meth:`kface.gallery.Gallery.restore`."""
    there = db.execute("SELECT 1 FROM person WHERE id = ?", (removed.person_id,)).fetchone() is not None
    if removed.complete and there:
        raise GalleryError("is enrolled already", removed.name, "there is nothing to undo")
    if not removed.complete and not there:
        raise GalleryError("is not enrolled any more", removed.name, "undo the deletion of the person first")
    if removed.templates:
        size = len(removed.templates[0].vector) // 4
        if model.claim(size) != removed.fingerprint:
            raise GalleryError(
                "the gallery is of another model by now, so that the deletion cannot be undone", path, "enrol again"
            )
    if not there:
        if rows.find_name(db, removed.name) is not None:
            raise GalleryError(
                "someone else was enrolled under this name since", removed.name, "rename that person, then undo again"
            )
        rows.write_person(db, removed.person_id, removed.name, removed.created)
    for template in removed.templates:
        rows.add_template(
            db,
            removed.person_id,
            removed.fingerprint,
            template.vector,
            template.crop,
            template.created,
            number=template.id,
        )
    return len(removed.templates)
