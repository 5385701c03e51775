"""The data set's directory while it is being built.

``shards/`` contains finished shards, ``journal/`` one entry for each finished piece of work, written after its shard. Both are
written atomically, and only by the building process: whenever it is killed, a journal entry guarantees its shard, and
everything else is repeated.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kface.data.dataset.manifest import FILE, PathLike, Shard, check_shard, shard_fault
from kface.data.dataset.settings import differences
from kface.errors import DatasetError
from kface.files import read_json, write_atomic, write_json
from kface.locks import lock

SHARDS = "shards"
JOURNAL = "journal"
HEADER = "settings.json"
LOCK = ".lock"
TEMPORARY = ".tmp-"
KEPT = "free some space or give another directory; finished work is kept"


class Workspace:
    """A data set's directory, locked against a second builder; a context manager.

    Args:
        directory: Created where missing.
        header: What determines the content (settings, detector); work with another header is never mixed in.

    Raises:
        DatasetError: The directory cannot be written, is in use, belongs to something else, or was built differently.
    """

    def __init__(self, directory: PathLike, header: dict[str, Any]) -> None:
        self.directory = Path(directory)
        self.header = json.loads(json.dumps(header))
        self._lock: int | None = None

    def __enter__(self) -> "Workspace":
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._refuse_other_content()
            self._take_lock()
            try:
                for name in (SHARDS, JOURNAL):
                    (self.directory / name).mkdir(exist_ok=True)
                self._clean()
                self._check_header()
            except BaseException:
                self._drop_lock()
                raise
        except OSError as error:
            raise self.cannot_write(error)
        return self

    def __exit__(self, *exception: object) -> None:
        self._drop_lock()

    def cannot_write(self, error: OSError) -> DatasetError:
        """Return the error for a full disk, a read-only directory and the like."""
        where = error.filename2 or error.filename or self.directory
        if TEMPORARY in os.path.basename(str(where)):
            where = self.directory
        return DatasetError(f"cannot be written ({error.strerror or error})", where, KEPT)

    def entry(self, key: str, fingerprint: str) -> dict[str, Any] | None:
        """Return the journal's entry of a piece of work, or None where it must be done (again).

        The shard is read and its hash compared, so that a damaged one is rebuilt.
        """
        try:
            found = read_json(self.directory / JOURNAL / (key + ".json"))
        except (OSError, ValueError):
            return None
        if not _is_entry(found) or found["fingerprint"] != fingerprint:
            return None
        if found["shard"] is not None and check_shard(self.directory, Shard(**found["shard"]), hashes=True):
            return None
        return dict(found)

    def finish(self, key: str, entry: dict[str, Any], data: bytes) -> None:
        """Write a piece of work: the shard first (where there is one), then its entry."""
        try:
            if entry["shard"] is not None:
                write_atomic(self.directory / entry["shard"]["file"], data)
            write_json(self.directory / JOURNAL / (key + ".json"), entry)
        except OSError as error:
            raise self.cannot_write(error)

    def drop_manifest(self) -> None:
        """Remove the manifest: the data set is no longer finished."""
        try:
            (self.directory / FILE).unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self.cannot_write(error)

    def strays(self, keys: Iterable[str], files: Iterable[str]) -> Iterable[Path]:
        """Return the journal entries and shards without a piece of work.

        Args:
            keys: All pieces of work.
            files: All shards, named as in the manifest.
        """
        entries = {key + ".json" for key in keys} | {HEADER}
        shards = {os.path.basename(name) for name in files}
        found = [path for path in (self.directory / JOURNAL).iterdir() if path.name not in entries]
        return sorted(found + [path for path in (self.directory / SHARDS).iterdir() if path.name not in shards])

    def _take_lock(self) -> None:
        self._lock = os.open(str(self.directory / LOCK), os.O_RDWR | os.O_CREAT, 0o666)
        if not lock(self._lock, wait=False):
            self._drop_lock()
            raise DatasetError("another process is building this data set", self.directory, "wait for it to end")

    def _drop_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _refuse_other_content(self) -> None:
        names = {path.name for path in self.directory.iterdir()}
        if names and not names & {JOURNAL, LOCK, FILE}:
            raise DatasetError("is not empty, and not a data set", self.directory, "give a new directory")

    def _clean(self) -> None:
        for folder in (self.directory, self.directory / SHARDS, self.directory / JOURNAL):
            for path in folder.glob(TEMPORARY + "*"):
                path.unlink()

    def _check_header(self) -> None:
        path = self.directory / JOURNAL / HEADER
        try:
            old = read_json(path)
            if not isinstance(old, dict):
                raise ValueError("no object")
        except (FileNotFoundError, ValueError):
            if any((self.directory / SHARDS).iterdir()) or (self.directory / FILE).exists():
                raise DatasetError(
                    f"does not record its settings ({JOURNAL}/{HEADER} is missing or damaged)",
                    self.directory,
                    "remove it or give another directory",
                )
            write_json(path, self.header)
            return
        changed: list[str] = []
        for key in sorted(set(old) | set(self.header)):
            if old.get(key) != self.header.get(key):
                both = isinstance(old.get(key), dict) and isinstance(self.header.get(key), dict)
                changed += differences(old[key], self.header[key]) if both else [key]
        if changed:
            raise DatasetError(
                "was built with other settings ({})".format(", ".join(changed)),
                self.directory,
                "give another directory or remove it",
            )


def _is_entry(found: object) -> bool:
    """Return whether a journal's entry has the form that :func:`kface.data.dataset.build` writes."""
    if not isinstance(found, dict) or set(found) != {"fingerprint", "shard", "refused", "conditions", "landmarks"}:
        return False
    if found["shard"] is not None and shard_fault(found["shard"]):
        return False
    refused, counts = found["refused"], [found["landmarks"]]
    if not isinstance(refused, list) or not isinstance(found["conditions"], dict):
        return False
    if not all(isinstance(row, list) and [type(part) for part in row] == [str, str] for row in refused):
        return False
    counts += found["conditions"].values()
    return all(isinstance(one, dict) and all(type(count) is int for count in one.values()) for one in counts)
