"""The rig's lamps: each lamp's irradiance at the surfels, and K-Face's 30 lights as weighted sums of them."""

from typing import List, Sequence, Tuple

import cv2
import numpy as np

from kface.data.layout import LIGHTS
from kface.data.sample.surfels import Surfels, product

#: Lamps by their place in the rig, degrees: yaw (positive to the right) and elevation.
LAMPS: Tuple[Tuple[str, int, Tuple[float, float]], ...] = (
    ("horizontal", 90, (90.0, 5.0)),
    ("horizontal", 45, (45.0, 5.0)),
    ("horizontal", 0, (0.0, 5.0)),
    ("horizontal", -45, (-45.0, 5.0)),
    ("horizontal", -90, (-90.0, 5.0)),
    ("vertical", 30, (0.0, 38.0)),
    ("vertical", -15, (0.0, -22.0)),
)

#: The lamps' directions: yaw and elevation in degrees.
Direction = Tuple[float, float]
DIRECTIONS: Tuple[Direction, ...] = tuple(place for _, _, place in LAMPS)

#: Light that comes from everywhere, as a share of the lamps': white walls.
AMBIENT = 0.16
#: What is left at 0 lux: the displays of the rig.
DARK = 0.004

#: Side of a shadow map in pixels, half its side in units of 10 cm, and where it is sampled to soften the edges.
_MAP = 150
_SPAN = 2.6
_EDGE = 2
_TAPS = ((0, 0), (2, 1), (-1, 2), (-2, -1), (1, -2))


def direction(yaw: float, elevation: float) -> np.ndarray:
    """Return the unit vector towards a lamp; degrees."""
    y, e = np.radians(yaw), np.radians(elevation)
    return np.array([np.sin(y) * np.cos(e), np.sin(e), np.cos(y) * np.cos(e)])


class ShadowMaps(object):
    """What each lamp sees of a scene, and how strongly it lights the surfels that are asked for.

    Args:
        scene: What is lit.
        lamps: Where the lamps are, as yaw and elevation in degrees; by default K-Face's.
    """

    def __init__(self, scene: Surfels, lamps: Sequence[Direction] = DIRECTIONS) -> None:
        # Each coordinate of all surfels in one piece of memory: NumPy is several times as fast on those.
        self._points, self._normals = (np.ascontiguousarray(values.T) for values in (scene.points, scene.normals))
        self._frames = [_frame(direction(*place)) for place in lamps]
        self._maps = [_shadows(product(frame, self._points)) for frame in self._frames]

    def irradiance(self, which: np.ndarray) -> np.ndarray:
        """Return the irradiance of each lamp at full power at some surfels.

        Skin scatters light, so the terminator is soft; a lamp's disc is large, so the shadows' edges are.

        Args:
            which: int64 (n,), the surfels.

        Returns:
            float32 (n, lamps + 1); the last column is the ambient light, less where the surface is hollow.
        """
        points, normals = self._points.take(which, axis=1), self._normals.take(which, axis=1)
        found = np.empty((len(which), len(self._maps) + 1), np.float32)
        for number, (frame, shadows) in enumerate(zip(self._frames, self._maps)):
            cosine = product(frame[2], normals)
            lambert = np.clip((cosine + np.float32(0.22)) / np.float32(1.22), 0, 1)
            lambert *= np.sqrt(np.sqrt(lambert))
            # Surfels turned away from the lamp need no shadow test.
            facing = np.flatnonzero(lambert)
            lambert[facing] *= _lit(product(frame, points.take(facing, axis=1)), cosine[facing], shadows)
            found[:, number] = lambert
        sky = 0.72 + 0.28 * normals[1]
        found[:, -1] = sky * (0.55 + 0.45 * np.clip(normals[2] + 0.5, 0, 1))
        return found


def _frame(towards: np.ndarray) -> np.ndarray:
    """Return the axes of a lamp's shadow map, float32 (3, 3): across, up and towards the lamp."""
    towards = towards.astype(np.float32)
    helper = np.array([0, 1, 0], np.float32) if abs(towards[1]) < 0.9 else np.array([1, 0, 0], np.float32)
    right = np.cross(helper, towards)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards]).astype(np.float32)


def _places(seen: np.ndarray) -> np.ndarray:
    """Return each surfel's place in the flat shadow map, int64 (n,); `seen` (3, n) is in the lamp's frame."""
    scale, half, last = np.float32(0.5 * _MAP / _SPAN), np.float32(0.5 * _MAP), _MAP - 1 - _EDGE
    cells = seen[:2] * scale
    cells += half
    column, row = np.floor(np.clip(cells, _EDGE, last, out=cells), out=cells)
    # Exact in single precision: a map has fewer places than that has whole numbers.
    row *= _MAP
    row += column
    return row.astype(np.int64)


def _shadows(seen: np.ndarray) -> np.ndarray:
    """Return a flat shadow map: how far towards the lamp the nearest surfel is; `seen` (3, n) is in the lamp's frame."""
    nearest = np.full(_MAP * _MAP, -9, np.float32)
    np.maximum.at(nearest, _places(seen), seen[2])
    shadow = nearest.reshape(_MAP, _MAP)
    # Pinholes of the map would let light through.
    kernel = np.ones((3, 3), np.uint8)
    closed: np.ndarray = np.maximum(shadow, cv2.erode(cv2.dilate(shadow, kernel), kernel)).reshape(-1)
    return closed


def _lit(seen: np.ndarray, cosine: np.ndarray, shadows: np.ndarray) -> np.ndarray:
    """Return the visible fraction of a lamp for each surfel, from its blurred shadow map.

    Args:
        seen: float32 (3, n), the surfels in the lamp's frame.
        cosine: float32 (n,), of the angle between their normals and the lamp.
        shadows: From :func:`_shadows`.
    """
    place = _places(seen)
    # A slanting surface would shade itself.
    base = seen[2] + np.float32(0.07) + np.float32(0.10) * np.clip(1 - cosine, 0, 1)
    total = np.zeros(len(place), np.float32)
    for down, side in _TAPS:
        part = shadows.take(place + (down * _MAP + side))
        part -= base
        part *= np.float32(1 / 0.06)
        np.subtract(1, part, out=part)
        total += np.clip(part, 0, 1, out=part)
    total /= np.float32(len(_TAPS))
    return total


def weights(light: int) -> np.ndarray:
    """Return each lamp's power in one of K-Face's lights, float32 (lamps + 1,), the ambient light last.

    The powers of a light add up to its lux over 1,000.
    """
    condition = LIGHTS[light]
    power = condition.lux / 1000.0
    given = np.zeros(len(LAMPS) + 1, np.float32)
    if condition.direction == "all":
        shares = np.array([0.7, 1.0, 1.2, 1.0, 0.7, 1.0, 0.6])
        given[:-1] = power * shares / shares.sum() * 1.35
    else:
        for number, (kind, degrees, _) in enumerate(LAMPS):
            if (kind, degrees) == (condition.direction, condition.degrees):
                given[number] = power * 0.85
    given[-1] = AMBIENT * power + DARK
    return given


def exposure(light: int) -> Tuple[float, float]:
    """Return the gain that the camera applies in a light, and the standard deviation of its noise in grey levels.

    The camera compensates part of the missing light, at the cost of noise.
    """
    lux = max(LIGHTS[light].lux, 3)
    gain = 1.55 * (1000.0 / lux) ** 0.55
    return gain, 1.2 + 1.1 * np.log10(1000.0 / lux) ** 1.7


def lamp_names() -> List[str]:
    """Return the lamps' names, in the order of the columns."""
    return ["{} {:+d}".format(kind, degrees) for kind, degrees, _ in LAMPS]
