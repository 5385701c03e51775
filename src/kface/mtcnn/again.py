"""Looks again at images that show fewer faces than expected: at brightened copies of them, see :mod:`kface.mtcnn.brighten`.

What was found before stays as it is. The landmarks that a copy shows are good in the image itself, whose pixels are the ones to
be cut out.
"""

from typing import Any, Callable, List, Sequence, Tuple

import numpy as np

from kface.faces import Faces
from kface.mtcnn import boxes as box
from kface.mtcnn.brighten import brightened


def of_subject(on_copy: Faces, shape: Sequence[int], part: float) -> Faces:
    """Return those faces of a copy that an image of one person may be about.

    Where the cascade does not see a face that is turned away, a copy may show it an ear, an eye or a mouth: of the 26 that
    copies first added to CFP, 10 were that. All of those were narrower than a third of the image, and 8 of them than a fifth;
    15 of the 16 faces were wider than a third.

    Args:
        on_copy: The faces.
        shape: Height and width of the image, without any border.
        part: The least width of a face, as a part of the image's shorter side.
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
    """Look at brightened copies of the images that show less than is expected, one way after the other.

    Args:
        find: Finds the faces in some images.
        images: uint8 (h, w, 3), RGB.
        found: The faces that were found in each.
        ways: Names in :data:`kface.mtcnn.brighten.WAYS`, the first to try first.
        expected: So many faces are enough: an image with as many is not looked at again, and one in which a copy shows them
            no further. At 0 none is.

    Returns:
        The faces of each image: as they were found, then those that copies have added.
    """
    made = list(found)
    for way in ways:
        left = [number for number, faces in enumerate(made) if faces.count < expected]
        if not left:
            break
        for number, faces in zip(left, find([brightened(images[number], way) for number in left])):
            made[number] = added(made[number], faces)
    return made


def without(detector: Any) -> Tuple[Any, Tuple[str, ...]]:
    """Return a detector that looks at no copies, and the ways that the given one would have tried.

    Args:
        detector: See :class:`kface.mtcnn.Detector`; one without ``brighten`` looks at none, and is returned as it is.
    """
    ways = tuple(getattr(detector, "brighten", ()))
    return (detector.with_brighten(()) if ways else detector), ways


class _Alike(object):
    """A detector whose images are all brightened in one way, or none of them."""

    def __init__(self, detector: Any) -> None:
        self._plain, self._ways = without(detector)
        self.min_face = getattr(detector, "min_face", 0)

    def detect_many(self, images: Sequence[np.ndarray]) -> List[Faces]:
        found: List[Faces] = self._plain.detect_many(images)
        for way in self._ways:
            if any(faces.count for faces in found):
                break
            found = self._plain.detect_many([brightened(rgb, way) for rgb in images])
        return found


def alike(detector: Any) -> Any:
    """Return a detector for images that are to be compared with one another, such as the turns of one picture.

    It has ``detect_many`` and ``min_face``. Only where none of the images shows a face are they brightened, and then all of
    them in the same way.
    """
    return _Alike(detector) if without(detector)[1] else detector
