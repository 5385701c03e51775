"""Templates as bytes: a quarter of the memory to read, to find the few that have to be compared exactly.

A large gallery is searched as fast as memory can be read. Distances of bytes are whole numbers and therefore exact, and how
far a template is from its bytes is known, so that the triangle inequality shows for sure which templates cannot be among the
best. What is left is compared exactly: the result is that of comparing all.
"""

import time
from typing import Callable, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

#: Numbers in a matrix from which on bytes are tried: below, all of it is read in a fraction of a millisecond.
LEAST = 1 << 22
#: Rows that are turned into bytes at once.
BLOCK = 4096
#: An error so many times what rounding to the scale makes on the average asks for another scale.
LOOSE = 3.0
#: What float32 may have lost when errors were measured.
SLACK = 1e-5


class Coarse(NamedTuple):
    """Templates as bytes; 128 stands for the mean.

    Attributes:
        codes: uint8 (t, d).
        mean: float32 (d,), of the templates.
        scale: Steps per unit.
        error: The largest distance between a template and what its bytes stand for.
        lengths: The least and the largest squared length of a template.
        probes: Up to how many probes at once this is faster here than comparing with all; may be 0.
    """

    codes: np.ndarray
    mean: np.ndarray
    scale: float
    error: float
    lengths: Tuple[float, float]
    probes: int

    def near(self, probe: np.ndarray, starts: np.ndarray, k: int) -> np.ndarray:
        """Return the rows among which the best templates of the k people most like a probe are for sure.

        Args:
            probe: float32 (d,).
            starts: intp (p,), each person's first row; at least k people.
            k: How many people.

        Returns:
            intp (n,), ascending.
        """
        code, error = _encode(probe[None], self.mean, self.scale)
        squares = distances(self.codes, code)
        if k == 1:
            kth = squares.min()
        else:
            kth = np.partition(np.minimum.reduceat(squares, starts), k - 1)[k - 1]
        off = float(error[0]) + self.error + SLACK
        # These k are no further away than this; who is more alike than one of them is, but for the lengths, no further.
        furthest = np.sqrt(float(kth)) / self.scale + off
        reach = np.sqrt(furthest**2 + self.lengths[1] - self.lengths[0]) + off
        return np.flatnonzero(squares <= (reach * self.scale) ** 2)


def coarse(matrix: np.ndarray, old: Optional[Coarse] = None, places: Optional[np.ndarray] = None) -> Optional[Coarse]:
    """Return templates as bytes, or None where all of them are compared in no time.

    Args:
        matrix: float32 (t, d).
        old: Of an earlier state; what it has need not be computed again.
        places: intp (t,), the row that each template had in that; -1 for those that are new.
    """
    if matrix.size < LEAST:
        return None
    if old is not None and places is not None and old.codes.shape[1] == matrix.shape[1]:
        made = _fill(matrix, old, places)
        # Newcomers may be beyond the scale that the others needed.
        if made.error < LOOSE * np.sqrt(matrix.shape[1] / 12.0) / made.scale:
            return made
    mean = matrix.mean(axis=0)
    largest = max(float(np.abs(matrix[block] - mean).max()) for block in _blocks(matrix))
    blank = Coarse(matrix[:0].astype(np.uint8), mean, 127 / max(largest, 1e-6), 0.0, (np.inf, -np.inf), 0)
    made = _fill(matrix, blank, np.full((len(matrix),), -1, np.intp))
    return _tried(made, matrix)


def _fill(matrix: np.ndarray, old: Coarse, places: np.ndarray) -> Coarse:
    codes = np.empty(matrix.shape, np.uint8)
    kept = places >= 0
    codes[kept] = old.codes[places[kept]]
    new = np.flatnonzero(~kept)
    error, (shortest, longest) = old.error, old.lengths
    for block in _blocks(new):
        vectors = matrix[new[block]]
        codes[new[block]], errors = _encode(vectors, old.mean, old.scale)
        lengths = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        error = max(error, float(errors.max()))
        shortest, longest = min(shortest, float(lengths.min())), max(longest, float(lengths.max()))
    return old._replace(codes=codes, error=error, lengths=(shortest, longest))


def _tried(made: Coarse, matrix: np.ndarray) -> Coarse:
    """Return it with the number of probes up to which it is faster here: not every OpenCV is quick with bytes."""
    first, starts = matrix[0], np.arange(len(matrix))
    by_bytes = _seconds(lambda: made.near(first, starts, 1))
    by_all = _seconds(lambda: np.dot(first[None], matrix.T))
    return made._replace(probes=int(by_all / by_bytes))


def _blocks(rows: np.ndarray) -> List[slice]:
    return [slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK)]


def distances(codes: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Return the squared distances of bytes (t, d) from others (1, d), int32 (t,); without any rounding."""
    # OpenCV's Python door wants the number of nearest ones: of one probe, to each template.
    found, _ = cv2.batchDistance(codes, code, cv2.CV_32S, normType=cv2.NORM_L2SQR, K=1)
    return found[:, 0]


def _encode(vectors: np.ndarray, mean: np.ndarray, scale: float) -> Tuple[np.ndarray, np.ndarray]:
    """Return vectors (n, d) as bytes, and how far each is from what its bytes stand for."""
    moved = (vectors - mean) * np.float32(scale)
    steps = np.clip(np.rint(moved), -127, 127)
    moved -= steps
    return (steps + 128).astype(np.uint8), np.sqrt(np.einsum("ij,ij->i", moved, moved)) / scale


def _seconds(call: Callable[[], object], times: int = 3) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return max(min(found), 1e-9)
