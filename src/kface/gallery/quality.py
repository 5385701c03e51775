"""Whether a face is good enough to be enrolled: one face, whole, upright, large enough, sharp, and seen from the front.

What is enrolled badly is missed, or mistaken for another person, ever after; a probe may be worse than that.
"""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np

from kface import checks
from kface.errors import ConfigError, ImageError
from kface.sharpness import sharpness

#: The least part of a face's width or height that lies around its landmarks.
RIM = 0.1


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
        roll: By how many degrees the line through the eyes is turned with the clock, from -180 to 180: 0 upright.
        outside: How much of the face lies outside the picture: the part of its width or height beyond the edge that it
            reaches out of furthest; 0 or less where it is inside.
    """

    size: float
    sharpness: float
    yaw: float
    pitch: float
    roll: float = 0.0
    outside: float = 0.0


class Limits(NamedTuple):
    """What is good enough.

    Attributes:
        size: Least :attr:`Quality.size`.
        sharpness: Least :attr:`Quality.sharpness`.
        yaw: Largest :attr:`Quality.yaw`, to either side.
        pitch: Least and largest :attr:`Quality.pitch`.
        roll: Largest :attr:`Quality.roll`, to either side.
        outside: Largest :attr:`Quality.outside`. The detector's box is larger than the face by about that much.
    """

    size: float = 60.0
    sharpness: float = 60.0
    yaw: float = 0.3
    pitch: Sequence[float] = (0.3, 0.75)
    roll: float = 45.0
    outside: float = 0.1

    def check(self, section: str = "enrolment.") -> None:
        """Raise a ConfigError where a limit is not a finite number, or the minimum of the pitch is above its maximum.

        Args:
            section: What stands before the limits' names.
        """
        for key in ("size", "sharpness", "yaw", "roll", "outside"):
            checks.number(section + key, getattr(self, key), 0)
        least, largest = (checks.number(section + "pitch", value) for value in self.pitch)
        if least > largest:
            raise ConfigError("must be minimum and maximum, not {} and {}".format(least, largest), section + "pitch")


class Refusal(NamedTuple):
    """Why a face is not good enough.

    Attributes:
        what: "faces", "size", "sharpness", "yaw", "pitch", "roll" or "outside".
        value: What was found.
        bounds: What would have been good enough, in words.
    """

    what: str
    value: float
    bounds: str

    def __str__(self) -> str:
        return "{} {:.3g} ({})".format(self.what, self.value, self.bounds)


def measure(box: np.ndarray, landmarks: np.ndarray, crop: np.ndarray, shape: Optional[Sequence[int]] = None) -> Quality:
    """Measure a face.

    Args:
        box: (4,), x1 y1 x2 y2 in pixels.
        landmarks: (5, 2), x y in pixels, in the order of :data:`kface.faces.LANDMARK_NAMES`.
        crop: uint8 (h, w, 3), RGB, the aligned face.
        shape: The picture's height and width; None where it is not known, and the face taken to be inside.

    Returns:
        The measures; yaw and pitch are infinite where the landmarks do not make a face.
    """
    outside = 0.0 if shape is None else _outside(box, landmarks, shape)
    x1, y1, x2, y2 = (float(value) for value in box)
    left, right, nose, mouth_left, mouth_right = np.asarray(landmarks, np.float64)
    sharp = float(sharpness(np.asarray(crop)[None])[0])
    size = min(x2 - x1, y2 - y1)
    across = right - left
    distance = float(np.hypot(across[0], across[1]))
    if not distance > 0:
        return Quality(size, sharp, np.inf, np.inf, 0.0, outside)
    roll = wrapped(float(np.degrees(np.arctan2(across[1], across[0]))))
    across = across / distance
    down = np.array([-across[1], across[0]])
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    height = float(np.dot(mouth - eyes, down))
    if not height > 0:
        return Quality(size, sharp, np.inf, np.inf, roll, outside)
    pitch = float(np.dot(nose - eyes, down)) / height
    yaw = float(np.dot(nose - (eyes + mouth) / 2, across)) / distance
    return Quality(size, sharp, yaw, pitch, roll, outside)


def wrapped(degrees: float) -> float:
    """Return an angle from -180 to 180 degrees."""
    return (degrees + 180) % 360 - 180


def _outside(box: np.ndarray, landmarks: np.ndarray, shape: Sequence[int]) -> float:
    box, points = np.asarray(box, np.float64), np.asarray(landmarks, np.float64)
    sides = box[2:] - box[:2]
    if not (sides > 0).all():
        return np.inf
    # A box may stop short at the picture's edge; eyes and mouth always have some of the face around them.
    low = np.minimum(box[:2], points.min(axis=0) - RIM * sides)
    high = np.maximum(box[2:], points.max(axis=0) + RIM * sides)
    beyond = np.concatenate([-low / sides, (high - [shape[1], shape[0]]) / sides])
    return float(beyond.max())


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
    if not abs(quality.roll) <= limits.roll:
        found.append(Refusal("roll", quality.roll, "the face is not upright: at most {:g} degrees".format(limits.roll)))
    if not quality.outside <= limits.outside:
        bounds = "the face extends beyond the picture: at most {:g} of it".format(limits.outside)
        found.append(Refusal("outside", quality.outside, bounds))
    return found


def require(count: int, quality: Optional[Quality], limits: Optional[Limits] = None, where: object = None) -> None:
    """Raise ImageError with all reasons against enrolling a face; see :func:`refusals`.

    Args:
        count: How many faces the image has.
        quality: Of the face; None where there is not one face.
        limits: What is good enough.
        where: The image's name.
    """
    refuse(refusals(count, quality, limits), where)


def refuse(found: Sequence[object], where: object = None) -> None:
    """Raise ImageError with all reasons against enrolling a face, where there are some.

    Args:
        found: The reasons: :class:`Refusal`, or their texts.
        where: The image's name.
    """
    if found:
        raise ImageError(
            "is not good enough to enrol: {}".format(", ".join(str(refusal) for refusal in found)),
            where,
            "take a sharp picture of one person from the front",
        )
