"""The rig's cameras: projection, visibility by a z-buffer of surfels, filling of the holes between them."""

from typing import Tuple

import cv2
import numpy as np

from kface.data.sample.surfels import product

#: Pictures are rendered at half of K-Face's high resolution and enlarged.
WIDTH, HEIGHT = 432, 288
#: Distance of the cameras in units of 10 cm, and pixels a unit at the distance of the head.
DISTANCE = 12.0
PIXELS = 68.0
#: Where the head's origin, the middle between the eyes, lies in the picture.
CENTRE = (WIDTH / 2.0, 126.0)


def rotation(yaw: float, pitch: float, roll: float = 0.0) -> np.ndarray:
    """Return the matrix that turns by yaw about y, then by pitch about x, then by roll about z; radians."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def view_matrix(yaw: float, pitch: float) -> np.ndarray:
    """Return the matrix from the rig's frame to a camera's at yaw and pitch in degrees.

    A camera to the right (positive yaw, K-Face's count) sees the person's left side; a camera above (positive pitch)
    sees the crown.
    """
    return rotation(-np.radians(yaw), np.radians(pitch))


def project(points: np.ndarray, view: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Project points of the rig's frame.

    Args:
        points: (n, 3).
        view: From :func:`view_matrix`.

    Returns:
        float32 (n, 2), x y in pixels of the half-size picture; float32 (n,), distance from the camera.
    """
    # Coordinate by coordinate: each in one piece of memory.
    across, up, towards = product(view.astype(points.dtype), points.T)
    depth = DISTANCE - towards
    scale = PIXELS * DISTANCE / depth
    return np.stack([CENTRE[0] + across * scale, CENTRE[1] - up * scale]).T, depth


def visible(pixels: np.ndarray, depth: np.ndarray, facing: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return which surfel each pixel shows.

    Args:
        pixels: (n, 2) from :func:`project`.
        depth: (n,).
        facing: bool (n,), surfels turned towards the camera.

    Returns:
        int64 (HEIGHT, WIDTH), index of the surfel; bool (HEIGHT, WIDTH), whether there is one.
    """
    column, row = np.floor(pixels.T)
    which = np.flatnonzero(facing & (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT))
    # Exact in single precision too: a picture has fewer pixels than that has whole numbers.
    place = (row.take(which) * WIDTH + column.take(which)).astype(np.int64)
    # Depth in the upper bits, the surfel's index in the lower: the smallest number is the nearest surfel.
    key = ((depth.take(which) * 4096).astype(np.int64) << 24) | which
    empty = np.iinfo(np.int64).max
    nearest = np.full(HEIGHT * WIDTH, empty, np.int64)
    np.minimum.at(nearest, place, key)
    image = np.where(nearest == empty, -1, nearest & ((1 << 24) - 1)).reshape(HEIGHT, WIDTH)
    return _fill(image, depth)


def _fill(image: np.ndarray, depth: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Close pinholes: a pixel that is empty, or much deeper than its neighbours, takes the nearest neighbour's surfel."""
    far, wide = np.float32(1e6), WIDTH + 2
    # A border one pixel wide, so that every pixel has neighbours.
    padded = np.full((HEIGHT + 2, wide), -1, np.int64)
    padded[1:-1, 1:-1] = image
    z = np.full(padded.shape, far, np.float32)
    there = np.flatnonzero(padded >= 0)
    z.flat[there] = depth.take(padded.flat[there])
    neighbours = np.array([-wide, wide, -1, 1])[:, None]
    for _ in range(2):
        # Between two nearer neighbours that face each other, a line one pixel wide is a gap between surfels too.
        near = z[1:-1, 1:-1] - 0.12
        gap = (np.maximum(z[:-2, 1:-1], z[2:, 1:-1]) < near) | (np.maximum(z[1:-1, :-2], z[1:-1, 2:]) < near)
        row, column = np.nonzero(gap)
        if not len(row):
            break
        hole = (row + 1) * wide + column + 1
        around = hole + neighbours
        best = around[np.argmin(z.take(around), axis=0), np.arange(len(hole))]
        # All holes at once: a hole takes what its neighbour showed before.
        padded.flat[hole], z.flat[hole] = padded.take(best), z.take(best)
    image = padded[1:-1, 1:-1]
    return image, image >= 0


def coverage(there: np.ndarray) -> np.ndarray:
    """Return how much of each pixel the person covers, from 0 to 1, with a soft edge."""
    return cv2.GaussianBlur(there.astype(np.float32), (0, 0), 0.9)
