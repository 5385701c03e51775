"""Whether a face is good enough to be enrolled: one face, large enough, sharp, and seen from the front.

What is enrolled badly is missed, or taken for somebody else, ever after; a probe may be worse than that.
"""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np

from kface.errors import ImageError
from kface.sharpness import sharpness


class Quality(NamedTuple):
    """How a face is seen.

    Attributes:
        size: The box's shorter side in the image's pixels.
        sharpness: Variance of the Laplacian of the aligned crop's grey levels.
        yaw: How far the nose is from the middle line between the eyes and between the mouth's corners, along the line
            through the eyes, as a part of the eyes' distance: 0 from the front, positive towards the image's right; with a
            nose of usual length about 0.5 times the tangent of the angle.
        pitch: Where the nose is between the line of the eyes (0) and that of the mouth (1): 0.5 from the front, less when
            looking up.
    """

    size: float
    sharpness: float
    yaw: float
    pitch: float


class Limits(NamedTuple):
    """What is good enough.

    Attributes:
        size: Least :attr:`Quality.size`.
        sharpness: Least :attr:`Quality.sharpness`.
        yaw: Largest :attr:`Quality.yaw`, to either side.
        pitch: Least and largest :attr:`Quality.pitch`.
    """

    size: float = 60.0
    sharpness: float = 60.0
    yaw: float = 0.3
    pitch: Sequence[float] = (0.3, 0.75)


class Refusal(NamedTuple):
    """Why a face is not good enough.

    Attributes:
        what: "faces", "size", "sharpness", "yaw" or "pitch".
        value: What was found.
        bounds: What would have been good enough, in words.
    """

    what: str
    value: float
    bounds: str

    def __str__(self) -> str:
        return "{} {:.3g} ({})".format(self.what, self.value, self.bounds)


def measure(box: np.ndarray, landmarks: np.ndarray, crop: np.ndarray) -> Quality:
    """Measure a face.

    Args:
        box: (4,), x1 y1 x2 y2 in pixels.
        landmarks: (5, 2), x y in pixels, in the order of :data:`kface.faces.LANDMARK_NAMES`.
        crop: uint8 (h, w, 3), RGB, the aligned face.

    Returns:
        The measures; yaw and pitch are infinite where the landmarks do not make a face.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    left, right, nose, mouth_left, mouth_right = np.asarray(landmarks, np.float64)
    sharp = float(sharpness(np.asarray(crop)[None])[0])
    size = min(x2 - x1, y2 - y1)
    across = right - left
    distance = float(np.hypot(across[0], across[1]))
    if not distance > 0:
        return Quality(size, sharp, np.inf, np.inf)
    across = across / distance
    down = np.array([-across[1], across[0]])
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    height = float(np.dot(mouth - eyes, down))
    if not height > 0:
        return Quality(size, sharp, np.inf, np.inf)
    pitch = float(np.dot(nose - eyes, down)) / height
    yaw = float(np.dot(nose - (eyes + mouth) / 2, across)) / distance
    return Quality(size, sharp, yaw, pitch)


def refusals(count: int, quality: Optional[Quality], limits: Optional[Limits] = None) -> List[Refusal]:
    """Return all reasons against enrolling a face; none where it is good enough.

    Args:
        count: How many faces the image has.
        quality: Of the face; None where there is not one face.
        limits: What is good enough.
    """
    limits = Limits() if limits is None else limits
    if count != 1 or quality is None:
        return [Refusal("faces", count, "exactly 1")]
    found = []
    # Written so that what is not a number is not good enough either.
    if not quality.size >= limits.size:
        found.append(Refusal("size", quality.size, "at least {:g} pixels".format(limits.size)))
    if not quality.sharpness >= limits.sharpness:
        found.append(Refusal("sharpness", quality.sharpness, "at least {:g}".format(limits.sharpness)))
    if not abs(quality.yaw) <= limits.yaw:
        found.append(Refusal("yaw", quality.yaw, "from {:g} to {:g}".format(-limits.yaw, limits.yaw)))
    if not limits.pitch[0] <= quality.pitch <= limits.pitch[1]:
        found.append(Refusal("pitch", quality.pitch, "from {:g} to {:g}".format(*limits.pitch)))
    return found


def require(count: int, quality: Optional[Quality], limits: Optional[Limits] = None, where: object = None) -> None:
    """Raise ImageError with all reasons against enrolling a face; see :func:`refusals`.

    Args:
        count: How many faces the image has.
        quality: Of the face; None where there is not one face.
        limits: What is good enough.
        where: The image's name.
    """
    found = refusals(count, quality, limits)
    if found:
        raise ImageError(
            "is not good enough to enrol: {}".format(", ".join(str(refusal) for refusal in found)),
            where,
            "take a sharp picture of one person from the front",
        )
