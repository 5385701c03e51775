"""Makes a test set of photographs, and of pairs that a list names."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from kface.alignment import SIZE
from kface.data.testsets.base import TestSet, connected
from kface.data.testsets.faces import acquire
from kface.images import read_image

Key = TypeVar("Key", bound=Hashable)


def photographs_set(
    name: str,
    title: str,
    files: Mapping[Key, Path],
    people: Sequence[str] | None,
    rows: Sequence[tuple[Key, Key]],
    folds: np.ndarray,
    cache: Path,
    progress: bool,
    brighten: Sequence[str],
    genuine: Sequence[bool] = (),
    aligned: bool = False,
) -> TestSet:
    """Find the faces in photographs and make a test set of them.

    Args:
        name: Its key in reports.
        title: Name for the reader.
        files: The photographs, by what the pairs call them.
        people: The person in each photograph; None where only the pairs say who is the same person.
        rows: The pairs.
        folds: int64 (m,).
        cache: Directory for the aligned faces.
        progress: Whether to show a progress bar.
        brighten: See :func:`kface.data.testsets.faces.acquire`.
        genuine: Which pairs are of one person, where `people` is None.
        aligned: Whether the files are aligned faces already, in which no face is searched.
    """
    index = {key: number for number, key in enumerate(files)}
    pairs = np.array([(index[a], index[b]) for a, b in rows], np.int64).reshape(-1, 2)
    places = list(files.values())
    if aligned:
        images, failed = _decoded(places), np.zeros(len(places), bool)
    else:
        images, failed = acquire(places, cache, title, progress, brighten)
    if people is None:
        who = connected(len(places), pairs[np.asarray(genuine, bool)])
    else:
        numbers = {person: number for number, person in enumerate(sorted(set(people)))}
        who = np.array([numbers[person] for person in people], np.int64)
    return TestSet(
        name=name,
        title=title,
        images=images,
        pairs=pairs,
        people=who,
        folds=folds,
        failed=failed,
        names=["/".join(place.parts[-2:]) for place in places],
        known_people=people is not None,
    )


def _decoded(files: Sequence[Path]) -> np.ndarray:
    """Return aligned faces, uint8 (n, 112, 112, 3); another size is resized."""
    images = np.empty((len(files), SIZE, SIZE, 3), np.uint8)
    for number, file in enumerate(files):
        rgb = read_image(file)
        same = rgb.shape[:2] == (SIZE, SIZE)
        images[number] = rgb if same else cv2.resize(rgb, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return images
