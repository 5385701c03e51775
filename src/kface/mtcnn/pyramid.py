"""The image pyramid, and the float image from which crops are cut."""

import math
from typing import Callable, List, Sequence, Tuple

import cv2
import numpy as np

from kface.mtcnn import settings

#: Side of P-Net's window in pixels.
CELL = 12
#: Pixels between two of P-Net's windows.
STRIDE = 2
#: The smallest face of the reference's grid in pixels; a larger smallest face drops levels of the same grid.
BASE_FACE = settings.MIN_FACE
#: Levels are added to the reference's while the smaller side is at least this many windows: at small factors the reference
#: stops too early. At its own factor, 0.709, it never does.
_ROOM = 1.01

_NORMALISED = ((np.arange(256, dtype=np.float32) - 127.5) / 128).astype(np.float32)


def normalise(rgb: np.ndarray) -> np.ndarray:
    """Return (x - 127.5) / 128 of a uint8 image as float32 of the same shape."""
    if not rgb.size:
        # An empty crop, for which OpenCV returns None.
        return np.zeros(rgb.shape, np.float32)
    return cv2.LUT(rgb, _NORMALISED).reshape(rgb.shape)


def dropped_levels(min_face: float, factor: float) -> int:
    """Return how many of the grid's finest levels a smallest face makes unnecessary.

    The grid is 20 / factor^k pixels (20, 28.2, 39.8, 56.1, 79.1, ... at 0.709): a smallest face between two of its
    steps is rounded down. The other levels stay where they are, and so do the boxes and landmarks that come from them.

    Raises:
        ConfigError: One of the two is out of its range; see :mod:`kface.mtcnn.settings`.
    """
    min_face, factor = settings.min_face(min_face), settings.factor(factor)
    # The documented steps are rounded to a tenth of a pixel: 79.1 stands for 79.15.
    return int(math.floor(math.log((min_face + 0.1) / BASE_FACE) / -math.log(factor)))


def scales(height: int, width: int, min_face: float, factor: float) -> List[float]:
    """Return the scales of the pyramid's levels, the finest first; empty for an image too small for one."""
    smallest = min(height, width)
    if smallest < CELL:
        return []
    first = CELL / BASE_FACE
    count = int(round(-(math.log(smallest / float(CELL)) / math.log(factor) + 1)))
    while smallest * first * factor**count >= _ROOM * CELL:
        count += 1
    found = [first * factor**number for number in range(dropped_levels(min_face, factor), count)]
    # A larger factor makes the reference's last levels smaller than P-Net's window.
    return [scale for scale in found if int(smallest * scale) >= CELL]


def level_shape(shape: Sequence[int], scale: float) -> Tuple[int, int]:
    """Return height and width of a level of an image of this shape; sides are rounded down."""
    return max(int(shape[0] * scale), 1), max(int(shape[1] * scale), 1)


def level(normalised: np.ndarray, scale: float) -> np.ndarray:
    """Resize an image by area, as TensorFlow's ResizeMethod.AREA does.

    Args:
        normalised: float32 (h, w, 3); OpenCV is several times faster on three interleaved colours than on three planes.
        scale: The factor; sides are rounded down.

    Returns:
        float32 (3, int(h * scale), int(w * scale)).
    """
    height, width = level_shape(normalised.shape, scale)
    return cv2.resize(normalised, (width, height), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)


def strips(height: int, rows: int) -> List[slice]:
    """Cut a level into strips for which P-Net gives the same rows of outputs as for the complete level.

    An output row sees :data:`CELL` rows, two further down than the one before; a strip starts at an even row, where the
    pool's windows start too.

    Args:
        height: Of the level.
        rows: Maximum height of a strip; at least a window and a step.

    Returns:
        The rows of each strip; a single strip where the level is low enough.
    """
    rows = max(rows, CELL + STRIDE)
    if height <= rows:
        return [slice(0, height)]
    step = (rows - CELL) // STRIDE * STRIDE + STRIDE
    overlap = CELL - STRIDE
    # The last strip takes the remaining rows, with an odd height one more.
    starts = list(range(0, height - overlap - 1, step))
    return [slice(start, height if start == starts[-1] else start + step + overlap) for start in starts]


def pixels_for_crops(normalised: np.ndarray) -> np.ndarray:
    """Return the image as complex128 (h * w,), each number the four floats of a pixel: red, green, blue and padding.

    NumPy gathers 16-byte numbers several times faster than rows of three floats.
    """
    return cv2.cvtColor(normalised, cv2.COLOR_RGB2RGBA).reshape(-1).view(np.complex128)


def crop_and_resize(pixels: np.ndarray, shape: Tuple[int, int], boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut squares out of an image, as TensorFlow's ``crop_and_resize`` does in the reference.

    The corners of a box are mapped to the centres of the outer pixels of its crop, coordinates are shrunk by
    (side - 1) / side, samples are bilinear without antialiasing, and pixels outside the image are 0.

    Args:
        pixels: From :func:`pixels_for_crops`.
        shape: Height and width of the image.
        boxes: (n, 4), x1 y1 x2 y2 in pixels.
        size: Side of the crops.

    Returns:
        float32 (n, 3, size, size).
    """
    out = np.empty((len(boxes), 3, size, size), np.float32)
    # The intermediate arrays of a block stay within a core's cache.
    block = max(1, 65536 // (size * size))
    for start in range(0, len(boxes), block):
        part = boxes[start : start + block]
        y0, y1, fy, y_in = _samples(part[:, 1], part[:, 3], shape[0], size)
        x0, x1, fx, x_in = _samples(part[:, 0], part[:, 2], shape[1], size)

        def gather(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return _gather(pixels, (y * shape[1])[:, :, None] + x[:, None, :])

        crop = _bilinear(gather, (y0, y1, fy), (x0, x1, fx))
        outside = ~(y_in[:, :, None] & x_in[:, None, :])
        if outside.any():
            crop[outside] = 0
        out[start : start + block] = crop[..., :3].transpose(0, 3, 1, 2)
    return out


def crop_and_resize_each(rgb: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut a few squares out of an image as :func:`crop_and_resize` does, without converting its other pixels.

    Args:
        rgb: uint8 (h, w, 3), RGB. Colours are normalised after the interpolation, which differs by rounding only.
        boxes: (n, 4), x1 y1 x2 y2 in pixels; at least one.
        size: Side of the crops.

    Returns:
        float32 (n, 3, size, size).
    """
    y0, y1, fy, y_in = _samples(boxes[:, 1], boxes[:, 3], rgb.shape[0], size)
    x0, x1, fx, x_in = _samples(boxes[:, 0], boxes[:, 2], rgb.shape[1], size)
    low = np.minimum(y0, y1).min(axis=1), np.minimum(x0, x1).min(axis=1)
    high = np.maximum(y0, y1).max(axis=1) + 1, np.maximum(x0, x1).max(axis=1) + 1
    # The surroundings of all boxes, concatenated, one number per pixel: they are gathered at once.
    cuts = [
        cv2.cvtColor(rgb[top:bottom, left:right], cv2.COLOR_RGB2RGBA).reshape(-1).view(np.uint32)
        for top, left, bottom, right in zip(*(low + high))
    ]
    pixels = np.concatenate(cuts)
    begin = np.cumsum([0] + [len(cut) for cut in cuts[:-1]])
    wide = high[1] - low[1]

    def gather(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        rows = begin[:, None] + (y - low[0][:, None]) * wide[:, None]
        index = rows[:, :, None] + (x - low[1][:, None])[:, None, :]
        return pixels.take(index).view(np.uint8).reshape(index.shape + (4,)).astype(np.float32)

    crop = _bilinear(gather, (y0, y1, fy), (x0, x1, fx))
    crop -= np.float32(127.5)
    crop /= np.float32(128)
    outside = ~(y_in[:, :, None] & x_in[:, None, :])
    if outside.any():
        crop[outside] = 0
    return np.ascontiguousarray(crop[..., :3].transpose(0, 3, 1, 2))


def _samples(
    low: np.ndarray, high: np.ndarray, side: int, size: int
) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return, per box and sample, the two adjacent pixels, the fraction between them, and whether it is inside the image."""
    # The reference divides by the side in float64 and passes float32 to TensorFlow.
    first = (low / side).astype(np.float32) * np.float32(side - 1)
    step = (
        ((high / side).astype(np.float32) - (low / side).astype(np.float32))
        * np.float32(side - 1)
        / np.float32(size - 1)
    )
    at = first[:, None] + np.arange(size, dtype=np.float32)[None, :] * step[:, None]
    inside = (at >= 0) & (at <= side - 1)
    floor = np.floor(at)
    before = np.clip(floor, 0, side - 1).astype(np.int64)
    after = np.clip(np.ceil(at), 0, side - 1).astype(np.int64)
    return before, after, at - floor, inside


def _gather(pixels: np.ndarray, index: np.ndarray) -> np.ndarray:
    return pixels.take(index.reshape(-1)).view(np.float32).reshape(index.shape + (4,))


def _bilinear(
    gather: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rows: Tuple[np.ndarray, np.ndarray, np.ndarray],
    columns: Tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return float32 (n, size, size, 4), interpolated between the pixels that `gather` returns for rows and columns."""
    (y0, y1, fy), (x0, x1, fx) = rows, columns
    fx = fx[:, None, :, None]
    above = _between(gather(y0, x0), gather(y0, x1), fx)
    below = _between(gather(y1, x0), gather(y1, x1), fx)
    return _between(above, below, fy[:, :, None, None])


def _between(a: np.ndarray, b: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    b -= a
    b *= fraction
    a += b
    return a
