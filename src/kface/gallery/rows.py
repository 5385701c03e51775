"""Rows as they are kept: each sealed together with the person, the model and the schema that it belongs to."""

import json
import sqlite3
import uuid
from typing import Dict, List, Optional, Tuple

import numpy as np

from kface.errors import GalleryError
from kface.gallery.cipher import Cipher, ForgedError
from kface.gallery.store import RESTORE, SCHEMA
from kface.gallery.values import clean_name, now

#: Template number, person, nonce, in the order of people.
Entry = Tuple[int, str, bytes]


def associated(kind: str, person: str, fingerprint: str = "") -> bytes:
    """Return what a row is sealed with: moved to another person, model, schema or column it does not open."""
    return json.dumps(["kface gallery", SCHEMA, kind, person, fingerprint]).encode("ascii")


class Rows(object):
    """Reads and writes rows inside a transaction that the caller has begun.

    Args:
        cipher: Of the gallery's key.
        path: The gallery's file, for errors.
    """

    def __init__(self, cipher: Cipher, path: str) -> None:
        self._cipher = cipher
        self._path = path

    def _open(self, nonce: bytes, sealed: bytes, data: bytes, what: str) -> bytes:
        try:
            return self._cipher.open(nonce, sealed, data)
        except ForgedError:
            raise GalleryError(
                "{} was changed since it was written, or moved".format(what),
                self._path,
                "{}, or delete that person by the ID and enrol them again".format(RESTORE),
            )

    def find(self, db: sqlite3.Connection, who: str) -> Optional[str]:
        """Return the ID of the person with that name, else of the one with that ID, or None."""
        named = self.find_name(db, clean_name(who))
        if named is not None:
            return named
        row = db.execute("SELECT id FROM person WHERE id = ?", (who,)).fetchone()
        return None if row is None else str(row[0])

    def find_name(self, db: sqlite3.Connection, name: str) -> Optional[str]:
        """Return the ID of the person with that name, or None."""
        row = db.execute("SELECT id FROM person WHERE handle = ?", (self._cipher.handle(name),)).fetchone()
        return None if row is None else str(row[0])

    def add_person(self, db: sqlite3.Connection, name: str, created: Optional[str] = None) -> str:
        """Write a new person and return the ID: a random one, so that no old row fits a later person."""
        person = uuid.uuid4().hex
        nonce, sealed = self._cipher.seal(name.encode("utf-8"), associated("name", person))
        db.execute(
            "INSERT INTO person VALUES (?, ?, ?, ?, ?)",
            (person, self._cipher.handle(name), nonce, sealed, created or now()),
        )
        return person

    def rename(self, db: sqlite3.Connection, person: str, name: str) -> None:
        """Give a person another name."""
        nonce, sealed = self._cipher.seal(name.encode("utf-8"), associated("name", person))
        db.execute(
            "UPDATE person SET handle = ?, nonce = ?, sealed = ? WHERE id = ?",
            (self._cipher.handle(name), nonce, sealed, person),
        )

    def name(self, person: str, nonce: bytes, sealed: bytes) -> str:
        """Return the name that a row of a person holds."""
        data = self._open(nonce, sealed, associated("name", person), "the name of the person {}".format(person))
        return data.decode("utf-8")

    def names(self, db: sqlite3.Connection) -> Dict[str, str]:
        """Return every person's name by the ID."""
        return {row[0]: self.name(*row) for row in db.execute("SELECT id, nonce, sealed FROM person")}

    def add_template(
        self,
        db: sqlite3.Connection,
        person: str,
        fingerprint: str,
        vector: bytes,
        png: Optional[bytes],
        created: Optional[str] = None,
    ) -> int:
        """Write a new template, and its crop where there is one, and return the template's number."""
        nonce, sealed = self._cipher.seal(vector, associated("template", person, fingerprint))
        cursor = db.execute(
            "INSERT INTO template (person, nonce, sealed, created) VALUES (?, ?, ?, ?)",
            (person, nonce, sealed, created or now()),
        )
        template = int(cursor.lastrowid or 0)
        if png is not None:
            self._write_crop(db, template, person, fingerprint, png)
        return template

    def write_vector(self, db: sqlite3.Connection, template: int, person: str, fingerprint: str, vector: bytes) -> None:
        """Put another vector, or another person or model, in a template's place."""
        nonce, sealed = self._cipher.seal(vector, associated("template", person, fingerprint))
        db.execute(
            "UPDATE template SET person = ?, nonce = ?, sealed = ? WHERE id = ?", (person, nonce, sealed, template)
        )

    def _write_crop(self, db: sqlite3.Connection, template: int, person: str, fingerprint: str, png: bytes) -> None:
        nonce, sealed = self._cipher.seal(png, associated("crop", person, fingerprint))
        db.execute("INSERT OR REPLACE INTO crop VALUES (?, ?, ?)", (template, nonce, sealed))

    def vector(self, db: sqlite3.Connection, template: int, person: str, fingerprint: str) -> bytes:
        """Return a template's vector, little-endian float32."""
        row = db.execute("SELECT nonce, sealed FROM template WHERE id = ?", (template,)).fetchone()
        what = "template {} of the person {}".format(template, person)
        return self._open(row[0], row[1], associated("template", person, fingerprint), what)

    def crop(self, db: sqlite3.Connection, template: int, person: str, fingerprint: str) -> Optional[bytes]:
        """Return a template's crop as PNG, or None where none is kept."""
        row = db.execute("SELECT nonce, sealed FROM crop WHERE template = ?", (template,)).fetchone()
        if row is None:
            return None
        what = "the crop of template {} of the person {}".format(template, person)
        return self._open(row[0], row[1], associated("crop", person, fingerprint), what)

    def move(
        self, db: sqlite3.Connection, template: int, old: Tuple[str, str], new: Tuple[str, str], vector: Optional[bytes]
    ) -> None:
        """Seal a template and its crop anew.

        Args:
            db: In a transaction.
            template: The number; it stays.
            old: Person and fingerprint up to now.
            new: Person and fingerprint from now on.
            vector: What to put in the vector's place; None leaves it.
        """
        png = self.crop(db, template, *old)
        kept = self.vector(db, template, *old) if vector is None else vector
        self.write_vector(db, template, new[0], new[1], kept)
        if png is not None:
            self._write_crop(db, template, new[0], new[1], png)

    @staticmethod
    def entries(db: sqlite3.Connection, person: Optional[str] = None) -> List[Entry]:
        """Return all templates' entries, or a person's, from the index alone."""
        where, values = ("WHERE person = ?", (person,)) if person is not None else ("", ())
        return db.execute(
            "SELECT id, person, nonce FROM template {} ORDER BY person, id".format(where), values
        ).fetchall()

    def fill(
        self, db: sqlite3.Connection, wanted: List[Tuple[int, int, str]], fingerprint: str, matrix: np.ndarray
    ) -> None:
        """Read vectors.

        Args:
            db: In a transaction.
            wanted: Row of the matrix, template, person.
            fingerprint: Of the gallery's model.
            matrix: float32 (t, d); the rows are written to it.
        """
        size = 4 * matrix.shape[1]
        for row, template, person in wanted:
            data = self.vector(db, template, person, fingerprint)
            if len(data) != size:
                raise GalleryError(
                    "template {} has {} bytes instead of {}".format(template, len(data), size), self._path, RESTORE
                )
            matrix[row] = np.frombuffer(data, "<f4")
