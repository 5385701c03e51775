"""Which face belongs to which track: overlap decides where it is clear, likeness where it is not."""

from typing import List, Tuple

import numpy as np

Pair = Tuple[int, int]


def clear_pairs(iou: np.ndarray, least: float) -> List[Pair]:
    """Return the rows and columns that overlap by at least `least` each other and nothing else."""
    touching = iou >= least
    alone = touching & (touching.sum(axis=1) == 1)[:, None] & (touching.sum(axis=0) == 1)[None, :]
    return [(int(row), int(column)) for row, column in zip(*np.nonzero(alone))]


def best_pairs(scores: np.ndarray, allowed: np.ndarray) -> List[Pair]:
    """Pair rows and columns, the best score first, each at most once.

    Args:
        scores: (n, m).
        allowed: bool (n, m), what may be paired at all.
    """
    rows, columns = np.nonzero(allowed)
    order = np.argsort(-scores[rows, columns], kind="mergesort")
    pairs: List[Pair] = []
    for row, column in zip(rows[order], columns[order]):
        if all(row != pair[0] and column != pair[1] for pair in pairs):
            pairs.append((int(row), int(column)))
    return pairs
