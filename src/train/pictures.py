"""Pictures of what a training sees: grids of faces, with the points of the alignment, and sprites."""

from collections.abc import Sequence

import cv2
import numpy as np

from kface.alignment import SIZE, TEMPLATE

#: Colour of the points, and of values that are not finite.
MARK = (0, 255, 0)
NOT_FINITE = (255, 0, 255)


def pixels(normalised: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h, w, 3), RGB, of float32 images that :func:`train.pipeline.normalise` made.

    Pixels that are not finite are magenta.
    """
    finite = np.isfinite(normalised).all(axis=-1)
    values = np.nan_to_num(normalised.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0) * 128.0 + 127.5
    images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    images[~finite] = NOT_FINITE
    return images


def crossed(images: np.ndarray) -> np.ndarray:
    """Return a copy of aligned faces, uint8 (n, h, w, 3), with a cross where the alignment puts each of the five landmarks."""
    marked = np.ascontiguousarray(images).copy()
    scale = marked.shape[1] / SIZE
    for image in marked:
        for x, y in TEMPLATE * scale:
            point = (round(float(x)), round(float(y)))
            cv2.drawMarker(image, point, MARK, cv2.MARKER_CROSS, max(3, round(9 * scale)), 1)
    return marked


def grid(images: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """Return one picture, uint8 (h, w, 3), of images of one size, uint8 (n, h, w, 3), row by row."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    made = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 32, np.uint8)
    for number, image in enumerate(images):
        y, x = number // columns * (height + gap), number % columns * (width + gap)
        made[y : y + height, x : x + width] = image
    return made


def pairs(before: np.ndarray, after: np.ndarray, columns: int = 8) -> np.ndarray:
    """Return one picture of images, each with what became of it below it; both uint8 (n, h, w, 3)."""
    both = np.concatenate([before, after], axis=1)
    return grid(both, min(columns, len(both)), gap=4)


def crossed_means(images: np.ndarray, labels: np.ndarray, identities: Sequence[int], columns: int = 8) -> np.ndarray:
    """Return one picture of mean faces with crosses: of all images, then of identities; sharp where the alignment is right.

    Args:
        images: uint8 (n, h, w, 3), aligned.
        labels: Integers (n,).
        identities: Labels that have a mean face of their own.
        columns: Of the grid.
    """
    chosen = [images.mean(axis=0)]
    chosen += [images[labels == label].mean(axis=0) for label in identities if (labels == label).any()]
    return grid(crossed(np.rint(np.stack(chosen)).astype(np.uint8)), min(columns, len(chosen)))


def sprite(images: np.ndarray, side: int) -> np.ndarray:
    """Return the sprite image of the embedding projector: a square grid, row by row, of small images without gaps.

    Args:
        images: uint8 (n, h, w, 3).
        side: Of a small image.
    """
    columns = int(np.ceil(np.sqrt(len(images))))
    small = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])
    made = grid(small, columns, gap=0)
    # The projector takes the number of columns from the width, and expects as many rows.
    square = np.zeros((columns * side, columns * side, 3), np.uint8)
    square[: made.shape[0]] = made
    return square
