"""Follows faces from frame to frame with O-Net alone: the squared boxes of the frame before are its candidates.

Running R-Net before it finds fewer of them. A face that O-Net no longer takes for one is not returned: it has to be looked
for with the whole cascade.
"""

from typing import NamedTuple

import numpy as np

from kface.errors import ImageError
from kface.faces import Faces
from kface.mtcnn import boxes as box
from kface.mtcnn import pyramid
from kface.mtcnn.detector import Detector, check_rgb

#: What is left of a square's side, and by which part of it one goes up, where a face was not found.
SMALLER, HIGHER = 0.85, 0.12


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
    check_rgb(rgb)
    if not np.isfinite(boxes).all():
        raise ImageError("a box that is not finite cannot be refined")
    if not rgb.size:
        boxes = boxes[:0]
    squares = box.square(boxes)
    outputs = detector._in_blocks(
        "onet", len(squares), lambda block: pyramid.crop_and_resize_each(rgb, squares[block], 48)
    )
    return Refined(*detector._faces_and_owners(squares, outputs))


def beside(boxes: np.ndarray) -> np.ndarray:
    """Return where to look again for faces that were not found in boxes (n, 4): all smaller, then all higher, (2n, 4).

    O-Net sees most of what it misses in a square that lies a little otherwise.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    up = np.stack([np.zeros((len(boxes),)), HIGHER * 2 * half.max(axis=1)], axis=1)
    return np.concatenate(
        [
            np.concatenate([centre - SMALLER * half, centre + SMALLER * half], axis=1),
            boxes - np.concatenate([up, up], axis=1),
        ]
    )
