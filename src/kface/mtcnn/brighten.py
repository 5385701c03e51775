"""Brightened copies of images: in those of dark and side-lit faces the cascade sees what it misses in the originals.

Only the luma changes; colours keep their differences from it. The copies need nothing but tables and OpenCV's CLAHE
(Zuiderveld, 1994). When they are looked at is for :mod:`kface.mtcnn.again` to say.
"""

from typing import Callable, Dict

import cv2
import numpy as np

#: Tiles in each direction, and how much steeper than evenly spread a tile's histogram may be made.
GRID, CLIP = 4, 10.0
#: Images with a shorter side are left as they are: the cascade finds nothing in them, and a tile needs a pixel.
LEAST = 12
#: Level of 255 as the logarithm of the level plus 1: what is dark takes up most of the range.
_LOGARITHM = np.round(255 * np.log1p(np.arange(256)) / np.log(256)).astype(np.uint8)
#: Square root of the level.
_GAMMA = np.round(np.sqrt(255.0 * np.arange(256))).astype(np.uint8)


def _clahe(luma: np.ndarray) -> np.ndarray:
    # A new one each time: it holds buffers, and threads may brighten at the same time.
    made: np.ndarray = cv2.createCLAHE(CLIP, (GRID, GRID)).apply(luma)
    return made


#: The ways by name; each takes the luma, uint8 (h, w), contiguous, and returns it brightened, of the same kind.
WAYS: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clahe": _clahe,
    "log": lambda luma: _LOGARITHM[luma],
    "log_clahe": lambda luma: _clahe(_LOGARITHM[luma]),
    "gamma": lambda luma: _GAMMA[luma],
}


def brightened(rgb: np.ndarray, way: str) -> np.ndarray:
    """Return a brightened copy of an image.

    Args:
        rgb: uint8 (h, w, 3), RGB.
        way: A name in :data:`WAYS`.

    Returns:
        uint8 (h, w, 3), RGB.

    Raises:
        KeyError: There is no such way; settings are checked by :func:`kface.mtcnn.settings.brighten`.
    """
    brighten = WAYS[way]
    if min(rgb.shape[:2]) < LEAST:
        return rgb.copy()
    ycc = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = brighten(np.ascontiguousarray(ycc[..., 0]))
    made: np.ndarray = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)
    return made
