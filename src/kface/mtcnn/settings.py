"""The detector's settings: their defaults and their ranges, for every command and file that takes them.

``conf/detector/mtcnn.yaml`` and ``conf/deploy.yaml`` repeat the defaults, as YAML cannot import them; a test holds them equal.
In the checks, `section` is the prefix of a setting's name in an error.
"""

import numbers
from typing import Any, Dict, Sequence, Tuple

from kface import checks
from kface.errors import ConfigError
from kface.mtcnn.brighten import WAYS

#: The reference's own thresholds of P-, R- and O-Net.
THRESHOLDS = (0.6, 0.7, 0.8)
#: The reference's own scale from one level of the pyramid to the next.
FACTOR = 0.709
#: Steps of the grid 20 / 0.709^k, in pixels: the reference's smallest face; that of streams and photographs, which a Jetson
#: Nano keeps up with; and the first one to try where one face fills the image, as in K-Face.
MIN_FACE, MIN_FACE_OF_STREAMS, MIN_FACE_OF_PORTRAITS = 20.0, 39.8, 79.1
#: Ways to brighten images that show too few faces, the first to try first; see :mod:`kface.mtcnn.brighten`.
BRIGHTEN = ("clahe", "log_clahe")
#: Settings of the section ``detector`` of a ``deploy.yaml``.
OF_STREAMS: Dict[str, Any] = {
    "min_face": MIN_FACE_OF_STREAMS,
    "thresholds": THRESHOLDS,
    "factor": FACTOR,
    "brighten": BRIGHTEN,
}

#: Smallest and largest value of the smallest face, in pixels.
MIN_FACE_RANGE = (MIN_FACE, 10000.0)
#: Below, P-Net misses faces between two levels of the pyramid; above, it sees each face dozens of times.
FACTOR_RANGE = (0.5, 0.95)


def number(value: Any, key: str, least: float, most: float, what: str = "") -> float:
    """Return a setting as a float.

    Args:
        value: The setting.
        key: Its name, for the error.
        least: Minimum.
        most: Maximum.
        what: Its unit, with a leading blank.

    Raises:
        ConfigError: It is not a number (truth values and texts are not), not finite or out of its range.
    """
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not good or not least <= value <= most:
        wrong = "must be a number from {:g} to {:g}{}, not {!r}".format(least, most, what, _short(value))
        return checks.refuse(ConfigError(wrong, key), value)
    return float(value)


def min_face(value: Any, section: str = "detector.") -> float:
    """Check the smallest face's side in pixels; raises ConfigError."""
    return number(value, section + "min_face", MIN_FACE_RANGE[0], MIN_FACE_RANGE[1], " pixels")


def factor(value: Any, section: str = "detector.") -> float:
    """Check the scale from one level of the pyramid to the next; raises ConfigError."""
    return number(value, section + "factor", FACTOR_RANGE[0], FACTOR_RANGE[1])


def thresholds(values: Any, section: str = "detector.") -> Tuple[float, float, float]:
    """Check the three networks' thresholds, each at least 0 and less than 1; raises ConfigError."""
    key = section + "thresholds"
    given: Sequence[object] = ()
    if not isinstance(values, (str, bytes, dict)):
        try:
            given = tuple(values)
        except TypeError:
            given = ()
    if len(given) != 3:
        wrong = "must be three numbers from 0 to 1, not {!r}".format(_short(values))
        return checks.refuse(ConfigError(wrong, key), THRESHOLDS)
    first, second, third = (number(value, key, 0.0, 1.0) for value in given)
    if max(first, second, third) >= 1:
        return checks.refuse(ConfigError("must be less than 1: nothing would pass", key), THRESHOLDS)
    return first, second, third


def brighten(values: Any, section: str = "detector.") -> Tuple[str, ...]:
    """Check the ways to brighten images in which too few faces are found, and return them, the first to try first.

    Args:
        values: Names in :data:`kface.mtcnn.brighten.WAYS`, or a single name; None, "none" or an empty list for no way.
        section: Prefix of the setting's name in an error.

    Raises:
        ConfigError: A way is unknown or given twice.
    """
    if values is None or values in ("none", "null"):
        return ()
    try:
        names: Sequence[Any] = (values,) if isinstance(values, (str, bytes, dict)) else tuple(values)
    except TypeError:
        names = (values,)
    for name in names:
        if not isinstance(name, str) or name not in WAYS:
            error = ConfigError(
                "must be a list of ways to brighten an image, not {!r}".format(_short(values)),
                section + "brighten",
                "choose from {}; none for no way".format(", ".join(WAYS)),
            )
            return checks.refuse(error, ())
    if len(set(names)) != len(names):
        error = ConfigError("a way is given twice: {}".format(", ".join(names)), section + "brighten", "remove one")
        return checks.refuse(error, ())
    return tuple(names)


def _short(value: object) -> object:
    """Return a value, or the start of its text where that is longer than a line."""
    text = repr(value)
    return value if len(text) <= 60 else text[:57] + "..."
