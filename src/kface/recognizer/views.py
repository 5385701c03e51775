"""How a face looks in one frame: what decides whether it is worth embedding again, and how much its vote counts."""

import functools
from typing import Callable, List, NamedTuple, Optional, Sequence, Union

import cv2
import numpy as np

from kface import alignment
from kface.faces import Faces
from kface.recognizer.settings import TrackSettings

#: Sharpness at which half of a vote's weight is reached, in squared grey levels.
HALF_SHARP = 100.0
#: A vote weighs at least this much: small and blurred faces are little evidence, but some.
LEAST_WEIGHT = 0.01
#: Rows and columns of the crop that :func:`appearance` looks at, without hair and background, and what it reduces them to.
FACE_ROWS, FACE_COLUMNS = slice(16, 104), slice(20, 92)
APPEARANCE = (18, 22)
#: With less contrast than this, a standard deviation in grey levels, a crop has no look.
FLAT = 1.0


class FaceView(object):
    """A face in one frame.

    Args:
        shape: See below.
        side: See below.
        sharpness: The value, or a function that finds it when it is asked for: the face has to be cut out for it.
        look: See below; likewise the value or a function that finds it. None where there are no pixels to look at.

    Attributes:
        shape: float64 (5, 2), where the landmarks lie in the 112x112 crop once place, size and roll are taken out: what is
            left of them changes with yaw, pitch and expression.
        side: Geometric mean of the box's sides, in pixels.
    """

    def __init__(
        self,
        shape: np.ndarray,
        side: float,
        sharpness: Union[float, Callable[[], float]],
        look: Union[np.ndarray, Callable[[], Optional[np.ndarray]], None] = None,
    ) -> None:
        self.shape = shape
        self.side = side
        self._sharpness = sharpness
        self._look = look

    @property
    def sharpness(self) -> float:
        """Variance of the crop's Laplacian, in squared grey levels."""
        if callable(self._sharpness):
            # What the function holds on to, the frame among it, is let go of.
            self._sharpness = self._sharpness()
        return self._sharpness

    @property
    def look(self) -> Optional[np.ndarray]:
        """What the face looks like, see :func:`appearance`; None where there are no pixels to look at."""
        if callable(self._look):
            self._look = self._look()
        return self._look

    @property
    def weight(self) -> float:
        """How much the view's vote counts, from 0 to 1: larger and sharper faces count more."""
        size = min(self.side / alignment.SIZE, 1.0)
        return max(size * self.sharpness / (self.sharpness + HALF_SHARP), LEAST_WEIGHT)


class Seen(NamedTuple):
    """What several views have shown together: float64 (n, 5, 2), the largest side, the highest sharpness, (n, 396) or None."""

    shapes: np.ndarray
    side: float
    sharpness: float
    looks: Optional[np.ndarray]


def appearance(crop: np.ndarray) -> Optional[np.ndarray]:
    """Return what an aligned face looks like from afar: enough to see that it is another one, or seen otherwise.

    Args:
        crop: uint8 (112, 112, 3), RGB.

    Returns:
        float32 (396,), the grey levels of 22 rows of 18, without their mean, of length 1: the product of two is their
        correlation, which brightness and contrast do not change. From one frame to the next a face keeps to 0.79 and more
        even while it turns; two people's have 0.28 in the median, and 0.2 % of them more than 0.8 (LFW, against two clips).
        None where the crop is one grey, and shows nothing.
    """
    grey = cv2.cvtColor(crop[FACE_ROWS, FACE_COLUMNS], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, APPEARANCE, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length >= FLAT * len(small) ** 0.5 else None


def differs(look: Optional[np.ndarray], others: Optional[np.ndarray], least: float) -> bool:
    """Return whether a look correlates by less than `least` with one other, or with all of several.

    Args:
        look: (396,), see :func:`appearance`.
        others: (396,) or (n, 396). Where one is None there is nothing to compare, and nothing differs.
        least: The correlation.
    """
    if look is None or others is None:
        return False
    return float(np.max(np.dot(others, look))) < least


def alignable(landmarks: np.ndarray) -> np.ndarray:
    """Return, as bool (n,), which landmarks (n, 5, 2) are finite and do not all coincide."""
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    with np.errstate(invalid="ignore"):
        spread = np.abs(points - points.mean(axis=1, keepdims=True)).sum(axis=(1, 2))
    return np.isfinite(spread) & (spread > 1e-3)


def views_of(
    faces: Faces,
    sharp: Union[Sequence[float], Callable[[int], float]],
    matrices: Optional[np.ndarray] = None,
    look: Optional[Callable[[int], Optional[np.ndarray]]] = None,
) -> List[FaceView]:
    """Return the views of faces that can be aligned.

    Args:
        faces: The faces, n.
        sharp: (n,), of :func:`kface.sharpness.sharpness`; or a function that finds it by the face's number.
        matrices: float64 (n, 2, 3), their similarities where these are known.
        look: A function that finds :attr:`FaceView.look` by the face's number; None where there are no pixels to look at.
    """
    if matrices is None:
        matrices = alignment.similarity(faces.landmarks)
    shapes = np.einsum("nij,nkj->nki", matrices[:, :, :2], faces.landmarks.astype(np.float64)) + matrices[:, None, :, 2]
    given = [
        functools.partial(sharp, number) if callable(sharp) else float(sharp[number]) for number in range(len(shapes))
    ]
    looks = [None if look is None else functools.partial(look, number) for number in range(len(shapes))]
    return [FaceView(*values) for values in zip(shapes, np.sqrt(faces.areas).tolist(), given, looks)]


def seen_in(views: Sequence[FaceView]) -> Seen:
    """Return what views have shown together; of one view at least."""
    looks = [view.look for view in views if view.look is not None]
    return Seen(
        np.stack([view.shape for view in views]),
        max(view.side for view in views),
        max(view.sharpness for view in views),
        np.stack(looks) if looks else None,
    )


def drifted(view: FaceView, seen: Seen, settings: TrackSettings) -> bool:
    """Return whether a face looks otherwise than in all views that were embedded, half as far as where it changes at once.

    Half as far, since a view in the middle of a cross-fade must not stand for where it ends.
    """
    return differs(view.look, seen.looks, (1 + settings.changed) / 2)


def is_new(view: FaceView, seen: Seen, settings: TrackSettings) -> bool:
    """Return whether a view shows a face otherwise, larger or sharper than all views that were embedded."""
    # These two come last: they are what has to be looked at in the picture.
    return (
        bool(np.abs(seen.shapes - view.shape).max(axis=(1, 2)).min() > settings.moved)
        or view.side > settings.grown * seen.side
        or drifted(view, seen, settings)
        or view.sharpness > settings.sharpened * seen.sharpness
    )
