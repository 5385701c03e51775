"""IJB-B and IJB-C, and any set of templates of several images: 1:1 verification of templates.

The files are those of insightface's release: ``loose_crop/<image>.jpg`` and in ``meta/``
``<name>_face_tid_mid.txt`` (image, template, medium), ``<name>_template_pair_label.txt`` (template, template, 1 or 0) and
optionally ``<name>_name_5pts_score.txt`` (image, five landmarks x y, score), with which the faces are aligned; without it they
are searched.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kface.alignment import align
from kface.data.testsets.base import Templates, TestSet, connected
from kface.data.testsets.faces import acquire
from kface.data.testsets.names import listed, named_image, text_lines
from kface.errors import LayoutError
from kface.images import read_image
from kface.mtcnn.settings import BRIGHTEN
from kface.progress import Progress

#: Folders of the images below the given one.
IMAGE_FOLDERS = ("loose_crop", "images", "")
FOLDS = 10


def ijb_set(
    folder: Path,
    name: str,
    title: str,
    cache: Path,
    progress: bool = True,
    brighten: Sequence[str] = BRIGHTEN,
) -> TestSet:
    """Load a set of templates.

    Two templates of one genuine pair are one person's; people that no pair connects count as different ones, so intervals
    resample these groups.

    Args:
        folder: Contains the images and ``meta/`` with the lists, see the module.
        name: Its key in reports.
        title: Name for the reader.
        cache: Directory for the aligned faces, where they have to be searched.
        progress: Whether to show a progress bar.
        brighten: See :func:`kface.data.testsets.faces.acquire`.

    Raises:
        LayoutError: A list is missing or damaged, or an image that it names is missing.
        ImageError: An image cannot be read.
    """
    media = _needed(folder, "face_tid_mid")
    labels = _needed(folder, "template_pair_label")
    landmarks = _list(folder, "name_5pts_score")
    rows = [_words(words, 3, number, media) for number, words in _lines(media)]
    names = list(dict.fromkeys(row[0] for row in rows))
    index = {image: number for number, image in enumerate(names)}
    numbers: dict[str, int] = {}
    template = np.array([numbers.setdefault(row[1], len(numbers)) for row in rows], np.int64)
    medium = np.unique([row[2] for row in rows], return_inverse=True)[1].reshape(-1)
    templates = Templates(np.array([index[row[0]] for row in rows], np.int64), template, medium.astype(np.int64))
    pairs, genuine = _pairs(labels, numbers)
    people = connected(templates.count, pairs[genuine])
    if ((people[pairs[:, 0]] == people[pairs[:, 1]]) != genuine).any():
        raise LayoutError("has an impostor pair of one person, according to its genuine pairs", labels)
    files = [named_image(folder, media, image, IMAGE_FOLDERS) for image in names]
    if landmarks is None:
        images, failed = acquire(files, cache, title, progress, brighten)
    else:
        images = _aligned(files, names, landmarks, title, progress)
        failed = np.zeros(len(files), bool)
    folds = np.zeros(len(pairs), np.int64)
    for kind in (genuine, ~genuine):
        folds[kind] = np.arange(kind.sum()) * FOLDS // max(int(kind.sum()), 1)
    return TestSet(
        name=name,
        title=title,
        images=images,
        pairs=pairs,
        people=people,
        folds=folds,
        failed=failed,
        names=names,
        templates=templates,
    )


def _list(folder: Path, name: str) -> Path | None:
    """Return the list whose name ends so, in ``meta/`` or in the folder; None where there is none."""
    for place in (folder / "meta", folder):
        for path in listed(place):
            if path.stem.lower().endswith(name) and path.suffix.lower() == ".txt":
                return path
    return None


def _needed(folder: Path, name: str) -> Path:
    found = _list(folder, name)
    if found is None:
        raise LayoutError(f"contains no list *{name}.txt in meta/", folder, "unpack the complete archive")
    return found


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the words of each line and its number; IJB-C's list of pairs has 15 million."""
    number = 0
    for number, line in enumerate(text_lines(path), 1):
        if line.strip():
            yield number, line.split()
    if number < 2:
        raise LayoutError("has fewer than two lines", path)


def _words(words: list[str], count: int, number: int, path: Path) -> list[str]:
    if len(words) != count:
        raise LayoutError(f"line {number} has {len(words)} words instead of {count}", path)
    return words


def _pairs(path: Path, numbers: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs, int64 (m, 2), and whether they are genuine, bool (m,)."""
    rows, genuine = array("q"), array("b")
    for number, words in _lines(path):
        a, b, label = _words(words, 3, number, path)
        if a not in numbers or b not in numbers or label not in ("0", "1"):
            raise LayoutError(f"line {number} is not two known templates and a 0 or 1: {' '.join(words)[:40]!r}", path)
        rows.extend((numbers[a], numbers[b]))
        genuine.append(label == "1")
    return np.array(rows, np.int64).reshape(-1, 2), np.array(genuine, bool)


def _aligned(files: Sequence[Path], names: Sequence[str], path: Path, title: str, progress: bool) -> np.ndarray:
    """Align the faces by the landmarks of a list, uint8 (n, 112, 112, 3)."""
    points: dict[str, np.ndarray] = {}
    for number, words in _lines(path):
        _words(words, 12, number, path)
        try:
            points[words[0]] = np.array([float(word) for word in words[1:11]], np.float32).reshape(5, 2)
        except ValueError:
            raise LayoutError(f"line {number} has a landmark that is not a number", path)
    found = []
    with Progress(len(files), f"{title}: aligning", "images", enabled=progress) as bar:
        for name, file in zip(names, files, strict=True):
            if name not in points:
                raise LayoutError(f"has no landmarks of {name[:40]}", path)
            found.append(align(read_image(file), points[name][None])[0])
            bar.update()
    return np.stack(found)
