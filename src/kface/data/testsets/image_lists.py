"""CALFW and CPLFW as they are distributed, and any folder of images with a list of pairs.

Known lists:

* ``pairs_CALFW.txt`` and ``pairs_CPLFW.txt`` (Zheng et al., 2017; Zheng and Deng, 2018): two lines a pair, each with an
  image's name and the same number: 0 for an impostor pair, else genuine; CALFW gives the genuine pair's fold, 1 to 10, CPLFW 1.
* a pair a line, two paths and a 1 or 0 for genuine or impostor, before them or behind, as in ``agedb_30_ann.txt``,
  which come with aligned faces in a folder such as ``agedb_30_112x112``.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.alignment import SIZE
from kface.data.testsets.assembling import photographs_set
from kface.data.testsets.base import TestSet
from kface.data.testsets.names import listed, named_image, text_lines
from kface.errors import ConfigError, LayoutError
from kface.images import read_image
from kface.mtcnn.settings import BRIGHTEN

#: Folders of the photographs below the given one, the first to try first; aligned copies by the authors come last, because
#: a network wants faces that are aligned as in its training.
IMAGE_FOLDERS = (
    "",
    "images",
    "images&landmarks/images",
    "images/images",
    "aligned images",
    "aligned images/aligned images",
)
#: Images that are looked at to find out whether the faces are aligned already.
LOOKED_AT = 3
FOLDS = 10
_NUMBERED = re.compile(r"(.+)_[0-9]+")


class ImagePair(NamedTuple):
    """A pair of a list: the images as the list names them, whether it is genuine, and its fold, or None."""

    a: str
    b: str
    genuine: bool
    fold: int | None


def listed_set(
    folder: Path,
    name: str,
    title: str,
    cache: Path,
    progress: bool = True,
    brighten: Sequence[str] = BRIGHTEN,
) -> TestSet:
    """Load a folder of images with a list of pairs; see the module for the lists.

    Images of 112x112 pixels count as aligned faces; in others the face is found and aligned. A person is what the images'
    names begin with, ``Ann_Lee`` for ``Ann_Lee_0002.jpg``, provided that all pairs agree; otherwise images that genuine
    pairs connect are one person's.

    Args:
        folder: Contains the images, directly or in ``images/`` or ``aligned images/``, and one list: ``pairs*.txt`` or
            ``*_ann.txt``.
        name: Its key in reports.
        title: Name for the reader.
        cache: Directory for the aligned faces.
        progress: Whether to show a progress bar.
        brighten: See :func:`kface.data.testsets.faces.acquire`.

    Raises:
        ConfigError: The folder is absent.
        LayoutError: The list is missing or damaged, or an image that it names is missing.
        ImageError: An image cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(
            "does not exist", folder, f"give the folder of {title} with evaluate.{name}=DIR, or leave it out"
        )
    path = find_list(folder, title)
    pairs = read_image_pairs(path)
    names = sorted({image for pair in pairs for image in (pair.a, pair.b)})
    files = {image: named_image(folder, path, image.replace("\\", "/"), IMAGE_FOLDERS) for image in names}
    people = _people(names, pairs)
    aligned = all(read_image(files[image]).shape[:2] == (SIZE, SIZE) for image in names[:LOOKED_AT])
    rows = [(pair.a, pair.b) for pair in pairs]
    genuine = [pair.genuine for pair in pairs]
    made = photographs_set(
        name, title, files, people, rows, folds_of(pairs), cache, progress, brighten, genuine, aligned
    )
    if (made.genuine != np.array(genuine)).any():
        raise LayoutError("has an impostor pair of one person, according to its genuine pairs", path)
    return made


def find_list(folder: Path, title: str) -> Path:
    """Return the list of pairs in a folder; raises LayoutError where there is none, or several."""
    found = [
        path
        for path in listed(folder)
        if path.suffix.lower() == ".txt" and ("pairs" in path.stem.lower() or path.stem.lower().endswith("_ann"))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise LayoutError(f"contains several lists of pairs: {names}", folder, "leave one of them there")
    raise LayoutError(
        "contains no list of pairs: pairs*.txt or *_ann.txt", folder, f"put the list of {title} beside its images"
    )


def read_image_pairs(path: Path) -> list[ImagePair]:
    """Read a list of pairs; see the module for its forms.

    Raises:
        LayoutError: It cannot be read or is empty, or a line (named) is malformed.
    """
    lines = [(number, line.split()) for number, line in enumerate(text_lines(path), 1) if line.strip()]
    if not lines:
        raise LayoutError("contains no pairs", path)
    if len(lines[0][1]) == 3:
        return [_one_line(words, number, path) for number, words in lines]
    if len(lines) % 2:
        raise LayoutError(f"has {len(lines)} lines, but a pair needs two", path)
    pairs = []
    for (number, first), (_, second) in zip(lines[::2], lines[1::2], strict=True):
        if len(first) != 2 or len(second) != 2 or first[1] != second[1] or not re.fullmatch("[0-9]{1,3}", first[1]):
            raise LayoutError(f"lines {number} and {number + 1} are not an image and the same number each", path)
        pairs.append(ImagePair(first[0], second[0], first[1] != "0", int(first[1]) or None))
    return pairs


def _one_line(words: Sequence[str], number: int, path: Path) -> ImagePair:
    if len(words) == 3:
        label, rest = (words[0], words[1:]) if words[0] in ("0", "1") else (words[2], words[:2])
        if label in ("0", "1"):
            return ImagePair(rest[0], rest[1], label == "1", None)
    raise LayoutError(f"line {number} is not two images and a 0 or 1", path)


def folds_of(pairs: Sequence[ImagePair]) -> np.ndarray:
    """Return the folds of pairs, int64 (m,): those of the list, else tenths of the genuine and of the impostor pairs."""
    genuine = np.array([pair.genuine for pair in pairs])
    given = [pair.fold for pair in pairs if pair.genuine]
    folds = np.zeros(len(pairs), np.int64)
    for kind in (genuine, ~genuine):
        folds[kind] = np.arange(kind.sum()) * FOLDS // max(int(kind.sum()), 1)
    if len(set(given)) == FOLDS and None not in given:
        folds[genuine] = np.unique(given, return_inverse=True)[1].reshape(-1)
    return folds


def _people(names: Sequence[str], pairs: Sequence[ImagePair]) -> list[str] | None:
    """Return the person in each image by its name, or None where the pairs contradict the names."""
    people = {}
    for name in names:
        match = _NUMBERED.fullmatch(Path(name.replace("\\", "/")).stem)
        if match is None:
            return None
        people[name] = match.group(1)
    if any((people[pair.a] == people[pair.b]) != pair.genuine for pair in pairs):
        return None
    return [people[name] for name in names]
