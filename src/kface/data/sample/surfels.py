"""Surfels: dense points with normals and colours, from which every scene is built."""

from typing import List, NamedTuple, Tuple

import numpy as np


class Surfels(NamedTuple):
    """Points of surfaces.

    The person's frame: x to the right as a frontal camera sees it (the person's left), y up, z towards that camera; unit 10 cm.

    The arrays of three columns lie in memory column by column where :func:`surfels` made them.

    Attributes:
        points: float32 (n, 3).
        normals: float32 (n, 3), of length one, outwards.
        albedo: float32 (n, 3), linear RGB from 0 to 1.
        gloss: float32 (n,), strength of the highlight.
    """

    points: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of surfels."""
        return len(self.points)


def join(parts: List[Surfels]) -> Surfels:
    """Return all surfels of several parts."""
    return Surfels(*[np.concatenate(values) for values in zip(*parts)])


def grid(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return a grid of points, (rows, columns, 3), from their coordinates, which broadcast against one another.

    Each coordinate lies in one piece of memory, as do the colours of :func:`tinted`: NumPy is several times as fast on those.
    """
    return np.moveaxis(np.stack(np.broadcast_arrays(x, y, z)), 0, 2)


def tinted(colour: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """Return a colour (3,) in several shades (rows, columns): (rows, columns, 3)."""
    return np.moveaxis(np.multiply.outer(colour, shade), 0, 2)


#: Columns that a matrix and a vector are multiplied with at once: BLAS leaves so few to one thread. More threads wait for one
#: another longer than they compute, at the cost of other processes.
_COLUMNS = {2: 1 << 14, 1: 1 << 11}


def product(factor: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the product of a matrix (3, 3) or a vector (3,) with many columns (3, n), computed in this thread alone."""
    found = np.empty(factor.shape[:-1] + values.shape[1:], np.result_type(factor, values))
    columns = _COLUMNS[factor.ndim]
    for start in range(0, values.shape[1], columns):
        part = slice(start, start + columns)
        found[..., part] = factor @ values[:, part]
    return found


def grid_normals(points: np.ndarray) -> np.ndarray:
    """Return the normals of a grid of points.

    Args:
        points: (rows, columns, 3); rows go down and columns to the right as seen from outside.

    Returns:
        (rows, columns, 3), of length one.
    """
    planes = np.moveaxis(points, 2, 0)
    down, right = np.empty(planes.shape), np.empty(planes.shape)
    for values, slopes in ((planes, down), (planes.swapaxes(1, 2), right.swapaxes(1, 2))):
        inner = slopes[:, 1:-1]
        np.subtract(values[:, 2:], values[:, :-2], out=inner)
        inner /= 2
        slopes[:, 0] = values[:, 1] - values[:, 0]
        slopes[:, -1] = values[:, -1] - values[:, -2]
    normals, scratch = np.empty(planes.shape), np.empty(planes.shape[1:])
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        np.multiply(down[one], right[other], out=normals[axis])
        normals[axis] -= np.multiply(down[other], right[one], out=scratch)
    length = normals[0] ** 2
    for axis in (1, 2):
        length += np.square(normals[axis], out=scratch)
    normals /= np.maximum(np.sqrt(length, out=length), 1e-9, out=length)
    return np.moveaxis(normals, 0, 2)


def surfels(points: np.ndarray, normals: np.ndarray, albedo: np.ndarray, gloss: float, keep: np.ndarray) -> Surfels:
    """Make surfels of those points of a grid that are kept; the colour is shared or per point."""
    kept = slice(None) if keep.all() else np.flatnonzero(keep)
    count = keep.size if isinstance(kept, slice) else len(kept)

    def chosen(values: np.ndarray) -> np.ndarray:
        found = np.empty((3, count), np.float32)
        for axis in range(3):
            found[axis] = values[..., axis].reshape(-1)[kept] if values.ndim > 1 else values[axis]
        return found.T

    return Surfels(chosen(points), chosen(normals), chosen(albedo), np.full(count, gloss, np.float32))


def tube(path: np.ndarray, radius: float, albedo: np.ndarray, gloss: float, spacing: float = 0.011) -> Surfels:
    """Make a tube around a polyline.

    Args:
        path: (k, 3).
        radius: Of the tube.
        albedo: (3,).
        gloss: Strength of the highlight.
        spacing: Of the surfels.
    """
    steps = np.sqrt(np.sum(np.diff(path, axis=0) ** 2, axis=1))
    along = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / spacing)))
    centres = np.stack([np.interp(at, along, path[:, axis]) for axis in range(3)], axis=1)
    direction = np.gradient(centres, axis=0)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(direction[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(direction, helper)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    second = np.cross(direction, first)
    angles = np.linspace(0, 2 * np.pi, max(6, int(2 * np.pi * radius / spacing)), endpoint=False)
    normals = first[:, None] * np.cos(angles)[None, :, None] + second[:, None] * np.sin(angles)[None, :, None]
    points = centres[:, None] + radius * normals
    keep = np.ones(points.shape[:2], bool)
    return surfels(points, normals, np.asarray(albedo), gloss, keep)


def bump(x: np.ndarray, y: np.ndarray, centre: Tuple[float, float], size: Tuple[float, float]) -> np.ndarray:
    """Return a Gaussian of height one."""
    return np.exp(-(((x - centre[0]) / size[0]) ** 2) - ((y - centre[1]) / size[1]) ** 2)


#: A Gaussian is nothing to a double precision number beside it beyond this many times its size: e to the power of -49.
NOTHING = 7.0


class Bands(object):
    """Finds the rows of a grid that lie at some height: a feature of the face changes few of them.

    Args:
        y: (rows, columns), the points' heights.
    """

    def __init__(self, y: np.ndarray) -> None:
        self._low, self._high = y.min(axis=1), y.max(axis=1)

    def between(self, low: float, high: float) -> slice:
        """Return a slice that holds every row with a point from `low` to `high`."""
        found = np.flatnonzero((self._high >= low) & (self._low <= high))
        return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)

    def near(self, height: float, reach: float) -> slice:
        """Return a slice that holds every row with a point within `reach` of a height."""
        return self.between(height - reach, height + reach)


def around(front: int, back: int) -> np.ndarray:
    """Return angles around the full circle: `front` on the front half, `back` on the back half."""
    half = back // 2
    return np.concatenate(
        [
            np.linspace(-np.pi, -np.pi / 2, half, endpoint=False),
            np.linspace(-np.pi / 2, np.pi / 2, front),
            np.linspace(np.pi / 2, np.pi, half + 1)[1:],
        ]
    )
