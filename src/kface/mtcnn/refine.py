"""What :meth:`kface.mtcnn.Detector.refine` returns, and where to look for the faces that it has not found again."""

from typing import NamedTuple

import numpy as np

from kface.faces import Faces

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
