"""The tables of a gallery's file, and what its rows are sealed with."""

import json

#: Raised whenever an older program would read the tables wrongly.
SCHEMA = 2
#: SQLite's mark of whose file it is: "kfac".
APPLICATION = 0x6B666163
RESTORE = "import an export over it"
ACCEPT = "restore the right file, or accept this one as it is: kface gallery accept"
#: The list of rows, see :mod:`kface.gallery.ledger`; new in schema 2.
LEDGER = "CREATE TABLE IF NOT EXISTS ledger (bucket INTEGER PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL)"
#: A template's nonce is in the index by person: what changed is found without reading the templates themselves.
TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE person (id TEXT PRIMARY KEY, handle BLOB NOT NULL UNIQUE, nonce BLOB NOT NULL, sealed BLOB NOT NULL,"
    " created TEXT NOT NULL)",
    "CREATE TABLE template (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE, nonce BLOB NOT NULL, sealed BLOB NOT NULL,"
    " created TEXT NOT NULL)",
    "CREATE TABLE crop (template INTEGER PRIMARY KEY REFERENCES template (id) ON DELETE CASCADE, nonce BLOB NOT NULL,"
    " sealed BLOB NOT NULL)",
    "CREATE INDEX template_of_person ON template (person, id, nonce)",
    LEDGER,
)


def associated(kind: str, *parts: object, schema: int = SCHEMA) -> bytes:
    """Return what a row is sealed with: moved to another row, person, model, schema or column it does not open.

    Args:
        kind: "check", "name", "template", "crop", "ledger" or "bucket".
        parts: What the row belongs to. A damaged file may have anything in its columns.
        schema: The schema that the row is of.
    """
    values = ["kface gallery", schema, kind] + list(parts)
    try:
        return json.dumps(values).encode("ascii")
    except TypeError:
        return json.dumps(values, default=repr).encode("ascii")


def name_data(person_id: object, handle: object) -> bytes:
    """Return what a person's name is sealed with: the handle by which it is looked up belongs to this person only."""
    return associated("name", person_id, handle.hex() if isinstance(handle, bytes) else handle)


def template_data(kind: str, template: object, person_id: object, fingerprint: str) -> bytes:
    """Return what a template ("template") or its crop ("crop") is sealed with."""
    return associated(kind, person_id, fingerprint, template)
