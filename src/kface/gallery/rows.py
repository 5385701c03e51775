"""Rows as they are kept: each sealed together with what it belongs to, and on the gallery's list of rows."""

import contextlib
import sqlite3
import uuid
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from kface.errors import GalleryError
from kface.gallery.cipher import Cipher, ForgedError
from kface.gallery.ledger import CROP, PERSON, TEMPLATE, Ledger, id_of, key_of
from kface.gallery.names import clean_name, likeness
from kface.gallery.schema import RESTORE, name_data, template_data
from kface.gallery.values import Damage, now

#: Template number, person, nonce, in the order of people.
Entry = Tuple[int, str, bytes]
CHANGED = "was changed since it was written, or moved"
UNLISTED = "is not on the gallery's row list (an old row was restored, or the list was changed)"
MISSING = "is missing"
REPAIR = "{}, or delete the person by ID and enrol them again".format(RESTORE)
#: With more rows than this to read, all are read in one go.
MANY = 256


class People(NamedTuple):
    """Who can be read.

    Attributes:
        names: By the ID.
        damage: Of the others.
    """

    names: Dict[str, str]
    damage: List[Damage]


class Rows(object):
    """Reads and writes rows inside a transaction that the caller has begun.

    Args:
        cipher: Of the gallery's key.
        path: The gallery's file, for errors.
        ledger: Its list of rows.
    """

    def __init__(self, cipher: Cipher, path: str, ledger: Ledger) -> None:
        self._cipher = cipher
        self._path = path
        self._ledger = ledger
        #: Names that were opened, by ID, handle and nonce.
        self._known: Dict[Tuple[str, bytes, bytes], str] = {}

    def damaged(self, what: str, how: str) -> GalleryError:
        """Return the error of a row."""
        return GalleryError("{} {}".format(what, how), self._path, REPAIR)

    def _open(self, db: sqlite3.Connection, kind: bytes, id: object, row: Tuple[bytes, bytes], data: bytes) -> bytes:
        """Return what a row of nonce and ciphertext holds, where it is the newest of its kind and ID."""
        expected = self._ledger.expected(db, kind, id)
        if expected is None:
            raise ForgedError(UNLISTED)
        if expected != row[0]:
            raise ForgedError(CHANGED)
        try:
            return self._cipher.open(row[0], row[1], data)
        except ForgedError:
            raise ForgedError(CHANGED)

    # ---- people

    def find(self, db: sqlite3.Connection, who: str) -> Optional[str]:
        """Return the ID of the person with that name, else of the one with that ID, or None."""
        # A person whose row is gone or cannot be read is found by the ID as long as there are templates.
        row = db.execute(
            "SELECT id FROM person WHERE id = ?1 UNION SELECT person FROM template WHERE person = ?1",
            (who.encode("utf-8", "replace").decode("utf-8"),),
        ).fetchone()
        try:
            named = self.find_name(db, clean_name(who))
        except GalleryError:
            # A name that older versions took, and this one does not.
            named = None if row is not None else self._find_old_name(db, who)
            if row is None and named is None:
                raise
        if named is not None:
            return named
        return None if row is None else str(row[0])

    def _find_old_name(self, db: sqlite3.Connection, who: str) -> Optional[str]:
        for person_id, name in self.people(db).names.items():
            if name == who:
                return person_id
        return None

    def find_name(self, db: sqlite3.Connection, name: str) -> Optional[str]:
        """Return the ID of the person with that name, or one that looks the same, or None.

        Raises:
            GalleryError: That person's row was changed.
        """
        alike = None
        for handle in (self._handle(name), self._exact_handle(name)):
            row = db.execute("SELECT id, handle, nonce, sealed FROM person WHERE handle = ?", (handle,)).fetchone()
            if row is None:
                continue
            known = self.name(db, *row)
            if known == name:
                return str(row[0])
            if likeness(known) != likeness(name):
                raise self.damaged("the name of the person {}".format(row[0]), CHANGED)
            alike = alike or str(row[0])
        return alike

    def _handle(self, name: str) -> bytes:
        return self._cipher.handle(likeness(name))

    def _exact_handle(self, name: str) -> bytes:
        """Return the handle of one of two people whose names look the same, which older versions allowed."""
        return self._cipher.handle("exact\0" + name)

    def add_person(self, db: sqlite3.Connection, name: str, created: Optional[str] = None) -> str:
        """Write a new person and return the ID: a random one, so that no old row fits a later person."""
        person_id = uuid.uuid4().hex
        self.write_person(db, person_id, name, created)
        return person_id

    def write_person(self, db: sqlite3.Connection, person_id: str, name: str, created: Optional[str] = None) -> None:
        """Write a person's name, new or in place of another."""
        handle = self._handle(name)
        if db.execute("SELECT 1 FROM person WHERE handle = ? AND id != ?", (handle, person_id)).fetchone():
            handle = self._exact_handle(name)
        nonce, sealed = self._cipher.seal(name.encode("utf-8"), name_data(person_id, handle))
        changed = db.execute(
            "UPDATE person SET handle = ?, nonce = ?, sealed = ? WHERE id = ?", (handle, nonce, sealed, person_id)
        ).rowcount
        if not changed:
            row = (person_id, handle, nonce, sealed, created or now())
            db.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?)", row)
        self._ledger.note(PERSON, person_id, nonce)

    def remove_person(self, db: sqlite3.Connection, person_id: str) -> int:
        """Delete a person with templates and crops, and return how many templates these were."""
        gone = [row[0] for row in db.execute("SELECT id FROM template WHERE person = ?", (person_id,))]
        for template in gone:
            self.remove_template(db, template)
        db.execute("DELETE FROM person WHERE id = ?", (person_id,))
        self._ledger.drop(PERSON, person_id)
        return len(gone)

    def name(self, db: sqlite3.Connection, person_id: str, handle: bytes, nonce: bytes, sealed: bytes) -> str:
        """Return the name that a row of a person holds; raises GalleryError where the row is not as it was written."""
        try:
            key = (person_id, handle, nonce)
            known = self._known.get(key)
            if known is not None and self._ledger.expected(db, PERSON, person_id) == nonce:
                return known
            data = self._open(db, PERSON, person_id, (nonce, sealed), name_data(person_id, handle))
            self._known[key] = data.decode("utf-8")
            return self._known[key]
        except ForgedError as error:
            raise self.damaged("the name of the person {}".format(person_id), str(error))

    def people(self, db: sqlite3.Connection) -> People:
        """Return everybody who can be read, and what is wrong with the others."""
        names: Dict[str, str] = {}
        damage: List[Damage] = []
        known: Dict[Tuple[str, bytes, bytes], str] = {}
        self._ledger.load(db)
        for person_id, handle, nonce, sealed in db.execute("SELECT id, handle, nonce, sealed FROM person"):
            try:
                names[person_id] = self.name(db, person_id, handle, nonce, sealed)
                known[person_id, handle, nonce] = names[person_id]
            except GalleryError as error:
                damage.append(Damage(error.what, str(person_id), "", None))
        # Those that are gone are not kept for ever.
        self._known = known
        return People(names, damage)

    def complete(self, db: sqlite3.Connection) -> Dict[str, str]:
        """Return everybody's names by the ID; raises GalleryError where anybody or any template is missing."""
        people = self.people(db)
        templates = [row[0] for row in db.execute("SELECT id FROM template NOT INDEXED")]
        damage = people.damage or self.missing(db, list(people.names), templates)
        if damage:
            raise GalleryError(damage[0].what, self._path, REPAIR)
        return people.names

    # ---- templates and crops

    def add_template(
        self,
        db: sqlite3.Connection,
        person_id: str,
        fingerprint: str,
        vector: bytes,
        png: Optional[bytes],
        created: Optional[str] = None,
        number: Optional[int] = None,
    ) -> int:
        """Write a template, and its crop where there is one, and return the template's number.

        Args:
            db: In a transaction.
            person_id: Whose.
            fingerprint: Of the gallery's model.
            vector: Little-endian float32.
            png: The crop.
            created: When it was enrolled; now where None.
            number: One that it had before it was deleted; a new one where None, or where that one is in use.
        """
        template = self._ledger.number(db) if number is None else self._again(db, number)
        # What stands under a number that was not given out yet is not a row of the gallery.
        db.execute("DELETE FROM template WHERE id = ?", (template,))
        db.execute("DELETE FROM crop WHERE template = ?", (template,))
        db.execute("INSERT INTO template VALUES (?, ?, x'', x'', ?)", (template, person_id, created or now()))
        self.write_vector(db, template, person_id, fingerprint, vector)
        if png is not None:
            self._write_crop(db, template, person_id, fingerprint, png)
        return template

    def _again(self, db: sqlite3.Connection, number: int) -> int:
        """Return a number that was given out before, or a new one where a template has it."""
        taken = self._ledger.expected(db, TEMPLATE, number) is not None
        return self._ledger.number(db) if taken or not self._ledger.given_out(db, number) else number

    def remove_template(self, db: sqlite3.Connection, template: int) -> None:
        """Delete a template and its crop."""
        db.execute("DELETE FROM crop WHERE template = ?", (template,))
        db.execute("DELETE FROM template WHERE id = ?", (template,))
        self._ledger.drop(TEMPLATE, template)
        self._ledger.drop(CROP, template)

    def write_vector(
        self, db: sqlite3.Connection, template: int, person_id: str, fingerprint: str, vector: bytes
    ) -> None:
        """Put another vector, or another person or model, in a template's place."""
        nonce, sealed = self._cipher.seal(vector, template_data("template", template, person_id, fingerprint))
        db.execute(
            "UPDATE template SET person = ?, nonce = ?, sealed = ? WHERE id = ?", (person_id, nonce, sealed, template)
        )
        self._ledger.note(TEMPLATE, template, nonce)

    def _write_crop(self, db: sqlite3.Connection, template: int, person_id: str, fingerprint: str, png: bytes) -> None:
        nonce, sealed = self._cipher.seal(png, template_data("crop", template, person_id, fingerprint))
        db.execute("INSERT OR REPLACE INTO crop VALUES (?, ?, ?)", (template, nonce, sealed))
        self._ledger.note(CROP, template, nonce)

    def vector(self, db: sqlite3.Connection, template: int, person_id: str, fingerprint: str) -> bytes:
        """Return a template's vector, little-endian float32; raises GalleryError where it is not as it was written."""
        row = db.execute("SELECT nonce, sealed FROM template WHERE id = ?", (template,)).fetchone()
        return self._vector(db, template, person_id, fingerprint, row)

    def _vector(
        self,
        db: sqlite3.Connection,
        template: int,
        person_id: str,
        fingerprint: str,
        row: Optional[Tuple[bytes, bytes]],
    ) -> bytes:
        try:
            if row is None:
                raise ForgedError(MISSING)
            return self._open(db, TEMPLATE, template, row, template_data("template", template, person_id, fingerprint))
        except ForgedError as error:
            raise self.damaged("template {} of the person {}".format(template, person_id), str(error))

    def vectors(self, db: sqlite3.Connection, person_id: str, fingerprint: str) -> Set[bytes]:
        """Return those of a person's vectors that can be read."""
        found = set()
        for template, _, _ in self.entries(db, person_id):
            with contextlib.suppress(GalleryError):
                found.add(self.vector(db, template, person_id, fingerprint))
        return found

    def crop(self, db: sqlite3.Connection, template: int, person_id: str, fingerprint: str) -> Optional[bytes]:
        """Return a template's crop as PNG, or None where none is kept."""
        row = db.execute("SELECT nonce, sealed FROM crop WHERE template = ?", (template,)).fetchone()
        try:
            if row is None:
                if self._ledger.expected(db, CROP, template) is None:
                    return None
                raise ForgedError(MISSING)
            return self._open(db, CROP, template, row, template_data("crop", template, person_id, fingerprint))
        except ForgedError as error:
            raise self.damaged("the crop of template {} of the person {}".format(template, person_id), str(error))

    def move(
        self, db: sqlite3.Connection, template: int, old: Tuple[str, str], new: Tuple[str, str], vector: Optional[bytes]
    ) -> None:
        """Seal a template and its crop again.

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
    def any(db: sqlite3.Connection) -> bool:
        """Return whether there is any template."""
        return db.execute("SELECT 1 FROM template LIMIT 1").fetchone() is not None

    @staticmethod
    def entries(db: sqlite3.Connection, person_id: Optional[str] = None) -> List[Entry]:
        """Return all templates' entries, or a person's, from the index alone."""
        where, values = ("WHERE person = ?", (person_id,)) if person_id is not None else ("", ())
        return db.execute(
            "SELECT id, person, nonce FROM template {} ORDER BY person, id".format(where), values
        ).fetchall()

    def fill(
        self, db: sqlite3.Connection, wanted: List[Tuple[int, int, str]], fingerprint: str, matrix: np.ndarray
    ) -> Dict[int, Damage]:
        """Read vectors.

        Args:
            db: In a transaction.
            wanted: Row of the matrix, template, person.
            fingerprint: Of the gallery's model.
            matrix: float32 (t, d); the rows are written to it.

        Returns:
            What is wrong with those that cannot be read, by the row of the matrix.
        """
        damage: Dict[int, Damage] = {}
        if len(wanted) > MANY:
            places = {template: (row, person_id) for row, template, person_id in wanted}
            for template, nonce, sealed in db.execute("SELECT id, nonce, sealed FROM template"):
                place = places.pop(template, None)
                if place is not None:
                    row, person_id = place
                    try:
                        data = self._vector(db, template, person_id, fingerprint, (nonce, sealed))
                        self._put(matrix, row, data, template, person_id)
                    except GalleryError as error:
                        damage[row] = Damage(error.what, person_id, "", template)
            # Those in the index only are left.
            wanted = [(row, template, person_id) for template, (row, person_id) in places.items()]
        for row, template, person_id in wanted:
            try:
                self._put(matrix, row, self.vector(db, template, person_id, fingerprint), template, person_id)
            except GalleryError as error:
                damage[row] = Damage(error.what, person_id, "", template)
        return damage

    def _put(self, matrix: np.ndarray, row: int, data: bytes, template: int, person_id: str) -> None:
        if len(data) != 4 * matrix.shape[1]:
            how = "has {} bytes instead of {}".format(len(data), 4 * matrix.shape[1])
            raise self.damaged("template {} of the person {}".format(template, person_id), how)
        matrix[row] = np.frombuffer(data, "<f4")

    def missing(self, db: sqlite3.Connection, people: List[str], templates: List[int]) -> List[Damage]:
        """Return who and what should be there, and is not among these IDs; crops are not looked at."""
        there = {key_of(PERSON, person_id) for person_id in people}
        there.update(key_of(TEMPLATE, template) for template in templates)
        damage = []
        for key in self._ledger.all(db):
            if key not in there and key[:1] != CROP:
                kind, id = id_of(key)
                if kind == PERSON:
                    damage.append(Damage("the person {} {}".format(id, MISSING), str(id), "", None))
                else:
                    damage.append(Damage("template {} {}".format(id, MISSING), "", "", int(str(id))))
        return damage
