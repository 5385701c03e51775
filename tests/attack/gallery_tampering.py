"""Rows of a gallery are changed behind its back: whatever was done is refused or left out with a line, never another person.

    PYTHONPATH=src python tests/attack/gallery_tampering.py [SEED [COUNT]]

Each trial takes a gallery of six people, does one to three of the edits below to its file, and opens it again. It fails where
somebody is recognised as another, where something is missing and nothing says so, or where anything but a GalleryError comes.
"""

import contextlib
import logging
import os
import random
import shutil
import sqlite3
import sys
import tempfile

import numpy as np

from kface.gallery import Gallery, GalleryError

KEY, MODEL, SIZE = bytes(range(32)), "a" * 64, 16
NAMES = [f"P{number:02d}" for number in range(6)]
COLUMNS = {
    "person": ("id", "handle", "nonce", "sealed", "created"),
    "template": ("id", "person", "nonce", "sealed", "created"),
    "crop": ("template", "nonce", "sealed"),
    "ledger": ("bucket", "nonce", "sealed"),
    "facts": ("name", "value"),
}


def vector(seed):
    return np.random.RandomState(seed).normal(size=SIZE).astype(np.float32)


def crop(seed):
    return np.random.RandomState(seed).randint(0, 256, (112, 112, 3)).astype(np.uint8)


def campaign(seed, count):
    """Return how many trials were made, and what failed, a line each."""
    tried, failed = 0, []
    with _state() as folder:
        scene = Scene(folder)
        chance = random.Random(seed)
        while tried < count:
            scene.restore()
            done = []
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                edit = chance.choice(EDITS)
                # An edit that SQLite itself refuses is none.
                with contextlib.suppress(sqlite3.Error, IndexError, ValueError):
                    done.append((edit.__name__, edit(scene, chance)))
            if not done:
                continue
            tried += 1
            try:
                wrong = scene.judge()
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                failed.append(f"seed {seed}, trial {tried}, {done}: {wrong}")
    return tried, failed


@contextlib.contextmanager
def _state():
    """Keep the gallery's notes in a folder of the campaign's own, and its log quiet."""
    before = os.environ.get("XDG_STATE_HOME")
    logger = logging.getLogger("kface.gallery")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = os.path.join(folder, "state")
        try:
            yield folder
        finally:
            logger.setLevel(level)
            os.environ.pop("XDG_STATE_HOME")
            if before is not None:
                os.environ["XDG_STATE_HOME"] = before


class Scene:
    """A gallery, older states of it, and how it should look."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "gallery.db")
        self.older = []
        with Gallery(self.path, MODEL, KEY) as gallery:
            gallery.add("gone", vector(99))
            for number, name in enumerate(NAMES):
                for sample in range(2):
                    gallery.add(name, vector(10 * number + sample), crop(number) if sample else None)
                self._keep()
            gallery.delete("gone")
            gallery.delete_template(gallery.templates("P05")[0].id)
            self._keep()
            gallery.rename("P04", "later")
            gallery.rename("later", "P04")
        self.whole = self._content()
        shutil.copytree(os.path.join(folder, "state"), os.path.join(folder, "state.kept"))
        shutil.copy(self.path, self.path + ".kept")

    def _keep(self):
        target = f"{self.path}.{len(self.older)}"
        source, copy = sqlite3.connect(self.path), sqlite3.connect(target)
        source.backup(copy)
        source.close()
        copy.close()
        self.older.append(target)

    def restore(self):
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + suffix)
        shutil.copy(self.path + ".kept", self.path)
        shutil.rmtree(os.path.join(self.folder, "state"))
        shutil.copytree(os.path.join(self.folder, "state.kept"), os.path.join(self.folder, "state"))

    def _content(self):
        with Gallery(self.path, MODEL, KEY) as gallery:
            content = {}
            for person in gallery.list():
                crops = [
                    None if each.crop is False else gallery.crop(each.id).tobytes()
                    for each in gallery.templates(person.id)
                ]
                content[person.id] = (person.name, crops)
            found = [gallery.match(vector(10 * number + 1))[0] for number in range(len(NAMES))]
            return content, [matches[0].name if matches and matches[0].score > 0.999 else None for matches in found]

    def judge(self):
        """Return what is wrong; None where the edits were refused, left out with a line, or made no difference."""
        try:
            with Gallery(self.path, MODEL, KEY) as gallery:
                damage = gallery.check().damage
                left_out = gallery.refresh()
                people = {person.id: person.name for person in gallery.list()}
                for number, name in enumerate(NAMES):
                    best = (gallery.match(vector(10 * number + 1))[0] or [None])[0]
                    if best is not None and best.score > 0.999 and best.name != name:
                        return f"{name} is recognised as {best.name}"
                    if (best is None or best.score < 0.999) and not left_out:
                        return f"{name} is not recognised, and nothing says why"
                best = (gallery.match(vector(99))[0] or [None])[0]
                if best is not None and best.score > 0.999:
                    return f"who was deleted is recognised as {best.name}"
            for person, name in people.items():
                if self.whole[0].get(person, (None,))[0] != name:
                    return f"{person} is listed as {name}"
            if not damage and self._content() != self.whole:
                return "something is missing, and nothing says so"
            return self._enrol()
        except GalleryError as error:
            return f"a line of {len(str(error))} characters" if "\n" in str(error) else None

    def _enrol(self):
        """Enrol another face of the first person: it is that person's, or refused."""
        with Gallery(self.path, MODEL, KEY) as gallery:
            gallery.add("P00", vector(500))
            best = gallery.match(vector(500))[0][0]
        return None if best.name == "P00" else f"enrolled as P00, recognised as {best.name}"

    def sql(self, statement, *values):
        db = sqlite3.connect(self.path)
        try:
            found = db.execute(statement, values).fetchall()
            db.commit()
            return found
        finally:
            db.close()

    def rows(self, table):
        return [row[0] for row in self.sql(f"SELECT rowid FROM {table} ORDER BY rowid")]


# ---- edits


def flip_bytes(scene, chance):
    with open(scene.path, "r+b") as stream:
        data = bytearray(stream.read())
        places = [chance.randrange(100, len(data)) for _ in range(chance.choice((1, 1, 4, 40)))]
        for place in places:
            data[place] ^= 1 << chance.randrange(8)
        stream.seek(0)
        stream.write(data)
    return places[:4]


def cut_off(scene, chance):
    size = os.path.getsize(scene.path)
    left = chance.choice((0, 4096, size // 2, size - 4096))
    os.truncate(scene.path, left)
    return left


def swap(scene, chance):
    table = chance.choice(sorted(COLUMNS))
    column = chance.choice(COLUMNS[table])
    one, other = chance.sample(scene.rows(table), 2)
    query = f"SELECT {column} FROM {table} WHERE rowid = ?"
    values = [scene.sql(query, row)[0][0] for row in (one, other)]
    update = f"UPDATE OR ABORT {table} SET {column} = ? WHERE rowid = ?"
    scene.sql(update, -5 if column in ("id", "template", "bucket") and table != "person" else b"x", one)
    scene.sql(update, values[0], other)
    scene.sql(update, values[1], -5 if column in ("id", "template", "bucket") and table != "person" else one)
    return table, column


def overwrite(scene, chance):
    table = chance.choice(sorted(COLUMNS))
    column = chance.choice(COLUMNS[table])
    value = chance.choice((b"", b"\0" * 12, b"\0" * 60, "", "x", "\x1b[2J", 7, -1, 2.5, 1 << 62))
    scene.sql(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", value, chance.choice(scene.rows(table)))
    return table, column, value


def invalid_utf8(scene, chance):
    table, column = chance.choice((("person", "id"), ("person", "created"), ("template", "person"), ("facts", "value")))
    statement = f"UPDATE {table} SET {column} = CAST(x'61ff' AS TEXT) WHERE rowid = ?"
    scene.sql(statement, chance.choice(scene.rows(table)))
    return table, column


def delete(scene, chance):
    table = chance.choice(sorted(COLUMNS))
    rows = scene.rows(table)
    for row in chance.sample(rows, min(len(rows), chance.choice((1, 1, 2, 100)))):
        scene.sql(f"DELETE FROM {table} WHERE rowid = ?", row)
    return table


def put_back_row(scene, chance):
    table = chance.choice(("person", "template", "crop", "ledger"))
    with contextlib.closing(sqlite3.connect(chance.choice(scene.older))) as old:
        rows = old.execute(f"SELECT * FROM {table}").fetchall()
    row = chance.choice(rows)
    marks = ", ".join("?" * len(row))
    scene.sql(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", *row)
    return table


def put_back_person(scene, chance):
    """Everything of the person who was deleted."""
    for table in ("person", "template"):
        with contextlib.closing(sqlite3.connect(scene.older[0])) as old:
            rows = old.execute(f"SELECT * FROM {table}").fetchall()
        for row in rows:
            with contextlib.suppress(sqlite3.Error):
                scene.sql("INSERT INTO {} VALUES ({})".format(table, ", ".join("?" * len(row))), *row)


def put_back_file(scene, chance):
    number = chance.randrange(len(scene.older))
    shutil.copy(scene.older[number], scene.path)
    return number


def copy_row(scene, chance):
    table = chance.choice(("template", "crop", "person"))
    row = list(scene.sql(f"SELECT * FROM {table} WHERE rowid = ?", chance.choice(scene.rows(table)))[0])
    row[0] = chance.choice((0, 77, -3)) if table != "person" else f"{chance.getrandbits(128):032x}"
    if table == "template" and chance.random() < 0.7:
        row[1] = chance.choice(scene.sql("SELECT id FROM person"))[0]
    if table == "person":
        row[1] = bytes(chance.getrandbits(8) for _ in range(32))
    scene.sql("INSERT INTO {} VALUES ({})".format(table, ", ".join("?" * len(row))), *row)
    return table


def give_to_another(scene, chance):
    person = chance.choice(scene.sql("SELECT id FROM person"))[0]
    scene.sql("UPDATE template SET person = ? WHERE rowid = ?", person, chance.choice(scene.rows("template")))


def index_without_row(scene, chance):
    """As a lost page leaves it: the index has an entry, the table has no row; or the other way round."""
    name, where = "template_of_person", " WHERE name = 'template_of_person'"
    with contextlib.closing(sqlite3.connect(scene.path)) as db:
        sql, root = db.execute("SELECT sql, rootpage FROM sqlite_master" + where).fetchall()[0]
        db.execute("PRAGMA writable_schema=ON")
        db.execute("DELETE FROM sqlite_master" + where)
        db.commit()
    row = chance.choice(scene.rows("template"))
    what = chance.choice(("DELETE FROM template WHERE rowid = ?", "UPDATE template SET person = 'x' WHERE rowid = ?"))
    scene.sql(what, row)
    with contextlib.closing(sqlite3.connect(scene.path)) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute("INSERT INTO sqlite_master VALUES ('index', ?, 'template', ?, ?)", (name, root, sql))
        db.commit()
    return what, row


def older_schema(scene, chance):
    scene.sql(f"PRAGMA user_version={chance.choice((0, 1, 3)):d}")


EDITS = (
    flip_bytes,
    cut_off,
    swap,
    swap,
    overwrite,
    overwrite,
    invalid_utf8,
    delete,
    delete,
    put_back_row,
    put_back_person,
    put_back_file,
    copy_row,
    give_to_another,
    index_without_row,
    older_schema,
)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]] + [0, 700][len(sys.argv) - 1 :]
    made, wrong = campaign(*numbers)
    print(f"{made} tamperings, {len(wrong)} accepted")
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
