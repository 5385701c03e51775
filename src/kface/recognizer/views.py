"""How a face looks in one frame: what decides whether it is worth embedding again, and how much its vote counts."""

import functools
from typing import Callable, List, NamedTuple, Optional, Sequence, Union

import numpy as np

from kface import alignment
from kface.faces import Faces
from kface.recognizer.settings import TrackSettings

#: Sharpness at which half of a vote's weight is reached, in squared grey levels.
HALF_SHARP = 100.0
#: A vote weighs at least this much: small and blurred faces are little evidence, but some.
LEAST_WEIGHT = 0.01


class View(object):
    """A face in one frame.

    Args:
        shape: See below.
        side: See below.
        sharpness: The value, or a function that finds it when it is asked for: the face has to be cut out for it.

    Attributes:
        shape: float64 (5, 2), where the landmarks lie in the 112x112 crop once place, size and roll are taken out: what is
            left of them changes with yaw, pitch and expression.
        side: Geometric mean of the box's sides, in pixels.
    """

    def __init__(self, shape: np.ndarray, side: float, sharpness: Union[float, Callable[[], float]]) -> None:
        self.shape = shape
        self.side = side
        self._sharpness = sharpness

    @property
    def sharpness(self) -> float:
        """Variance of the crop's Laplacian, in squared grey levels."""
        if callable(self._sharpness):
            # What the function holds on to, the frame among it, is let go of.
            self._sharpness = self._sharpness()
        return self._sharpness

    @property
    def weight(self) -> float:
        """How much the view's vote counts, from 0 to 1: larger and sharper faces count more."""
        size = min(self.side / alignment.SIZE, 1.0)
        return max(size * self.sharpness / (self.sharpness + HALF_SHARP), LEAST_WEIGHT)


class Seen(NamedTuple):
    """What several views have shown together: float64 (n, 5, 2), the largest side and the highest sharpness."""

    shapes: np.ndarray
    side: float
    sharpness: float


def alignable(landmarks: np.ndarray) -> np.ndarray:
    """Return, as bool (n,), which landmarks (n, 5, 2) are finite and do not all coincide."""
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    with np.errstate(invalid="ignore"):
        spread = np.abs(points - points.mean(axis=1, keepdims=True)).sum(axis=(1, 2))
    return np.isfinite(spread) & (spread > 1e-3)


def views_of(
    faces: Faces, sharp: Union[Sequence[float], Callable[[int], float]], matrices: Optional[np.ndarray] = None
) -> List[View]:
    """Return the views of faces that can be aligned.

    Args:
        faces: The faces, n.
        sharp: (n,), of :func:`kface.sharpness.sharpness`; or a function that finds it by the face's number.
        matrices: float64 (n, 2, 3), their similarities where these are known.
    """
    if matrices is None:
        matrices = alignment.similarity(faces.landmarks)
    shapes = np.einsum("nij,nkj->nki", matrices[:, :, :2], faces.landmarks.astype(np.float64)) + matrices[:, None, :, 2]
    given = [
        functools.partial(sharp, number) if callable(sharp) else float(sharp[number]) for number in range(len(shapes))
    ]
    return [View(shape, float(side), value) for shape, side, value in zip(shapes, np.sqrt(faces.areas), given)]


def seen_in(views: Sequence[View]) -> Seen:
    """Return what views have shown together; of one view at least."""
    return Seen(
        np.stack([view.shape for view in views]),
        max(view.side for view in views),
        max(view.sharpness for view in views),
    )


def is_new(view: View, seen: Seen, settings: TrackSettings) -> bool:
    """Return whether a view shows a face otherwise, larger or sharper than all views that were embedded."""
    # Sharpness comes last: it is what has to be looked at in the picture.
    return (
        bool(np.abs(seen.shapes - view.shape).max(axis=(1, 2)).min() > settings.moved)
        or view.side > settings.grown * seen.side
        or view.sharpness > settings.sharpened * seen.sharpness
    )
