"""A gallery's file is made, brought up from an older version, proven to be the newest one, or accepted as it is."""

import sqlite3
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from kface.errors import GalleryError
from kface.gallery import search_file
from kface.gallery.cipher import Cipher, ForgedError
from kface.gallery.ledger import CROP, PERSON, TEMPLATE, Ledger, Root, key_of
from kface.gallery.model import Model
from kface.gallery.rows import Rows
from kface.gallery.schema import ACCEPT, LEDGER, SCHEMA, associated, name_data, template_data
from kface.gallery.store import Store
from kface.gallery.witness import Mark, Witness


class Parts(NamedTuple):
    """What an opened gallery is made of."""

    store: Store
    cipher: Cipher
    ledger: Ledger
    rows: Rows
    model: Model
    witness: Witness


def prepare(parts: Parts, accept: bool = False) -> List[str]:
    """Make the file usable, or say why it must not be used.

    Args:
        parts: Of the gallery.
        accept: Take the file as it is, whatever is missing or older in it; see :func:`_accept`.

    Returns:
        What was accepted, a line each.

    Raises:
        GalleryError: The key is another one, or the file is older than it was, another gallery's, or damaged as a whole.
    """
    # Read first: what others change in between makes the file newer than this, and never older.
    noted = parts.witness.read()
    with parts.store.snapshot():
        schema = parts.store.schema()
    if schema < SCHEMA:
        if noted is not None and not accept:
            what = "is empty" if schema == 0 else "it was replaced by an older file (schema {})".format(schema)
            raise GalleryError("{} (it had {} changes)".format(what, noted.counter), parts.store.path, ACCEPT)
        with parts.store.transaction() as db:
            # Another process may have been faster.
            schema = parts.store.schema()
            if schema == 0:
                _make(parts, db)
            elif schema == 1:
                _upgrade(parts, db, accept)
    if accept:
        return _accept(parts, noted)
    with parts.store.snapshot() as db:
        _check_key(parts, SCHEMA)
        root = parts.ledger.root(db)
    parts.witness.check(noted, root)
    parts.witness.note(root)
    return []


def _make(parts: Parts, db: sqlite3.Connection) -> None:
    parts.store.make_tables()
    _put_check(parts)
    parts.ledger.found(db, parts.model.text())


def _put_check(parts: Parts) -> None:
    nonce, sealed = parts.cipher.seal(b"", _check_data(SCHEMA))
    parts.store.set_fact("check", "{}:{}".format(nonce.hex(), sealed.hex()))


def _check_data(schema: int) -> bytes:
    return associated("check", "", "", schema=1) if schema == 1 else associated("check")


def _has_key(parts: Parts, schema: int) -> bool:
    """Return whether the key is the one that the gallery was made with."""
    kept = parts.store.fact("check")
    try:
        nonce, sealed = (bytes.fromhex(part) for part in (kept or "").split(":"))
        parts.cipher.open(nonce, sealed, _check_data(schema))
    except (ForgedError, ValueError):
        return False
    return True


def _check_key(parts: Parts, schema: int) -> None:
    """Compare the key with the one that the gallery was made with, before anything is sealed with another."""
    if not _has_key(parts, schema):
        raise GalleryError(
            "the key does not fit (or the gallery's key check was changed)",
            parts.store.path,
            "use the key it was created with, or, if this is that key, " + ACCEPT,
        )


# ---- from schema 1


def _upgrade(parts: Parts, db: sqlite3.Connection, accept: bool) -> None:
    """Seal every row of a gallery of schema 1 again, in one transaction: a crash leaves the old file.

    What could not be read before cannot be read afterwards, and stays.
    """
    rows = db.execute("SELECT id, handle, nonce, sealed FROM person ORDER BY created, id").fetchall()
    if (rows or parts.store.fact("check") is not None) and not (accept and _reads_any(parts, rows)):
        _check_key(parts, 1)
    db.execute(LEDGER)
    fingerprint = parts.model.current() or ""
    following = int(db.execute("SELECT coalesce(max(id), 0) FROM template").fetchone()[0]) + 1
    for (last,) in db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'template'").fetchall():
        following = max(following, int(last) + 1)
    parts.ledger.found(db, parts.model.text(), next=following)
    names: Dict[str, str] = {}
    for person_id, _, nonce, sealed in rows:
        try:
            data = parts.cipher.open(nonce, sealed, associated("name", person_id, "", schema=1))
            names[person_id] = data.decode("utf-8")
        except ForgedError:
            continue
    # The sealed name counts, not the handle: exchanged handles go back to whom they belong. A handle is unique, so all of them
    # make room first.
    db.executemany("UPDATE person SET handle = CAST(id AS BLOB) WHERE id = ?", [(person_id,) for person_id in names])
    for person_id, name in names.items():
        parts.rows.write_person(db, person_id, name)
    for kind, table, number in (("template", "template", "id"), ("crop", "crop", "template")):
        _upgrade_table(parts, db, kind, table, number, fingerprint)
    _put_check(parts)
    parts.store.set_schema()
    parts.ledger.write(db, parts.model.text())


def _reads_any(parts: Parts, rows: List[Tuple[str, bytes, bytes, bytes]]) -> bool:
    return any(_opens(parts, row[2], row[3], associated("name", row[0], "", schema=1)) for row in rows)


def _upgrade_table(parts: Parts, db: sqlite3.Connection, kind: str, table: str, number: str, fingerprint: str) -> None:
    owners = dict(db.execute("SELECT id, person FROM template").fetchall())
    for (template,) in db.execute("SELECT {} FROM {}".format(number, table)).fetchall():
        # One at a time: crops are large.
        query = "SELECT nonce, sealed FROM {} WHERE {} = ?".format(table, number)
        nonce, sealed = db.execute(query, (template,)).fetchone()
        person_id = owners.get(template)
        try:
            data = parts.cipher.open(nonce, sealed, associated(kind, person_id, fingerprint, schema=1))
        except ForgedError:
            continue
        nonce, sealed = parts.cipher.seal(data, template_data(kind, template, person_id, fingerprint))
        db.execute("UPDATE {} SET nonce = ?, sealed = ? WHERE {} = ?".format(table, number), (nonce, sealed, template))
        parts.ledger.note(TEMPLATE if kind == "template" else CROP, template, nonce)


# ---- as it is


def _accept(parts: Parts, noted: Optional[Mark]) -> List[str]:
    """Rebuild the list of rows from what the file has, and take its state for the newest.

    Unreadable rows are removed; a person of whom only the name cannot be read keeps the templates under another name.
    """
    repairs: List[str] = []
    with parts.store.transaction() as db:
        db.execute("REINDEX")
        db.execute(LEDGER)
        proven = _has_key(parts, SCHEMA)
        root = _old_root(parts, db)
        listed = _listed(parts, db, root)
        if root is None:
            repairs.append("the row list could not be read and was rebuilt")
        else:
            parts.model.restore(root.model)
            if noted is not None and (root.gallery.hex() != noted.gallery or root.counter < noted.counter):
                repairs.append("its newest change is {} (it was {})".format(root.counter, noted.counter))
        counter = max(0 if root is None else root.counter, 0 if noted is None else noted.counter)
        following = int(db.execute("SELECT coalesce(max(id), 0) FROM template").fetchone()[0]) + 1
        parts.ledger.found(db, parts.model.text(), counter, max(following, 1 if root is None else root.next))
        there = _collect(parts, db, repairs)
        if not (proven or root is not None or there):
            raise GalleryError("this key decrypts nothing in it", parts.store.path, "use the key it was created with")
        _compare(listed, there, repairs)
        _put_check(parts)
        root = parts.ledger.write(db, parts.model.text())
    search_file.erase(parts.store.path)
    parts.witness.note(root, accept=True)
    return repairs


def _old_root(parts: Parts, db: sqlite3.Connection) -> Optional[Root]:
    try:
        return parts.ledger.root(db)
    except GalleryError:
        return None


def _listed(parts: Parts, db: sqlite3.Connection, root: Optional[Root]) -> Optional[Set[bytes]]:
    return None if root is None else set(parts.ledger.all(db))


def _collect(parts: Parts, db: sqlite3.Connection, repairs: List[str]) -> Set[bytes]:
    """Note every row that can be read, mend or remove the others, and return the keys of those that are there."""
    fingerprint = parts.model.current() or ""
    templates: Dict[int, str] = {}
    broken: List[int] = []
    there: Set[bytes] = set()

    def note(kind: bytes, id: object, nonce: bytes) -> None:
        parts.ledger.note(kind, id, nonce)
        there.add(key_of(kind, id) or b"")

    for template, person_id, nonce, sealed in db.execute("SELECT id, person, nonce, sealed FROM template").fetchall():
        if _opens(parts, nonce, sealed, template_data("template", template, person_id, fingerprint)):
            templates[template] = person_id
            note(TEMPLATE, template, nonce)
        else:
            broken.append(template)
    people: Set[str] = set()
    for person_id, handle, nonce, sealed in db.execute("SELECT id, handle, nonce, sealed FROM person").fetchall():
        people.add(person_id)
        if _opens(parts, nonce, sealed, name_data(person_id, handle)):
            note(PERSON, person_id, nonce)
        elif person_id in templates.values():
            people.discard(person_id)
        else:
            db.execute("DELETE FROM person WHERE id IS ?", (person_id,))
            repairs.append("removed person {}: nothing of it can be read".format(person_id))
    for person_id in sorted(set(templates.values()) - people):
        name = "unreadable {}".format(person_id[:8])
        # The handle of a name that cannot be read may be another person's.
        parts.rows.write_person(db, person_id, name)
        there.add(key_of(PERSON, person_id) or b"")
        repairs.append("person {} has no readable name and is now called {}; rename it".format(person_id, name))
    for template in broken:
        db.execute("DELETE FROM crop WHERE template = ?", (template,))
        db.execute("DELETE FROM template WHERE id = ?", (template,))
        repairs.append("removed template {}: it cannot be read".format(template))
    for (template,) in db.execute("SELECT template FROM crop").fetchall():
        nonce, sealed = db.execute("SELECT nonce, sealed FROM crop WHERE template = ?", (template,)).fetchone()
        if _opens(parts, nonce, sealed, template_data("crop", template, templates.get(template), fingerprint)):
            note(CROP, template, nonce)
        else:
            db.execute("DELETE FROM crop WHERE template = ?", (template,))
            repairs.append("removed the crop of template {}: it cannot be read".format(template))
    return there


def _opens(parts: Parts, nonce: bytes, sealed: bytes, data: bytes) -> bool:
    try:
        parts.cipher.open(nonce, sealed, data)
    except ForgedError:
        return False
    return True


def _compare(listed: Optional[Set[bytes]], there: Set[bytes], repairs: List[str]) -> None:
    if listed is None:
        return
    for kind, name in ((PERSON, "people"), (TEMPLATE, "templates"), (CROP, "crops")):
        gone = sum(key[:1] == kind for key in listed - there)
        new = sum(key[:1] == kind for key in there - listed)
        if gone:
            repairs.append("{} {} are missing and were taken off the row list".format(gone, name))
        if new:
            repairs.append("{} {} were not on the row list and were added to it".format(new, name))
