"""Everything in a gallery is read, and what cannot be used is listed."""

from typing import NamedTuple, Tuple

import numpy as np

from kface.errors import GalleryError
from kface.gallery.crops import decode_crop
from kface.gallery.founding import Parts
from kface.gallery.schema import ACCEPT
from kface.gallery.values import Damage


class Checked(NamedTuple):
    """What is in a gallery.

    Attributes:
        people: How many can be read.
        templates: How many can be used.
        crops: How many can be read.
        changes: How many changes the gallery has had.
        damage: What cannot be used.
        witness: The file that notes the newest change outside the gallery.
        witness_fault: Why that cannot be kept; empty where it can.
    """

    people: int
    templates: int
    crops: int
    changes: int
    damage: Tuple[Damage, ...]
    witness: str
    witness_fault: str


def check(parts: Parts) -> Checked:
    """See :meth:`kface.gallery.Gallery.check`."""
    rows = parts.rows
    with parts.store.snapshot() as db:
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise GalleryError("is damaged ({})".format(state.splitlines()[-1]), parts.store.path, ACCEPT)
        parts.ledger.load(db)
        root = parts.ledger.root(db)
        parts.model.compare(root.model)
        fingerprint = parts.model.current() or ""
        # The table, not its index: both are compared with the list.
        found = db.execute("SELECT id, person FROM template NOT INDEXED ORDER BY person, id").fetchall()
        size = parts.model.size() if found else 1
        names, damage = rows.people(db)
        lost = {each.person_id for each in damage}
        matrix = np.empty((1, size), np.float32)
        templates = crops = 0
        for template, person_id in found:
            broken = rows.fill(db, [(0, template, person_id)], fingerprint, matrix)
            if broken:
                damage += broken.values()
            elif person_id in names:
                templates += 1
            elif str(person_id) not in lost:
                what = "template {} of the person {} belongs to no person".format(template, person_id)
                damage.append(Damage(what, str(person_id), "", template))
            try:
                png = rows.crop(db, template, person_id, fingerprint)
                if png is not None:
                    decode_crop(png, "the crop of template {}".format(template))
                    crops += 1
            except GalleryError as error:
                what = error.what if error.where == parts.store.path else "{} {}".format(error.where, error.what)
                damage.append(Damage(what, str(person_id), "", template))
        there = [row[0] for row in found]
        damage += rows.missing(db, list(names) + list(lost), there)
        for (template,) in db.execute("SELECT template FROM crop WHERE template NOT IN (SELECT id FROM template)"):
            damage.append(Damage("the crop of template {} belongs to no template".format(template), "", "", template))
    said = tuple(each._replace(name=names.get(each.person_id, "")) for each in damage)
    return Checked(len(names), templates, crops, root.counter, said, parts.witness.path, parts.witness.fault)
