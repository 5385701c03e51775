"""The result of :meth:`kface.mtcnn.Detector.refine`, and where to search for the faces that it lost."""

from typing import NamedTuple

import numpy as np

from kface.faces import Faces

#: Where a face was lost: factor of the square's side, and upward shift as a fraction of the side.
SMALLER, HIGHER = 0.85, 0.12


class Refined(NamedTuple):
    """The faces that were found again in boxes.

    Attributes:
        faces: The faces, best score first.
        owners: int64 (n,), the number of the box in which each face was found; each box has at most one.
    """

    faces: Faces
    owners: np.ndarray


def beside(boxes: np.ndarray) -> np.ndarray:
    """Return where to search again for faces lost in boxes (n, 4): all boxes smaller, then all higher, (2n, 4).

    O-Net finds most of the faces that it misses in a slightly different square.
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
