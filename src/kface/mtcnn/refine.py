"""Follows faces from frame to frame with O-Net alone: the squared boxes of the frame before are its candidates.

Running R-Net before it finds fewer of them. A face that O-Net no longer takes for one is not returned: it has to be looked
for with the whole cascade.
"""

import math
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from kface.errors import ImageError
from kface.faces import Faces
from kface.mtcnn import boxes as box
from kface.mtcnn import pyramid
from kface.mtcnn.detector import NMS, Candidates, Detector

#: Pixels around a box that are cut out with it, so that no sample falls between two cuts.
MARGIN = 2


class Refined(NamedTuple):
    """What became of some boxes.

    Attributes:
        faces: The faces that are still there, best score first.
        owners: int64 (n,), the number of the box that each face was found in; no box has two.
    """

    faces: Faces
    owners: np.ndarray


def refine(detector: Detector, rgb: np.ndarray, boxes: np.ndarray) -> Refined:
    """Find faces again that were found in the frame before.

    Args:
        detector: Whose O-Net, and whose threshold for it, to use.
        rgb: uint8 (h, w, 3), RGB.
        boxes: (n, 4), x1 y1 x2 y2 in pixels of this image, as they were in the frame before; they are squared here.

    Returns:
        The faces and whose they are. Of boxes that end at the same face only the one with the best score keeps it.

    Raises:
        ImageError: The array is not such an image, or a box is not finite.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ImageError("is not an RGB image: uint8 (h, w, 3) is needed")
    if not np.isfinite(boxes).all():
        raise ImageError("a box that is not finite cannot be refined")
    squares = box.square(boxes) if len(boxes) else boxes
    cuts = [_cut(rgb, square) for square in squares]
    inside = [number for number, cut in enumerate(cuts) if cut is not None]
    # Each box is an image of its own: the pixels that are prepared are those of the faces, whatever the frame's size.
    found: List[Candidates] = []
    pixels: List[Optional[np.ndarray]] = []
    shapes: List[Tuple[int, ...]] = []
    for cut in cuts:
        if cut is not None:
            normalised = pyramid.normalise(cut[0])
            found.append(Candidates(cut[1][None], np.ones((1,), np.float32)))
            pixels.append(pyramid.pixels_for_crops(normalised))
            shapes.append(normalised.shape[:2])
    refined = [
        detector._faces(squares[number][None], outputs)
        for number, (_, outputs) in zip(inside, detector._refine("onet", 48, found, pixels, shapes))
    ]
    owners = np.repeat(np.array(inside, np.int64), [faces.count for faces in refined])
    faces = _join(refined)
    order = box.descending(faces.scores)
    stay = order[box.suppress(faces.boxes[order].astype(np.float64), NMS[3], smaller=True)]
    return Refined(faces.take(stay), owners[stay])


def _join(parts: List[Faces]) -> Faces:
    if not parts:
        return Faces.empty()
    return Faces(*(np.concatenate(values) for values in zip(*parts)))


def _cut(rgb: np.ndarray, square: np.ndarray) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """Cut a square's surroundings out of an image; None where it has no part in the image.

    Returns:
        The cut, and the box in it that crop_and_resize maps to the very pixels that it maps the square to in the image:
        it shrinks coordinates by (side - 1) / side, and the sides differ.
    """
    sides = np.array([rgb.shape[1], rgb.shape[0]], np.float64)
    # Bounded before they become integers: a box may lie anywhere.
    low = np.clip(np.floor(square[:2]) - MARGIN, 0, sides)
    high = np.clip(np.ceil(square[2:]) + MARGIN + 1, 0, sides)
    span = high - low
    if (span < 2).any() or math.isclose(square[2], square[0]):
        return None
    x1, y1, x2, y2 = (int(value) for value in np.concatenate([low, high]))
    corners = square.reshape(2, 2) * (sides - 1) / sides - low
    return np.ascontiguousarray(rgb[y1:y2, x1:x2]), (corners * span / (span - 1)).reshape(4)
