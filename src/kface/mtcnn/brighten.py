"""Brightened copies of images: in those of dark and side-lit faces the cascade sees what it misses in the originals.

Only where nothing, or less than expected, was found is a copy looked at, so that no other result changes. The landmarks are
good in the original, whose pixels are the ones to be cut out. Only the luma changes; colours keep their differences from it.
The copies need nothing but tables and OpenCV's CLAHE (Zuiderveld, 1994).
"""

from typing import Any, Callable, Dict, List, Sequence, Tuple

import cv2
import numpy as np

from kface.faces import Faces
from kface.mtcnn import boxes as box

#: Tiles in each direction, and how much steeper than evenly spread a tile's histogram may be made.
GRID, CLIP = 4, 10.0
#: Images with a shorter side are left as they are: the cascade finds nothing in them, and a tile needs a pixel.
LEAST = 12
#: Level of 255 as the logarithm of the level plus 1: what is dark takes up most of the range.
_LOGARITHM = np.round(255 * np.log1p(np.arange(256)) / np.log(256)).astype(np.uint8)
#: Square root of the level.
_GAMMA = np.round(np.sqrt(255.0 * np.arange(256))).astype(np.uint8)


def _clahe(luma: np.ndarray) -> np.ndarray:
    # A new one each time: it holds buffers, and threads may brighten at the same time.
    made: np.ndarray = cv2.createCLAHE(CLIP, (GRID, GRID)).apply(luma)
    return made


#: The ways by name; each takes the luma, uint8 (h, w), contiguous, and returns it brightened, of the same kind.
WAYS: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clahe": _clahe,
    "log": lambda luma: _LOGARITHM[luma],
    "log_clahe": lambda luma: _clahe(_LOGARITHM[luma]),
    "gamma": lambda luma: _GAMMA[luma],
}


def brightened(rgb: np.ndarray, way: str) -> np.ndarray:
    """Return a brightened copy of an image.

    Args:
        rgb: uint8 (h, w, 3), RGB.
        way: A name in :data:`WAYS`.

    Returns:
        uint8 (h, w, 3), RGB.

    Raises:
        KeyError: There is no such way; settings are checked by :func:`kface.mtcnn.settings.brighten`.
    """
    brighten = WAYS[way]
    if min(rgb.shape[:2]) < LEAST:
        return rgb.copy()
    ycc = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = brighten(np.ascontiguousarray(ycc[..., 0]))
    made: np.ndarray = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)
    return made


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
        ways: Names in :data:`WAYS`, the first to try first.
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
