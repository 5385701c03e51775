"""The rig's cameras: projection, visibility by a z-buffer of surfels, filling of the holes between them."""

from typing import Tuple

import cv2
import numpy as np

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
    seen = points @ view.T.astype(points.dtype)
    depth = DISTANCE - seen[:, 2]
    scale = PIXELS * DISTANCE / depth
    return np.stack([CENTRE[0] + seen[:, 0] * scale, CENTRE[1] - seen[:, 1] * scale], axis=1), depth


def visible(pixels: np.ndarray, depth: np.ndarray, facing: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return which surfel each pixel shows.

    Args:
        pixels: (n, 2) from :func:`project`.
        depth: (n,).
        facing: bool (n,), surfels turned towards the camera.

    Returns:
        int64 (HEIGHT, WIDTH), index of the surfel; bool (HEIGHT, WIDTH), whether there is one.
    """
    column = np.floor(pixels[:, 0]).astype(np.int64)
    row = np.floor(pixels[:, 1]).astype(np.int64)
    inside = facing & (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
    which = np.flatnonzero(inside)
    place = row[which] * WIDTH + column[which]
    # Depth in the upper bits, the surfel's index in the lower: the smallest number is the nearest surfel.
    key = ((depth[which] * 4096).astype(np.int64) << 24) | which
    empty = np.iinfo(np.int64).max
    nearest = np.full(HEIGHT * WIDTH, empty, np.int64)
    np.minimum.at(nearest, place, key)
    image = np.where(nearest == empty, -1, nearest & ((1 << 24) - 1)).reshape(HEIGHT, WIDTH)
    return _fill(image, depth)


def _fill(image: np.ndarray, depth: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Close pinholes: a pixel that is empty, or much deeper than its neighbours, takes the nearest neighbour's surfel."""
    far = np.float32(1e6)
    for _ in range(2):
        there = image >= 0
        z = np.where(there, depth[np.maximum(image, 0)], far).astype(np.float32)
        padded = np.pad(image, 1, mode="constant", constant_values=-1)
        padded_z = np.pad(z, 1, mode="constant", constant_values=far)
        offsets = [(0, 1), (2, 1), (1, 0), (1, 2)]
        depths = np.stack([padded_z[r : r + HEIGHT, c : c + WIDTH] for r, c in offsets])
        nearer = depths < z - 0.12
        # Between two nearer neighbours that face each other, a line one pixel wide is a gap between surfels too.
        hole = (nearer[0] & nearer[1]) | (nearer[2] & nearer[3])
        if not hole.any():
            break
        best = np.argmin(depths, axis=0)
        choices = np.stack([padded[r : r + HEIGHT, c : c + WIDTH] for r, c in offsets])
        image = np.where(hole, np.take_along_axis(choices, best[None], axis=0)[0], image)
    return image, image >= 0


def coverage(there: np.ndarray) -> np.ndarray:
    """Return how much of each pixel the person covers, from 0 to 1, with a soft edge."""
    return cv2.GaussianBlur(there.astype(np.float32), (0, 0), 0.9)
