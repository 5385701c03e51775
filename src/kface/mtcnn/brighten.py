"""Brightened copies of images: in copies of dark and side-lit faces the cascade finds faces that it misses in the originals.

Only the luma changes; colours keep their differences from it. The copies need only tables and OpenCV's CLAHE (Zuiderveld,
1994). :mod:`kface.mtcnn.again` decides when they are searched.
"""

from typing import Callable, Dict

import cv2
import numpy as np

#: CLAHE: tiles in each direction, and clip limit, as a multiple of a uniform histogram's bins.
GRID, CLIP = 4, 10.0
#: Images with a shorter side are not brightened: the cascade finds no face in them, and a tile needs a pixel.
LEAST = 12
#: Table of the logarithm of the level plus 1: dark levels take up most of the range.
_LOGARITHM = np.round(255 * np.log1p(np.arange(256)) / np.log(256)).astype(np.uint8)
#: Table of the level's square root.
_GAMMA = np.round(np.sqrt(255.0 * np.arange(256))).astype(np.uint8)


def _clahe(luma: np.ndarray) -> np.ndarray:
    # A new one each time: it has buffers, and several threads may brighten at once.
    made: np.ndarray = cv2.createCLAHE(CLIP, (GRID, GRID)).apply(luma)
    return made


#: The ways by name; each takes the luma, uint8 (h, w), contiguous, and returns a brightened one.
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
        KeyError: Unknown way; :func:`kface.mtcnn.settings.brighten` checks settings.
    """
    brighten = WAYS[way]
    if min(rgb.shape[:2]) < LEAST:
        return rgb.copy()
    ycc = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = brighten(np.ascontiguousarray(ycc[..., 0]))
    made: np.ndarray = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)
    return made
