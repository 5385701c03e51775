"""The gallery's SQLite file, so opened that what was acknowledged stays, whatever happens to the process or the power."""

import contextlib
import os
import sqlite3
import stat
import time
from typing import Iterator, Optional, Union

from kface.errors import GalleryError
from kface.gallery.schema import APPLICATION, RESTORE, SCHEMA, TABLES

PathLike = Union[str, "os.PathLike[str]"]

#: How long a process waits for another one's turn.
TIMEOUT_S = 30.0


class Store(object):
    """An opened file. Not safe to share between threads that use it at the same time.

    Its tables are not made here, see :meth:`schema` and :mod:`kface.gallery.founding`.

    Args:
        path: The file.
        create: Whether to make it where it is not there.
        timeout: Seconds to wait for another process' turn.

    Raises:
        GalleryError: It is not there, cannot be used, or is not a gallery that this program reads.
    """

    def __init__(self, path: PathLike, create: bool = True, timeout: float = TIMEOUT_S) -> None:
        self.path = os.fspath(path)
        #: Counts transactions and snapshots: what was read in one may be out of date in the next.
        self.scopes = 0
        self._timeout = timeout
        self._make_file(create)
        with self._translated():
            # Transactions are begun by hand: the module's own would begin them late, when a read may be out of date.
            self._db = sqlite3.connect(self.path, timeout=timeout, isolation_level=None, check_same_thread=False)
            # A damaged text is one row's matter, and not the end of every query.
            self._db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _make_file(self, create: bool) -> None:
        # Opening a pipe or some devices waits or does something; SQLite would also put its log beside them.
        with contextlib.suppress(OSError, ValueError):
            if not stat.S_ISREG(os.stat(self.path).st_mode) and not os.path.isdir(self.path):
                raise GalleryError("cannot be opened (not a regular file)", self.path, "give another file")
        try:
            if create:
                folder = os.path.dirname(self.path)
                if folder:
                    os.makedirs(folder, mode=0o700, exist_ok=True)
                # SQLite gives its log and its shared memory the mode that the file itself has.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            else:
                os.close(os.open(self.path, os.O_RDWR))
        except FileNotFoundError:
            raise absent(self.path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise GalleryError("cannot be opened ({})".format(reason), self.path, "give another file")

    def _prepare(self) -> None:
        """Look whose file it is before anything in it is changed."""
        with self._translated():
            with self.snapshot():
                self.schema()
            self._use_log()
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
            # What is deleted is overwritten.
            self._db.execute("PRAGMA secure_delete=ON")

    def schema(self) -> int:
        """Return the schema that the file has, 0 where nothing was ever stored; only inside a transaction or snapshot.

        Raises:
            GalleryError: It is another program's file, or a later version's.
        """
        owner = self._number("PRAGMA application_id")
        if owner == 0 and self._number("SELECT count(*) FROM sqlite_master") == 0:
            return 0
        if owner != APPLICATION:
            raise GalleryError("is not a gallery", self.path, "give another file")
        version = self._number("PRAGMA user_version")
        if not 1 <= version <= SCHEMA:
            raise GalleryError(
                "has schema version {}, this program reads {}".format(version, SCHEMA),
                self.path,
                "use the version of kface that wrote it, or enrol into another file",
            )
        return version

    def make_tables(self) -> None:
        """Make the tables of an empty file; only inside a transaction."""
        for statement in TABLES:
            self._db.execute(statement)
        self._db.execute("PRAGMA application_id={}".format(APPLICATION))
        self.set_schema()

    def set_schema(self) -> None:
        """Note that the tables are this version's; only inside a transaction."""
        self._db.execute("PRAGMA user_version={}".format(SCHEMA))

    def _number(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])

    def _use_log(self) -> None:
        """Switch to the write-ahead log; while others open the file too, SQLite refuses that without any waiting."""
        end = time.monotonic() + self._timeout
        while True:
            try:
                mode = self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.01)
        if str(mode).lower() != "wal":
            raise GalleryError("cannot use a write-ahead log here", self.path, "move it to a local disk")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Say what SQLite says in one line with the file's name."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise GalleryError("cannot be used ({})".format(error), self.path, "open the gallery again")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise GalleryError(
                    "locked by another process for {:g} s".format(self._timeout),
                    self.path,
                    "try again, or end that process",
                )
            raise GalleryError("cannot be used ({})".format(error), self.path, "check free space and permissions")
        except sqlite3.DatabaseError as error:
            raise GalleryError("is damaged, or is not a gallery ({})".format(error), self.path, RESTORE)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write, alone: on leaving everything is on the disk, or after an exception nothing has changed."""
        with self._scope("BEGIN IMMEDIATE") as db:
            yield db

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the file, whatever others write in the meantime."""
        with self._scope("BEGIN") as db:
            yield db

    @contextlib.contextmanager
    def _scope(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._translated():
            self._db.execute(begin)
            self.scopes += 1
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def version(self) -> int:
        """Return a number that is another one once another connection has changed the file."""
        with self._translated():
            return self._number("PRAGMA data_version")

    def fact(self, name: str) -> Optional[str]:
        """Return what :meth:`set_fact` set, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: Optional[str]) -> None:
        """Keep something about the gallery as a whole, or None to forget it; only inside a transaction."""
        self._db.execute("DELETE FROM facts WHERE name = ?", (name,))
        if value is not None:
            self._db.execute("INSERT INTO facts VALUES (?, ?)", (name, value))

    def has_templates(self) -> bool:
        """Return whether anybody has a template."""
        return bool(self._number("SELECT EXISTS (SELECT 1 FROM template)"))

    def forget(self) -> None:
        """Empty the write-ahead log, which still holds what was deleted; it is left where others are reading."""
        with self._translated():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._db.close()


def absent(path: PathLike) -> GalleryError:
    """Return the error of a file that is not there."""
    return GalleryError("no gallery", path, "enrol someone first: kface gallery add")
