"""A data base that is a folder, in the naming of :mod:`kface.kisa.naming`, or a CSV index of files that lie anywhere.

Index: a CSV file with the header ``person,category,condition,path`` (in any order, further columns are ignored;
Korean: ``사람,분류,조건,경로``), in UTF-8, UTF-16 or CP949, paths relative to the index' own folder. A folder that holds
``index.csv`` is read by it.

A folder may hold ``database.json``: its title, notes, and whether its faces are synthetic.
"""

import csv
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kface.data.layout import is_directory, is_file
from kface.errors import ConfigError, DatasetError, LayoutError
from kface.files import read_json, read_lines, write_atomic, write_json
from kface.images import is_image_name
from kface.kisa.conditions import Condition
from kface.kisa.database import Fault, FileImage, KisaDatabase, KisaSource, PathLike, Severity, assemble
from kface.kisa.naming import file_name, parse, parse_stem
from kface.progress import progressing
from kface.text import printable

INDEX, DESCRIPTION = "index.csv", "database.json"
SCHEMA = 1
KIND = "KISA data base"

#: The index' columns, each by the names that its header may have.
COLUMNS: dict[str, tuple[str, ...]] = {
    "person": ("person", "subject", "사람", "대상자"),
    "category": ("category", "분류", "항목"),
    "condition": ("condition", "조건"),
    "path": ("path", "file", "경로", "파일"),
}

REMEDY = "give DIR, where images are DIR/<person>/<category>_<condition>.jpg, or DIR/index.csv"


class FolderDatabase(KisaSource):
    """Images in a folder, by their names or by an index.

    Args:
        root: The directory.
        index: A CSV file, relative to the directory where it is not absolute; by default its index.csv, if it has one.
    """

    title = "folder"

    def __init__(self, root: PathLike | None = None, index: PathLike | None = None) -> None:
        self.root = root
        self.index = index

    def open(self, progress: bool = True) -> KisaDatabase:
        """Return the data base.

        Raises:
            ConfigError: No directory was given.
            LayoutError: It is no directory, or the index cannot be read.
            DatasetError: It holds fewer than two people with an enrolment image.
        """
        root = directory(self.root, REMEDY)
        description = read_description(root)
        faults: list[Fault] = []
        if self.index is not None or (root / INDEX).is_file():
            images = list(_indexed(root / (self.index or INDEX), faults))
        else:
            images = list(_named(root, faults))
        return assemble(
            description.get("title") or printable(root.name or root),
            images,
            synthetic=description.get("synthetic", False),
            faults=faults,
            notes=description.get("notes", ()),
            remedy=REMEDY,
        )


def directory(root: PathLike | None, remedy: str) -> Path:
    """Return the directory that ``database.root`` names; a folder called 2024 comes from the command line as a number.

    Raises:
        ConfigError: None was given.
        LayoutError: It is not a directory.
    """
    if not root:
        raise ConfigError("is not given", "database.root", remedy)
    try:
        path = Path(str(root)).expanduser()
    except RuntimeError as error:
        raise LayoutError(f"cannot be found ({error})", root, "give the directory without ~")
    if not path.is_dir():
        raise LayoutError("is not a directory", printable(path), remedy)
    return path


def read_description(root: Path) -> dict[str, Any]:
    """Return what database.json says; nothing where there is none.

    Raises:
        LayoutError: It is not such a file, or of another version.
    """
    path = root / DESCRIPTION
    if not path.exists():
        return {}
    try:
        found = read_json(path, 1 << 20)
    except (OSError, ValueError) as error:
        raise LayoutError(f"cannot be read ({error})", path, "remove it or write it again")
    kinds = {"title": str, "synthetic": bool, "notes": list}
    if (
        not isinstance(found, dict)
        or found.get("kind") != KIND
        or found.get("schema") != SCHEMA
        or not all(isinstance(found.get(key, kind()), kind) for key, kind in kinds.items())
        or not all(isinstance(note, str) for note in found.get("notes", ()))
    ):
        raise LayoutError(f"does not describe a {KIND} of schema {SCHEMA}", path, "remove it or write it again")
    return found


def _named(root: Path, faults: list[Fault]) -> Iterator[FileImage]:
    """Yield the images of a folder by their names, sorted; `faults` receives what else lies there."""
    for entry in _entries(root, faults):
        if is_directory(entry):
            yield from _of_person(entry, faults)
        elif entry.name != DESCRIPTION:
            _stray(entry, "outside a person's folder", faults)


def _of_person(folder: "os.DirEntry[str]", faults: list[Fault]) -> Iterator[FileImage]:
    # macOS takes Hangul apart in file names: the person is the same.
    person = unicodedata.normalize("NFC", folder.name)
    empty = True
    for entry in _entries(folder.path, faults):
        if not is_file(entry) or entry.name.startswith(".") or not is_image_name(entry.name):
            _stray(entry, "not an image", faults)
            continue
        empty = False
        try:
            condition = parse_stem(os.path.splitext(entry.name)[0])
        except LayoutError as error:
            faults.append(Fault(Severity.ERROR, "unknown name", entry.path, f"left out: {error}"))
        else:
            yield FileImage(person, condition, entry.path)
    if empty:
        faults.append(Fault(Severity.ERROR, "person without an image", folder.path, "holds no image"))


def _entries(folder: PathLike, faults: list[Fault]) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        faults.append(Fault(Severity.ERROR, "unreadable folder", str(folder), what))
        return []


def _stray(entry: "os.DirEntry[str]", why: str, faults: list[Fault]) -> None:
    """Report what is not read: an image in the wrong place, or a link that leads nowhere, is an error, the rest a warning."""
    named = is_image_name(entry.name) and not entry.name.startswith(".") and not is_directory(entry)
    if named and not is_file(entry):
        what = "left out: a broken link or a special file"
        faults.append(Fault(Severity.ERROR, "unreadable image", entry.path, what))
    elif named:
        faults.append(Fault(Severity.ERROR, "image in the wrong place", entry.path, f"left out: {why}"))
    else:
        kind = "folder inside a person's" if is_directory(entry) else "other file"
        faults.append(Fault(Severity.WARNING, kind, entry.path, f"left out: {why}"))


def _indexed(index: Path, faults: list[Fault]) -> Iterator[FileImage]:
    """Yield the images that an index names, in its order; `faults` receives the lines that cannot be used.

    Raises:
        LayoutError: It cannot be read, or lacks a column.
    """
    try:
        lines = read_lines(index)
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror or error})", index, "give a CSV file that can be read")
    except ValueError as error:
        raise LayoutError(f"cannot be read ({error})", index, "save it as UTF-8")
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error as error:
        raise LayoutError(f"is not a CSV file ({error})", index, "save it as CSV with commas")
    header = [name.strip().casefold() for name in rows[0]] if rows else []
    places: dict[str, int] = {}
    for column, names in COLUMNS.items():
        held = [number for number, name in enumerate(header) if name in names]
        if len(held) != 1:
            fault = "has no column" if not held else "has more than one column"
            raise LayoutError(f"{fault} {column!r}", index, "its first line must be person,category,condition,path")
        places[column] = held[0]
    seen: set[str] = set()
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{index}, line {number}"
        cells = {column: row[place].strip() if place < len(row) else "" for column, place in places.items()}
        lacking = [column for column in ("person", "category", "path") if not cells[column]]
        if lacking:
            faults.append(Fault(Severity.ERROR, "incomplete line", where, f"left out: no {', '.join(lacking)}"))
            continue
        try:
            condition = parse(cells["category"], cells["condition"])
        except LayoutError as error:
            faults.append(Fault(Severity.ERROR, "unknown name", where, f"left out: {error}"))
            continue
        path = _found(index.parent, cells["path"])
        real = os.path.realpath(path)
        if not os.path.isfile(path):
            faults.append(Fault(Severity.ERROR, "file missing", where, f"left out: {path} does not exist"))
        elif real in seen:
            faults.append(Fault(Severity.ERROR, "same file twice", where, f"left out: {path} is named before"))
        else:
            seen.add(real)
            yield FileImage(unicodedata.normalize("NFC", cells["person"]), condition, path)


def _found(folder: Path, path: str) -> str:
    """Return a path of the index; Windows' backslashes are slashes where the file is then there."""
    joined = os.path.join(folder, path)
    turned = os.path.join(folder, path.replace("\\", "/"))
    return turned if not os.path.isfile(joined) and os.path.isfile(turned) else joined


def write_folder(database: KisaDatabase, root: PathLike, progress: bool = True) -> Path:
    """Write a data base to an empty or new folder, in the naming that :class:`FolderDatabase` reads, with an index.

    Raises:
        DatasetError: The folder holds something, a person's name cannot be a folder's, or nothing can be written.
        ImageError: An image cannot be read.
    """
    root = Path(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise DatasetError("is not empty", printable(root), "give a new folder")
        rows = []
        for image in progressing(database.images, "KISA data base", "images", enabled=progress):
            data = image.encoded()
            suffix = ".jpg" if data[:2] == b"\xff\xd8" else os.path.splitext(image.place)[1].lower()
            folder = root / _folder_name(image.person)
            folder.mkdir(exist_ok=True)
            write_atomic(folder / file_name(image.condition, suffix), data)
            rows.append((image.person, image.condition, f"{folder.name}/{file_name(image.condition, suffix)}"))
        # Last, so that an interrupted folder can be recognised: it has no description.
        write_index(root / INDEX, rows)
        write_json(root / DESCRIPTION, description_of(database.title, database.synthetic, database.notes))
    except OSError as error:
        raise DatasetError(f"cannot be written ({error.strerror or error})", printable(root), "choose another folder")
    return root


def description_of(title: str, synthetic: bool, notes: tuple[str, ...], **more: object) -> dict[str, object]:
    """Return the content of database.json."""
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "title": title,
        "synthetic": synthetic,
        "notes": list(notes),
        **more,
    }


def write_index(path: Path, rows: list[tuple[str, Condition, str]]) -> None:
    """Write an index of (person, condition, path); raises OSError."""
    lines = [",".join(COLUMNS)]
    lines += [
        ",".join(_cell(text) for text in (person, condition.category.value, condition.name, file))
        for person, condition, file in rows
    ]
    # Excel needs the byte order mark to read Hangul.
    write_atomic(path, ("\ufeff" + "\r\n".join(lines) + "\r\n").encode("utf-8"))


def _cell(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if any(sign in text for sign in ',"\r\n') else text


def _folder_name(person: str) -> str:
    if person in ("", ".", "..") or any(sign in person for sign in '/\\:*?"<>|\0') or not person.isprintable():
        raise DatasetError("cannot be the name of a folder", repr(person), "rename the person")
    return person
