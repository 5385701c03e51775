"""Pairs of photographs in folders: LFW's pairs.txt and CFP's Protocol/Split/FP."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kface.data.testsets.base import TestSet
from kface.data.testsets.faces import acquire
from kface.data.testsets.names import Photographs, composed, is_whole, listed, named_image, text_lines, whole
from kface.errors import ConfigError, LayoutError
from kface.mtcnn.settings import BRIGHTEN

#: Folders of LFW's images, below the given one.
IMAGE_FOLDERS = ("", "images", "lfw", "lfw_funneled", "lfw-deepfunneled")


def lfw_set(folder: Path, cache: Path, progress: bool = True, brighten: Sequence[str] = BRIGHTEN) -> TestSet:
    """Load LFW, or a set in its format.

    Args:
        folder: Contains ``pairs.txt`` (Huang et al., 2007: ten folds, 300 genuine and 300 impostor pairs each) and the
            images ``Name/Name_0001.jpg``, directly or in ``images/``, ``lfw/`` or a similar folder, with any
            image suffix, and with or without leading zeros.
        cache: Directory for the aligned faces.
        progress: Whether to show a progress bar.
        brighten: See :func:`kface.data.testsets.faces.acquire`.

    Raises:
        ConfigError: The folder is absent.
        LayoutError: ``pairs.txt`` is missing or damaged, or an image that it names is missing.
        ImageError: An image cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError("is not a directory", folder, "give LFW's folder with evaluate.lfw=DIR, or leave it out")
    rows, folds = read_pairs_txt(folder / "pairs.txt")
    photographs = Photographs(folder, IMAGE_FOLDERS)
    files = {key: photographs.find(*key) for key in sorted({image for row in rows for image in row})}
    return _made("lfw", "LFW", list(files), list(files.values()), rows, folds, cache, progress, brighten)


def read_pairs_txt(path: Path) -> tuple[list[tuple[tuple[str, int], tuple[str, int]]], np.ndarray]:
    """Read LFW's ``pairs.txt``.

    Returns:
        The pairs, each image as (name, number); int64 (m,), the folds.

    Raises:
        LayoutError: The file is absent, or a line is not in its format.
    """
    lines = text_lines(path, "put LFW's list of pairs beside its images")
    rows: list[tuple[tuple[str, int], tuple[str, int]]] = []
    header: tuple[int, int] | None = None
    for number, line in enumerate(lines, 1):
        # In fields separated by tabs a name may contain blanks.
        words = [word.strip() for word in line.split("\t") if word.strip()] if "\t" in line.strip() else line.split()
        if not words:
            continue
        try:
            if header is None and not rows and len(words) <= 2:
                header = (whole(words[0]), whole(words[1])) if len(words) == 2 else (1, whole(words[0]))
            elif len(words) == 3:
                rows.append(((composed(words[0]), whole(words[1])), (composed(words[0]), whole(words[2]))))
            elif len(words) == 4:
                rows.append(((composed(words[0]), whole(words[1])), (composed(words[2]), whole(words[3]))))
            else:
                raise ValueError
        except ValueError:
            raise LayoutError(f"line {number} is not in LFW's format: {line[:60]!r}", path)
    if not rows:
        raise LayoutError("contains no pairs", path)
    folds, size = header or (10, len(rows) // 20)
    if folds * size * 2 != len(rows):
        raise LayoutError(f"has {len(rows)} pairs, but its first line announces {folds * size * 2}", path)
    if folds < 2:
        return rows, np.arange(len(rows)) % 10
    return rows, np.arange(len(rows)) // (2 * size)


def cfp_set(folder: Path, cache: Path, progress: bool = True, brighten: Sequence[str] = BRIGHTEN) -> TestSet:
    """Load CFP-FP (Sengupta et al., 2016) from the data set as it is distributed.

    Args:
        folder: Contains ``Data/Images/<person>/{frontal,profile}/<nn>.jpg`` and ``Protocol/`` with ``Pair_list_F.txt`` and
            ``Pair_list_P.txt`` (or ``image_list_F.txt`` and ``image_list_P.txt``) and
            ``Split/FP/<fold>/{same,diff}.txt``. The lists' paths are relative to ``Protocol/`` or to the folder.
        cache: Directory for the aligned faces.
        progress: Whether to show a progress bar.
        brighten: See :func:`kface.data.testsets.faces.acquire`.

    Raises:
        ConfigError: The folder is absent.
        LayoutError: A file of the protocol is absent or damaged.
        ImageError: An image cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError("is not a directory", folder, "give CFP's folder with evaluate.cfp_fp=DIR, or leave it out")
    protocol = folder / "Protocol"
    lists = {kind: _image_list(folder, _list_file(protocol, kind)) for kind in "FP"}
    rows: list[tuple[tuple[str, int], tuple[str, int]]] = []
    folds: list[int] = []
    for number, fold in enumerate(_folds(protocol / "Split" / "FP")):
        for name in ("same.txt", "diff.txt"):
            for line in text_lines(fold / name):
                if not line.strip():
                    continue
                try:
                    frontal, profile = (whole(word) for word in re.split(r"\s*[,;]\s*|\s+", line.strip()))
                    pair = (("F", frontal), ("P", profile))
                    lists["F"][frontal], lists["P"][profile]
                except (ValueError, KeyError):
                    raise LayoutError(f"a line does not name a pair of images: {line[:40]!r}", fold / name)
                rows.append(pair)
                folds.append(number)
    if not rows:
        raise LayoutError("contains no pairs in Protocol/Split/FP", folder)
    keys = sorted({image for row in rows for image in row})
    files = [lists[kind][number] for kind, number in keys]
    people = [file.parent.parent.name for file in files]
    return _made("cfp_fp", "CFP-FP", keys, files, rows, np.array(folds), cache, progress, brighten, people)


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


def _made(
    name: str,
    title: str,
    keys: Sequence[tuple[str, int]],
    files: Sequence[Path],
    rows: Sequence[tuple[tuple[str, int], tuple[str, int]]],
    folds: np.ndarray,
    cache: Path,
    progress: bool,
    brighten: Sequence[str],
    people: Sequence[str] | None = None,
) -> TestSet:
    index = {key: number for number, key in enumerate(keys)}
    images, failed = acquire(files, cache, title, progress, brighten)
    who = [key[0] for key in keys] if people is None else people
    numbers = {person: number for number, person in enumerate(sorted(set(who)))}
    return TestSet(
        name=name,
        title=title,
        images=images,
        pairs=np.array([(index[a], index[b]) for a, b in rows], np.int64),
        people=np.array([numbers[person] for person in who], np.int64),
        folds=folds,
        failed=failed,
    )
