"""CFP: frontal and profile photographs of celebrities, CFP-FP and CFP-FF."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kface.data.testsets.assembling import photographs_set
from kface.data.testsets.base import TestSet
from kface.data.testsets.names import is_whole, listed, named_image, text_lines, whole
from kface.errors import ConfigError, LayoutError
from kface.mtcnn.settings import BRIGHTEN

#: The protocols, with the kind of each of a pair's images: F for frontal, P for profile.
KINDS = ("FP", "FF")


def cfp_set(
    folder: Path, cache: Path, progress: bool = True, brighten: Sequence[str] = BRIGHTEN, kind: str = "FP"
) -> TestSet:
    """Load CFP-FP or CFP-FF (Sengupta et al., 2016) from the data set as it is distributed.

    Args:
        folder: Contains ``Data/Images/<person>/{frontal,profile}/<nn>.jpg`` and ``Protocol/`` with ``Pair_list_F.txt`` and
            ``Pair_list_P.txt`` (or ``image_list_F.txt`` and ``image_list_P.txt``) and
            ``Split/<kind>/<fold>/{same,diff}.txt``. The lists' paths are relative to ``Protocol/`` or to the folder.
        cache: Directory for the aligned faces.
        progress: Whether to show a progress bar.
        brighten: See :func:`kface.data.testsets.faces.acquire`.
        kind: "FP" for pairs of a frontal and a profile image, "FF" for pairs of frontal ones.

    Raises:
        ConfigError: The folder is absent.
        LayoutError: A file of the protocol is absent or damaged.
        ImageError: An image cannot be read.
    """
    if not folder.is_dir():
        name = f"cfp_{kind.lower()}"
        raise ConfigError("is not a directory", folder, f"give CFP's folder with evaluate.{name}=DIR, or leave it out")
    protocol = folder / "Protocol"
    first, second = kind
    lists = {letter: _image_list(folder, _list_file(protocol, letter)) for letter in sorted(set(kind))}
    rows: list[tuple[tuple[str, int], tuple[str, int]]] = []
    folds: list[int] = []
    for number, fold in enumerate(_folds(protocol / "Split" / kind)):
        for name in ("same.txt", "diff.txt"):
            for line in text_lines(fold / name):
                if not line.strip():
                    continue
                try:
                    a, b = (whole(word) for word in re.split(r"\s*[,;]\s*|\s+", line.strip()))
                    pair = ((first, a), (second, b))
                    lists[first][a], lists[second][b]
                except (ValueError, KeyError):
                    raise LayoutError(f"a line does not name a pair of images: {line[:40]!r}", fold / name)
                rows.append(pair)
                folds.append(number)
    if not rows:
        raise LayoutError(f"contains no pairs in Protocol/Split/{kind}", folder)
    keys = sorted({image for row in rows for image in row})
    files = {key: lists[key[0]][key[1]] for key in keys}
    people = [file.parent.parent.name for file in files.values()]
    title = f"CFP-{kind}"
    return photographs_set(
        f"cfp_{kind.lower()}", title, files, people, rows, np.array(folds), cache, progress, brighten
    )


def _folds(folder: Path) -> list[Path]:
    """Return the folders of the folds, 1 to 10, with or without leading zeros."""
    found = [path for path in listed(folder) if path.is_dir() and path.name[0] not in "._"]
    return sorted(found, key=lambda path: (len(path.name.lstrip("0")), path.name.lstrip("0")))


def _list_file(protocol: Path, kind: str) -> Path:
    """Return the list of the frontal ("F") or profile ("P") images."""
    wanted = [f"Pair_list_{kind}.txt", f"image_list_{kind}.txt"]
    there = {path.name.lower(): path for path in listed(protocol)}
    for name in wanted:
        if name.lower() in there:
            return there[name.lower()]
    raise LayoutError(f"contains neither {wanted[0]} nor {wanted[1]}", protocol, "unpack the complete archive")


def _image_list(folder: Path, path: Path) -> dict[int, Path]:
    """Read a list of images: a number and a path per line, or only paths, which are numbered from 1."""
    found: dict[int, Path] = {}
    lines = [line.strip() for line in text_lines(path) if line.strip()]
    for position, line in enumerate(lines, 1):
        words = line.split(maxsplit=1)
        numbered = len(words) == 2 and is_whole(words[0])
        relative = (words[1] if numbered else line).replace("\\", "/")
        if is_whole(relative) or "/" not in relative:
            raise LayoutError(f"a line is not a number and a path: {line[:40]!r}", path)
        found[int(words[0]) if numbered else position] = named_image(folder, path, relative)
    return found
