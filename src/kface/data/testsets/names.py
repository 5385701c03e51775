"""Finds the files on disk that lists of images name."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from kface.errors import LayoutError
from kface.files import read_lines
from kface.images import is_image_name

_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBERED = re.compile(r"(.*)_0*([0-9]{1,9})", re.DOTALL)


def is_whole(word: str) -> bool:
    """Return whether a word is a whole number with at most nine digits."""
    return _NUMBER.fullmatch(word) is not None


def whole(word: str) -> int:
    """Return a word as a whole number; raises ValueError where it is not one."""
    if not is_whole(word):
        raise ValueError("not a whole number")
    return int(word)


def composed(text: str) -> str:
    """Return a name in composed form: in file names macOS decomposes Hangul and accents, other systems do not."""
    return unicodedata.normalize("NFC", text)


def listed(folder: Path) -> list[Path]:
    """Return a folder's entries, sorted; none where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def text_lines(path: Path, remedy: str | None = None) -> list[str]:
    """Return a list's lines; raises LayoutError where it cannot be read or is not text."""
    try:
        return read_lines(path)
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror})", path, remedy)
    except ValueError:
        raise LayoutError("is not text in UTF-8, UTF-16 or CP949", path, "save it as UTF-8")


class Photographs:
    """Finds the photographs ``Name/Name_0001.jpg`` below a folder, with any suffix, number of zeros and Unicode form.

    Args:
        folder: The folder.
        places: Folders below it that may contain the people's folders; "" for itself.
    """

    def __init__(self, folder: Path, places: Sequence[str]) -> None:
        self.folder = folder
        self.places = places
        self._people: dict[str, list[Path]] = {}
        for below in places:
            for path in listed(folder / below):
                self._people.setdefault(composed(path.name), []).append(path)
        self._numbered: dict[str, dict[int, Path]] = {}

    def find(self, name: str, number: int) -> Path:
        """Return a photograph's path; raises LayoutError where it is missing."""
        if name not in self._numbered:
            self._numbered[name] = self._read(name)
        found = self._numbered[name].get(number)
        if found is None:
            raise LayoutError(
                f"{name}_{number:04d} is in pairs.txt but not in the folder (looked for {name}/{name}_{number:04d} and "
                f"{name}_{number} with an image's suffix, there and in {', '.join(filter(None, self.places))})",
                self.folder,
                "unpack the complete archive",
            )
        return found

    def _read(self, name: str) -> dict[int, Path]:
        numbered: dict[int, Path] = {}
        for person in self._people.get(name, ()):
            here: dict[int, list[Path]] = {}
            for path in listed(person):
                match = _NUMBERED.fullmatch(composed(path.stem))
                if match and match.group(1) == name and is_image_name(path.name) and path.is_file():
                    here.setdefault(int(match.group(2)), []).append(path)
            for number, paths in here.items():
                # LFW's own form takes precedence.
                own = f"{name}_{number:04d}.jpg"
                first = min(paths, key=lambda path, own=own: (composed(path.name) != own, path.name))  # type: ignore[misc]
                numbered.setdefault(number, first)
        return numbered


def named_image(folder: Path, listing: Path, relative: str, below: Sequence[str] = ()) -> Path:
    """Return the image that a list names: relative to the list's folder, as CFP has it, or to the data set's.

    Args:
        folder: The data set's.
        listing: The list.
        relative: The image, as the list names it.
        below: Folders of the data set that may contain the images, to be tried first.

    Raises:
        LayoutError: It is outside the folder, or missing.
    """
    places = []
    inside = Path(os.path.normpath(folder))
    for base in (*(folder / name for name in below), listing.parent, folder):
        place = Path(os.path.normpath(base / relative))
        if inside not in place.parents:
            continue
        places.append(place)
        if place.is_file():
            return place
        for other in listed(place.parent):
            if composed(other.stem) == composed(place.stem) and is_image_name(other.name) and other.is_file():
                return other
    if not places:
        raise LayoutError(f"names a file outside the folder: {relative[:60]!r}", listing)
    looked = " and ".join(str(place) for place in dict.fromkeys(places))
    raise LayoutError(
        f"{relative[:60]} is in the list but not in the folder (looked for {looked})",
        listing,
        "unpack the complete archive",
    )
