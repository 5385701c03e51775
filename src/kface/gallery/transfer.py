"""People out of a gallery into an archive, and back; their templates are sealed for their new place on the way."""

import contextlib
import itertools
import json
import os
import re
import sqlite3
import struct
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from kface.errors import GalleryError
from kface.gallery.archive import DAMAGED, Archive, Lock, read, write
from kface.gallery.crops import decode_crop
from kface.gallery.model import LONGEST, Model
from kface.gallery.rows import Rows
from kface.gallery.values import Imported, clean_name, now

PathLike = Union[str, "os.PathLike[str]"]

#: As :func:`kface.gallery.values.now` writes it, with or without parts of a second.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII)
_FINGERPRINT = re.compile(r"[!-~]{0,200}\Z")
#: What SQLite puts beside a file.
_BESIDE = ("", "-wal", "-shm", "-journal")


class ExportedTemplate(NamedTuple):
    """A template on its way: when it was enrolled, its vector as little-endian float32, and its crop as PNG."""

    created: str
    vector: bytes
    crop: Optional[bytes]


class ExportedPerson(NamedTuple):
    """A person on the way."""

    name: str
    created: str
    templates: List[ExportedTemplate]


class Opened(NamedTuple):
    """An archive whose passphrase is right, and its records."""

    archive: Archive
    records: Iterable[bytes]


def check_target(path: PathLike, gallery: str, others: Iterable[str] = ()) -> None:
    """Refuse to write over the gallery that is being read, or over what belongs to it, by whatever name.

    Args:
        path: What is to be written.
        gallery: The gallery's file.
        others: More files that must stay, such as the key.

    Raises:
        GalleryError: It is one of them.
    """
    target = os.path.realpath(os.fspath(path))
    kept = [os.path.realpath(gallery) + suffix for suffix in _BESIDE] + [os.path.realpath(other) for other in others]
    for each in kept:
        same = os.path.normcase(target) == os.path.normcase(each)
        with contextlib.suppress(OSError, ValueError):
            same = same or os.path.samefile(target, each)
        if same:
            what = "is the gallery itself" if each == kept[0] else "belongs to the gallery"
            raise GalleryError(what, path, "choose another file for the export")


def export_to(path: PathLike, lock: Lock, db: sqlite3.Connection, rows: Rows, model: Model) -> int:
    """See :meth:`kface.gallery.Gallery.export_to`."""
    fingerprint = model.current()
    size = 0 if fingerprint is None else model.size()
    facts = {"fingerprint": fingerprint or "", "embedding": size, "created": now()}
    return write(path, lock, facts, _records(db, rows, fingerprint or ""))


def _records(db: sqlite3.Connection, rows: Rows, fingerprint: str) -> Iterator[bytes]:
    names = rows.complete(db)
    for person_id, created in db.execute("SELECT id, created FROM person").fetchall():
        when = dict(db.execute("SELECT id, created FROM template WHERE person = ?", (person_id,)).fetchall())
        templates = [
            ExportedTemplate(
                when.get(template, created),
                rows.vector(db, template, person_id, fingerprint),
                rows.crop(db, template, person_id, fingerprint),
            )
            for template, _, _ in rows.entries(db, person_id)
        ]
        yield pack(ExportedPerson(names[person_id], created, templates))


@contextlib.contextmanager
def opened(path: PathLike, passphrase: str) -> "Iterator[Opened]":
    """Open an archive and prove its passphrase, which takes a while, before anybody has to wait for the gallery."""
    with read(path) as archive:
        records = archive.records(passphrase)
        first = list(itertools.islice(records, 1))
        yield Opened(archive, itertools.chain(first, records))


def import_from(source: Opened, path: PathLike, db: sqlite3.Connection, rows: Rows, model: Model) -> Imported:
    """See :meth:`kface.gallery.Gallery.import_from`."""
    people = added = known = 0
    for data in source.records:
        fingerprint, size = _facts(source.archive, path)
        record = unpack(data, size, path)
        _check(record, path)
        if record.templates:
            model.accept(fingerprint, size)
        person_id = rows.find_name(db, record.name)
        if person_id is None:
            people += 1
            person_id = rows.add_person(db, record.name, record.created)
        there = rows.vectors(db, person_id, fingerprint)
        for template in record.templates:
            if template.vector in there:
                known += 1
                continue
            rows.add_template(db, person_id, fingerprint, template.vector, template.crop, template.created)
            there.add(template.vector)
            added += 1
    return Imported(people, added, known)


def _check(record: ExportedPerson, path: PathLike) -> None:
    """Refuse what no gallery writes; raises GalleryError."""
    for when in [record.created] + [template.created for template in record.templates]:
        if not _TIME.match(when):
            raise GalleryError("has a person with an invalid time: {}".format(ascii(when[:40])), path, DAMAGED)
    for template in record.templates:
        if template.crop is not None:
            try:
                decode_crop(template.crop, record.name)
            except GalleryError as error:
                raise GalleryError("has a crop of {} that {}".format(record.name, error.what), path, DAMAGED)


def _facts(archive: Archive, path: PathLike) -> Tuple[str, int]:
    fingerprint, size = archive.facts.get("fingerprint"), archive.facts.get("embedding")
    if (
        not isinstance(fingerprint, str)
        or not _FINGERPRINT.match(fingerprint)
        or type(size) is not int
        or not 0 <= size <= LONGEST
    ):
        raise GalleryError("does not name its model", path, DAMAGED)
    return fingerprint, size


def pack(record: ExportedPerson) -> bytes:
    """Return a person as bytes: the length of some JSON, the JSON, the vectors, the crops."""
    about = json.dumps(
        {
            "name": record.name,
            "created": record.created,
            "templates": [[each.created, None if each.crop is None else len(each.crop)] for each in record.templates],
        }
    ).encode("ascii")
    vectors = [each.vector for each in record.templates]
    crops = [each.crop for each in record.templates if each.crop is not None]
    return b"".join([struct.pack(">I", len(about)), about] + vectors + crops)


def unpack(data: bytes, size: int, path: PathLike) -> ExportedPerson:
    """Return the person that :func:`pack` made bytes of.

    Args:
        data: The bytes.
        size: Length of an embedding.
        path: Of the archive, for the error.

    Raises:
        GalleryError: The bytes are not that, or a vector is not finite.
    """
    try:
        length = struct.unpack(">I", data[:4])[0]
        about = json.loads(data[4 : 4 + length].decode("ascii"))
        name, created = _text(about["name"]), _text(about["created"])
        listed = [(_text(when), _length(crop)) for when, crop in about["templates"]]
    except (ValueError, KeyError, TypeError, RecursionError, struct.error):
        raise GalleryError("has a person that cannot be read", path, DAMAGED)
    try:
        name = clean_name(name)
    except GalleryError as error:
        raise GalleryError(
            "has a person whose name is refused ({})".format(error.what),
            path,
            "rename the person where it was exported, and export again",
        )
    place = 4 + length
    end = place + 4 * size * len(listed)
    if len(data) != end + sum(crop or 0 for _, crop in listed):
        raise GalleryError("has a person with incomplete templates", path, DAMAGED)
    templates = []
    for when, crop in listed:
        vector = data[place : place + 4 * size]
        length_squared = float(np.square(np.frombuffer(vector, "<f4").astype(np.float64)).sum())
        if not abs(length_squared - 1) < 1e-3:
            raise GalleryError("has a template that is not a unit vector", path, DAMAGED)
        templates.append(ExportedTemplate(when, vector, None if crop is None else data[end : end + crop]))
        place, end = place + 4 * size, end + (crop or 0)
    return ExportedPerson(name, created, templates)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _length(value: object) -> Optional[int]:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError
    return value
