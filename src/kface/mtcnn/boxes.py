"""Boxes: P-Net's proposals, regression, squares, and the reference's non-maximum suppression.

Boxes are float64 (n, 4), x1 y1 x2 y2 in pixels.
"""

from typing import List, Sequence, Tuple

import numpy as np

from kface.mtcnn.pyramid import CELL, STRIDE
from kface.mtcnn.windows import Windows

#: A box with a larger intersection over union (IoU) with a face shows the same face.
SAME = 0.3
#: A box of which a larger part lies within a face shows a part of that face.
WITHIN = 0.6


def probability(logits: np.ndarray) -> np.ndarray:
    """Return the face probability with the rounding of the reference's softmax, float32 of the same shape."""
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-logits.astype(np.float32)))).astype(np.float32)


def descending(scores: np.ndarray) -> np.ndarray:
    """Return the order from the best score to the worst.

    Many of P-Net's scores are equal (they round to 1). This is the reference's own call, so that ties come in its order.
    """
    return np.argsort(scores.astype(np.float64))[::-1]


def least_logit(threshold: float) -> float:
    """Return a logit a little below the threshold's, so that the rounded probability decides."""
    return float(np.log(max(threshold, 1e-6) / (1 - threshold)) - 1e-3)


def proposals(
    windows: Sequence[Windows], threshold: float, scales: Sequence[float]
) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Read P-Net's windows on some levels.

    Args:
        windows: Of each level, those with a logit above :func:`least_logit`.
        threshold: Windows with a higher score are proposed.
        scales: The levels' scales.

    Returns:
        Of each level the regressed boxes in the image's pixels, and their scores, best first.
    """
    if not len(windows):
        return []
    # All levels at once: most have a window or two.
    rows, columns, logits, offsets = (np.concatenate(parts) for parts in zip(*windows))
    owners = np.repeat(np.arange(len(windows)), [len(level.logits) for level in windows])
    scores = probability(logits)
    keep = np.flatnonzero(scores > threshold)
    scores, owners = scores[keep], owners[keep]
    shift = offsets[keep].astype(np.float64) * (CELL - 1)
    corner = np.stack([columns[keep], rows[keep]], axis=1) * STRIDE + 1.0
    boxes = np.concatenate([corner, corner + (CELL - 1)], axis=1) + shift
    boxes /= np.asarray(scales, np.float64)[owners][:, None]
    ends = np.searchsorted(owners, np.arange(len(windows) + 1))
    found = []
    for begin, end in zip(ends[:-1], ends[1:]):
        order = begin + descending(scores[begin:end])
        found.append((boxes[order], scores[order]))
    return found


def regress(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move the boxes' corners by offsets in units of their sides, to which the reference adds one pixel."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.concatenate([sides, sides], axis=1)


def square(boxes: np.ndarray) -> np.ndarray:
    """Return squares around the same centres with the longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return np.concatenate([corner, corner + longest], axis=1)


def overlaps(first: np.ndarray, second: np.ndarray, by: str = "union") -> np.ndarray:
    """Return the overlap of boxes (n, 4) with boxes (m, 4), float64 (n, m), from 0 to 1.

    Args:
        first: The boxes.
        second: The others.
        by: The divisor of the shared area: "union" (intersection over union, IoU), "smaller" (the smaller box of the
            two), or "first".

    Returns:
        0 where two boxes share nothing, or one has no area.
    """
    first, second = np.asarray(first, np.float64).reshape(-1, 4), np.asarray(second, np.float64).reshape(-1, 4)
    width = np.minimum(first[:, None, 2], second[None, :, 2]) - np.maximum(first[:, None, 0], second[None, :, 0])
    height = np.minimum(first[:, None, 3], second[None, :, 3]) - np.maximum(first[:, None, 1], second[None, :, 1])
    shared = np.maximum(width, 0)
    shared *= np.maximum(height, 0)
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (first, second)]
    if by == "union":
        area = areas[0][:, None] + areas[1][None, :] - shared
    elif by == "smaller":
        area = np.minimum(areas[0][:, None], areas[1][None, :])
    else:
        area = areas[0][:, None]
    # A shared area is positive only where both areas are.
    return shared / np.maximum(area, np.finfo(np.float64).tiny)


def suppress(boxes: np.ndarray, threshold: float, smaller: bool = False, block: int = 256) -> np.ndarray:
    """Find the boxes that no better box overlaps.

    The reference's rule in one pass, not the usual greedy one: a box is dropped for any better box that overlaps it, even for
    one that is dropped itself. So every block of boxes is compared with all remaining boxes after it. As most are dropped
    early, these are far fewer than all pairs, and at most ``block`` rows are in memory at once.

    Args:
        boxes: Best score first.
        threshold: Overlap above which the worse box is dropped.
        smaller: Measure the overlap by the smaller box's area instead of the union's.
        block: Number of boxes to compare at once.

    Returns:
        int64, indices of the remaining boxes, ascending.
    """
    count = len(boxes)
    by = "smaller" if smaller else "union"
    left = np.arange(count)
    start = 0
    while start < count:
        stop = min(start + block, count)
        first = int(np.searchsorted(left, start, side="right"))
        rest = left[first:]
        if not len(rest):
            break
        overlap = overlaps(boxes[start:stop], boxes[rest], by)
        # Only for a better box: row i stands for box start + i.
        drops = (overlap > threshold) & (np.arange(start, stop)[:, None] < rest[None, :])
        left = np.concatenate([left[:first], rest[~drops.any(axis=0)]])
        start = stop
    return left


def covered(boxes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return, as bool (n,), which boxes (n, 4) are about the same as one of (m, 4), or lie mostly within it."""
    boxes, known = np.asarray(boxes, np.float64), np.asarray(known, np.float64)
    if not len(boxes) or not len(known):
        return np.zeros((len(boxes),), bool)
    return np.any((overlaps(boxes, known) > SAME) | (overlaps(boxes, known, "first") > WITHIN), axis=1)
