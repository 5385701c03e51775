"""Searches brightened copies of images that show fewer faces than expected; see :mod:`kface.mtcnn.brighten`.

What was found before stays as it is. The landmarks found in a copy are valid in the image itself, and crops are cut from that.
"""

from typing import Callable, Iterable, List, Sequence, TypeVar

import numpy as np

from kface.faces import Faces
from kface.mtcnn import boxes as box
from kface.mtcnn.base import FaceDetector
from kface.mtcnn.brighten import brightened

Attempt = TypeVar("Attempt")
Found = TypeVar("Found")


def try_in_turn(
    found: Sequence[Found],
    attempts: Iterable[Attempt],
    search: Callable[[Attempt, List[int]], Iterable[Found]],
    enough: Callable[[Found], bool],
) -> List[Found]:
    """Make one attempt after the other, each with the items for which the ones before did not find enough.

    Args:
        found: The value of each item before the first attempt.
        attempts: Anything that `search` knows, the first to make first.
        search: Takes an attempt and the numbers of items, and returns the new value of each of these.
        enough: Whether an item needs no further attempt.

    Returns:
        The value of each item after the last attempt.
    """
    known = list(found)
    for attempt in attempts:
        left = [number for number, one in enumerate(known) if not enough(one)]
        if not left:
            break
        for number, one in zip(left, search(attempt, left)):
            known[number] = one
    return known


def of_subject(on_copy: Faces, shape: Sequence[int], part: float) -> Faces:
    """Return those faces of a copy that can be the face of the person whom an image shows.

    Where the cascade misses a face in profile, it may take an ear, an eye or a mouth of the brightened copy for a face: 10 of
    the first 26 faces that copies added to CFP. All 10 were narrower than a third of the image, 8 of them than a fifth; of the
    16 real faces, 15 were wider than a third.

    Args:
        on_copy: The faces.
        shape: Height and width of the image, without any border.
        part: Minimum width of a face, as a fraction of the image's shorter side.
    """
    return on_copy.take(on_copy.boxes[:, 2] - on_copy.boxes[:, 0] >= part * min(shape[:2]))


def added(found: Faces, on_copy: Faces) -> Faces:
    """Return the faces of an image as they were, then those that only its copy shows, best score first."""
    return Faces.join([found, on_copy.take(~box.covered(on_copy.boxes, found.boxes))])


def find_again(
    find: Callable[[List[np.ndarray]], Sequence[Faces]],
    images: Sequence[np.ndarray],
    found: Sequence[Faces],
    ways: Sequence[str],
    expected: int = 1,
) -> List[Faces]:
    """Search brightened copies of the images that show fewer faces than expected, one way after the other.

    Args:
        find: Finds the faces in some images.
        images: uint8 (h, w, 3), RGB.
        found: The faces that were found in each.
        ways: Names in :data:`kface.mtcnn.brighten.WAYS`, the first to try first.
        expected: Number of faces at which an image is searched no further; 0 searches no copy.

    Returns:
        The faces of each image: as they were found, then those that copies have added.
    """
    known = list(found)

    def search(way: str, left: List[int]) -> Iterable[Faces]:
        copies = find([brightened(images[number], way) for number in left])
        for number, faces in zip(left, copies):
            known[number] = added(known[number], faces)
            yield known[number]

    return try_in_turn(known, ways, search, lambda faces: faces.count >= expected)


class AlikeDetector(FaceDetector):
    """A detector that brightens all images of a call in the same way, or none of them."""

    def __init__(self, detector: FaceDetector) -> None:
        self._plain, self._ways = detector.plain(), detector.brighten
        self.min_face = detector.min_face

    def detect_many(self, images: Sequence[np.ndarray], expected: int = 1) -> List[Faces]:
        """See :meth:`FaceDetector.detect_many`; `expected` faces in one of the images are enough for all."""
        found = self._plain.detect_many(images)
        for way in self._ways:
            if any(faces.count >= expected for faces in found):
                break
            found = self._plain.detect_many([brightened(rgb, way) for rgb in images])
        return found


def alike(detector: FaceDetector) -> FaceDetector:
    """Return a detector for images that are compared with each other, such as one picture turned by quarters.

    It brightens only where none of the images shows a face, and then all of them in the same way.
    """
    return AlikeDetector(detector) if detector.brighten else detector
