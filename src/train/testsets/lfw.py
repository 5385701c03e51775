"""Pairs of photographs in folders: LFW's pairs.txt and CFP's Protocol/Split/FP."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kface.errors import ConfigError, LayoutError
from train.testsets.base import TestSet
from train.testsets.faces import acquire

#: Where LFW's images may lie below the folder that is given.
IMAGE_FOLDERS = ("", "images", "lfw", "lfw_funneled", "lfw-deepfunneled")
SUFFIXES = (".jpg", ".jpeg", ".png")


def lfw_set(folder: Path, cache: Path, progress: bool = True) -> TestSet:
    """Load LFW, or a set in its form.

    Args:
        folder: Holds ``pairs.txt`` (Huang et al., 2007: ten folds, 300 genuine and 300 impostor pairs each) and the
            images ``Name/Name_0001.jpg``, directly or in ``images/``, ``lfw/`` or a like folder.
        cache: Directory that keeps the aligned faces.
        progress: Whether to show a progress bar.

    Raises:
        ConfigError: The folder is absent.
        LayoutError: ``pairs.txt`` is absent or damaged, or an image that it names is absent.
        ImageError: An image cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError("is not a directory", folder, "give LFW's folder with evaluate.lfw=DIR, or leave it out")
    rows, folds = read_pairs_txt(folder / "pairs.txt")
    files: dict[tuple[str, int], Path] = {}
    for name, number in sorted({image for row in rows for image in row}):
        files[name, number] = _locate(folder, name, number)
    return _made("lfw", "LFW", list(files), list(files.values()), rows, folds, cache, progress)


def read_pairs_txt(path: Path) -> tuple[list[tuple[tuple[str, int], tuple[str, int]]], np.ndarray]:
    """Read LFW's ``pairs.txt``.

    Returns:
        The pairs, each image as (name, number); int64 (m,), the folds.

    Raises:
        LayoutError: The file is absent, or a line is not in its format.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror})", path, "LFW's list of pairs belongs beside its images")
    rows: list[tuple[tuple[str, int], tuple[str, int]]] = []
    header: tuple[int, int] | None = None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            if number == 1 and len(words) <= 2 and all(word.isdigit() for word in words):
                header = (int(words[0]), int(words[1])) if len(words) == 2 else (1, int(words[0]))
            elif len(words) == 3:
                rows.append(((words[0], int(words[1])), (words[0], int(words[2]))))
            elif len(words) == 4:
                rows.append(((words[0], int(words[1])), (words[2], int(words[3]))))
            else:
                raise ValueError
        except ValueError:
            raise LayoutError(f"line {number} is not in LFW's format: {line[:60]!r}", path)
    if not rows:
        raise LayoutError("holds no pairs", path)
    folds, size = header or (10, len(rows) // 20)
    if folds * size * 2 != len(rows):
        raise LayoutError(f"its first line promises {folds * size * 2} pairs, it holds {len(rows)}", path)
    if folds < 2:
        return rows, np.arange(len(rows)) % 10
    return rows, np.arange(len(rows)) // (2 * size)


def _locate(folder: Path, name: str, number: int) -> Path:
    for below in IMAGE_FOLDERS:
        for suffix in SUFFIXES:
            path = folder / below / name / f"{name}_{number:04d}{suffix}"
            if path.is_file():
                return path
    raise LayoutError(f"{name}_{number:04d} is in pairs.txt but not in the folder", folder, "unpack the whole archive")


def cfp_set(folder: Path, cache: Path, progress: bool = True) -> TestSet:
    """Load CFP-FP (Sengupta et al., 2016) from the data set as it is distributed.

    Args:
        folder: Holds ``Data/Images/<person>/{frontal,profile}/<nn>.jpg`` and ``Protocol/`` with ``Pair_list_F.txt``,
            ``Pair_list_P.txt`` and ``Split/FP/<fold>/{same,diff}.txt``.
        cache: Directory that keeps the aligned faces.
        progress: Whether to show a progress bar.

    Raises:
        ConfigError: The folder is absent.
        LayoutError: A file of the protocol is absent or damaged.
        ImageError: An image cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError("is not a directory", folder, "give CFP's folder with evaluate.cfp_fp=DIR, or leave it out")
    protocol = folder / "Protocol"
    lists = {kind: _pair_list(folder, protocol / f"Pair_list_{kind}.txt") for kind in "FP"}
    rows: list[tuple[tuple[str, int], tuple[str, int]]] = []
    folds: list[int] = []
    for number, fold in enumerate(sorted(path for path in (protocol / "Split" / "FP").glob("*") if path.is_dir())):
        for name in ("same.txt", "diff.txt"):
            for line in _lines(fold / name):
                try:
                    frontal, profile = (int(word) for word in line.split(","))
                    pair = (("F", frontal), ("P", profile))
                    lists["F"][frontal], lists["P"][profile]
                except (ValueError, KeyError):
                    raise LayoutError(f"a line names no pair of images: {line[:40]!r}", fold / name)
                rows.append(pair)
                folds.append(number)
    if not rows:
        raise LayoutError("holds no pairs in Protocol/Split/FP", folder)
    keys = sorted({image for row in rows for image in row})
    files = [lists[kind][number] for kind, number in keys]
    people = [file.parent.parent.name for file in files]
    return _made("cfp_fp", "CFP-FP", keys, files, rows, np.array(folds), cache, progress, people)


def _pair_list(folder: Path, path: Path) -> dict[int, Path]:
    found = {}
    for line in _lines(path):
        try:
            number, relative = line.split()
            # The list's paths are relative to its own folder: ../Data/Images/001/frontal/01.jpg
            found[int(number)] = (path.parent / relative).resolve()
        except ValueError:
            raise LayoutError(f"a line is not a number and a path: {line[:40]!r}", path)
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror})", path)


def _made(
    name: str,
    title: str,
    keys: Sequence[tuple[str, int]],
    files: Sequence[Path],
    rows: Sequence[tuple[tuple[str, int], tuple[str, int]]],
    folds: np.ndarray,
    cache: Path,
    progress: bool,
    people: Sequence[str] | None = None,
) -> TestSet:
    index = {key: number for number, key in enumerate(keys)}
    images, failed = acquire(files, cache, title, progress)
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
