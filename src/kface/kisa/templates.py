"""Templates of a data base, made once: a file a kind of engine keeps them by the hash of the image that they are of.

The file is SQLite's: each batch of images is written in a transaction, so that a run that is interrupted, by whatever, has lost
no more than the batch that it was at. What is stored are bytes and texts; nothing in it can run.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from kface.errors import ConfigError, DatasetError, ImageError
from kface.files import sha256_bytes
from kface.images import decode_image
from kface.kisa.database import KisaDatabase, KisaImage
from kface.kisa.engines import Engine, EngineFacts, Enrolled
from kface.kisa.seen import SeenImages
from kface.progress import Progress

#: Version of the file's form.
SCHEMA: Final = 1
#: Images that an engine is given at once, and that an interruption costs at most.
BATCH: Final = 16
#: Seconds to wait for another run that writes to the same file.
PATIENCE: Final = 30.0


@dataclass(frozen=True)
class KisaTemplates:
    """The templates of a data base.

    Attributes:
        database: Of which, with the faults that reading its images has shown.
        data: uint8 (n, size), in the order of the data base's images; zeros where one failed.
        failed: bool (n,).
        reasons: Why each failed; None where it did not.
        made: How many were made now; the others were made before, or are of an image that cannot be read.
        seconds: That the engine took for those that were made now, decoding left out.
    """

    database: KisaDatabase
    data: np.ndarray
    failed: np.ndarray
    reasons: tuple[str | None, ...]
    made: int
    seconds: float


class TemplateCache:
    """A file of templates of one kind of engine. A context manager.

    Args:
        directory: Takes the file; made where there is none.
        facts: Of the engine: another one has another file.
        size: Bytes of a template.

    Raises:
        ConfigError: The directory cannot be written.
        DatasetError: The file is damaged.
    """

    def __init__(self, directory: Path, facts: EngineFacts, size: int) -> None:
        self.path = directory / f"{facts.engine}-{facts.key[:16]}.sqlite"
        self._size = size
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot be made ({error.strerror or error})", directory, "give another data_dir")
        with self._errors():
            self._file = sqlite3.connect(os.fspath(self.path), timeout=PATIENCE)
        try:
            self._open(facts)
        except BaseException:
            self._file.close()
            raise

    def _open(self, facts: EngineFacts) -> None:
        with self._errors(), self._file:
            # A commit is on the disk before the next batch begins.
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute("CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS templates (image TEXT PRIMARY KEY, data BLOB NOT NULL, reason TEXT)"
            )
            self._file.executemany(
                "INSERT OR IGNORE INTO about VALUES (?, ?)", [("schema", str(SCHEMA)), ("engine", facts.key)]
            )
            found = dict(self._file.execute("SELECT key, value FROM about"))
        if (found.get("schema"), found.get("engine")) != (str(SCHEMA), facts.key):
            raise DatasetError("holds templates of another version or engine", self.path, "delete it")

    def _errors(self) -> "_Errors":
        return _Errors(self.path)

    def read(self, images: Sequence[str]) -> dict[str, Enrolled]:
        """Return the templates that are there, by the SHA-256 of their image.

        Raises:
            DatasetError: The file is damaged.
        """
        found: dict[str, Enrolled] = {}
        wanted = sorted(set(images))
        with self._errors():
            for start in range(0, len(wanted), 500):
                some = wanted[start : start + 500]
                rows = self._file.execute(
                    f"SELECT image, data, reason FROM templates WHERE image IN ({','.join('?' * len(some))})", some
                )
                for image, data, reason in rows:
                    if not isinstance(data, bytes) or len(data) != self._size:
                        raise DatasetError("holds a template of another size", self.path, "delete it")
                    found[image] = Enrolled(data, None if reason is None else str(reason))
        return found

    def write(self, templates: dict[str, Enrolled]) -> None:
        """Keep templates by the SHA-256 of their image, all of them or none.

        Raises:
            ConfigError: The file cannot be written, or another run has held it for too long.
        """
        with self._errors(), self._file:
            self._file.executemany(
                "INSERT OR REPLACE INTO templates VALUES (?, ?, ?)",
                [(image, made.data, made.reason) for image, made in templates.items()],
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "TemplateCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Errors:
    """Turns what SQLite says into one line with the file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, sqlite3.OperationalError):
            raise ConfigError(f"cannot be written or read ({error})", self._path, "make room, or give another data_dir")
        if isinstance(error, sqlite3.Error):
            raise DatasetError(f"is damaged ({error})", self._path, "delete it: its templates are then made again")


def make_templates(database: KisaDatabase, engine: Engine, directory: Path, progress: bool = True) -> KisaTemplates:
    """Return the templates of a data base: those that were made before, and those that are made now.

    An image that cannot be read, or in which the engine finds no face, has a template that failed. The same file under two
    names, and images of another size than KISA's, become faults of the data base that the templates are of.

    Args:
        database: The data base.
        engine: Makes them.
        directory: Keeps them.
        progress: Whether to show progress bars.

    Raises:
        ConfigError: The templates cannot be kept.
        DatasetError: The file of templates is damaged.
    """
    count = len(database.images)
    data = np.zeros((count, engine.template_bytes), np.uint8)
    reasons: list[str | None] = [None] * count
    made, seconds = 0, 0.0
    seen = SeenImages()
    with (
        closing(TemplateCache(directory, engine.facts, engine.template_bytes)) as cache,
        Progress(count, "templates", "images", enabled=progress) as shown,
    ):
        for numbers in _batches(count):
            images = [database.images[number] for number in numbers]
            fresh, took = _batch(images, engine, cache, data, reasons, numbers, seen)
            made, seconds = made + fresh, seconds + took
            shown.update(len(numbers))
    failed = np.array([reason is not None for reason in reasons], bool)
    data[failed] = 0
    faults = seen.faults({image for image, reason in zip(database.images, reasons, strict=True) if reason is not None})
    database = replace(database, faults=(*database.faults, *faults))
    return KisaTemplates(database, data, failed, tuple(reasons), made, seconds)


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


def _batch(
    images: Sequence[KisaImage],
    engine: Engine,
    cache: TemplateCache,
    data: np.ndarray,
    reasons: list[str | None],
    numbers: range,
    seen: SeenImages,
) -> tuple[int, float]:
    """Fill in the templates of some images; return how many were made, and the seconds that it took."""
    encoded: dict[int, bytes] = {}
    for number, image in zip(numbers, images, strict=True):
        try:
            encoded[number] = image.encoded()
        except ImageError as error:
            reasons[number] = error.what
    hashes = {number: sha256_bytes(content) for number, content in encoded.items()}
    for number, image in zip(numbers, images, strict=True):
        if number in hashes:
            seen.add(image, hashes[number], encoded[number])
    known = cache.read(list(hashes.values()))
    pixels: dict[str, np.ndarray] = {}
    for number, image in zip(numbers, images, strict=True):
        if number not in hashes or hashes[number] in known or hashes[number] in pixels:
            continue
        try:
            pixels[hashes[number]] = decode_image(encoded[number], image.place)
        except ImageError as error:
            reasons[number] = error.what
    began = time.perf_counter()
    fresh = engine.enrol(list(pixels.values())) if pixels else []
    seconds = time.perf_counter() - began
    made = dict(zip(pixels, fresh, strict=True))
    if made:
        cache.write(made)
    known.update(made)
    for number, digest in hashes.items():
        if digest in known:
            data[number] = np.frombuffer(known[digest].data, np.uint8)
            reasons[number] = known[digest].reason
    return len(made), seconds
