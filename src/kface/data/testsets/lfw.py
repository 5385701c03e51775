"""LFW: photographs in a folder for each person, and pairs.txt."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kface.data.testsets.assembling import photographs_set
from kface.data.testsets.base import TestSet
from kface.data.testsets.names import Photographs, composed, text_lines, whole
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
    people = [name for name, _ in files]
    return photographs_set("lfw", "LFW", files, people, rows, folds, cache, progress, brighten)


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
