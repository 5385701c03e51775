"""Templates as bytes: a quarter of the memory to read, to find the few that have to be compared exactly.

A large gallery is searched as fast as memory can be read. How far each template is from what its bytes stand for is known, so
that the Cauchy-Schwarz inequality bounds its cosine from both sides, and shows for sure which templates cannot be among the
best. What is left is compared exactly: the result is that of comparing all.

The bound: a template is ``x = mean + scale * codes + e``, a probe ``q = probe scale * probe codes + f``. Then ``x q - mean q``
(the mean's part is the same for all) is ``scale * probe scale * (codes * probe codes)`` but for ``|scale * codes| |f| + |e|
|q|``. The product of the codes is a whole number. For those that this leaves, the product of the codes with the probe itself is
computed, which leaves ``|e| |q|``.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, List, NamedTuple, Optional, Tuple

import numpy as np

from kface.native import kernels
from kface.native.kernels import CODES_STEP, MAX_CODES, MAX_NEAR, NearRows
from kface.workers import cores

#: Numbers in a matrix from which on bytes are tried: below, all of it is read in a fraction of a millisecond.
LEAST = 1 << 22
#: Rows that are turned into bytes at once.
BLOCK = 1024
#: Numbers that are worth a thread of their own, and the most threads.
EACH_THREAD, MOST_THREADS = 1 << 23, 8
#: What single precision may lose in a search, as a part of the lengths of template, mean and probe. A search rounds seven
#: times, by 2^-24 each; what is rounded is at most four times these lengths' product: 1.7e-6.
SLACK = 4e-6
#: What single precision may lose when a length is stored.
ROUND_UP = 1 + 1e-6
#: Lengths of templates that may be turned into bytes: far from what single precision cannot hold.
LENGTHS = (1e-3, 1e3)
#: Probes that one pass over the bytes takes, to measure with.
BATCH = 8
ANY_NUMBER = 1 << 30


class Coarse(NamedTuple):
    """Templates as bytes; 128 stands for the mean.

    Attributes:
        codes: uint8 (t, c), c the next multiple of 64 from d on; what is beyond d is 128.
        bounds: float32 (3, t): each template's step, the length of what its bytes stand for, and how far it is from that.
        mean: float32 (d,), about that of the templates.
        probes: Up to how many probes at once this is faster here than comparing with all; may be 0.
    """

    codes: np.ndarray
    bounds: np.ndarray
    mean: np.ndarray
    probes: int

    def near(self, probes: np.ndarray, owners: np.ndarray, k: int) -> List[Optional[np.ndarray]]:
        """Return the rows among which the best templates of the k people most like each probe are for sure.

        Args:
            probes: float32 (n, d), of any length but 0.
            owners: int32 (t,), whose each row is, ascending.
            k: How many people, 1 to :data:`kface.native.kernels.MAX_NEAR`.

        Returns:
            For each probe intp (m,), ascending; None where nearly all are near.
        """
        codes, probe_bounds = _encode_probes(probes, self.codes.shape[1])
        threads = max(1, min(cores(), MOST_THREADS, self.codes.size // EACH_THREAD))
        edges = [len(self.codes) * part // threads for part in range(threads + 1)]

        def part(number: int) -> List[Optional[NearRows]]:
            rows = slice(edges[number], edges[number + 1])
            return kernels().near_rows(self.codes[rows], self.bounds[:, rows], owners[rows], codes, probe_bounds, k)

        if threads == 1:
            parts = [part(0)]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(part, range(threads)))
        found: List[Optional[np.ndarray]] = []
        for number, probe in enumerate(probes):
            pieces = [each[number] for each in parts]
            known = [piece for piece in pieces if piece is not None]
            if len(known) < len(pieces):
                found.append(None)
                continue
            rows = np.concatenate([piece.rows + edge for piece, edge in zip(known, edges)]).astype(np.intp)
            lower = np.concatenate([piece.lower for piece in known])
            upper = np.concatenate([piece.upper for piece in known])
            rows = rows[upper >= _kth(lower, owners[rows], k)]
            found.append(self._nearer(rows, probe.astype(np.float64), owners, k))
        return found

    def _nearer(self, rows: np.ndarray, probe: np.ndarray, owners: np.ndarray, k: int) -> np.ndarray:
        """Return those of the rows that are still possible when the probe itself is compared with their bytes."""
        middle = np.empty((len(rows),))
        for block in _blocks(len(rows)):
            codes = self.codes[rows[block], : len(probe)].astype(np.float64) - 128
            middle[block] = np.dot(codes, probe) * self.bounds[0, rows[block]]
        off = self.bounds[2, rows] * (np.sqrt(np.dot(probe, probe)) * ROUND_UP)
        return rows[middle + off >= _kth(middle - off, owners[rows], k)]


def coarse(matrix: np.ndarray, old: Optional[Coarse] = None, places: Optional[np.ndarray] = None) -> Optional[Coarse]:
    """Return templates as bytes, or None where all of them are compared in no time, or bytes cannot stand for them.

    Args:
        matrix: float32 (t, d).
        old: Of an earlier state; what it has need not be computed again.
        places: intp (t,), the row that each template had in that; -1 for those that are new.
    """
    if matrix.size < LEAST or matrix.shape[1] > MAX_CODES:
        return None
    known = 0 if places is None else np.count_nonzero(places >= 0)
    # A mean that is no longer the templates' costs time only.
    if old is not None and places is not None and len(old.mean) == matrix.shape[1] and 2 * known >= len(matrix):
        return _fill(matrix, old, places)
    mean = matrix.mean(axis=0)
    none = np.zeros((0, _width(matrix.shape[1])), np.uint8)
    made = _fill(matrix, Coarse(none, np.zeros((3, 0), np.float32), mean, 0), np.full((len(matrix),), -1, np.intp))
    return None if made is None else _tried(made, matrix)


def _width(size: int) -> int:
    return (size + CODES_STEP - 1) // CODES_STEP * CODES_STEP


def _fill(matrix: np.ndarray, old: Coarse, places: np.ndarray) -> Optional[Coarse]:
    codes = np.empty((len(matrix), _width(matrix.shape[1])), np.uint8)
    bounds = np.empty((3, len(matrix)), np.float32)
    kept = places >= 0
    codes[kept], bounds[:, kept] = old.codes[places[kept]], old.bounds[:, places[kept]]
    new = np.flatnonzero(~kept)
    for block in _blocks(len(new)):
        rows = new[block]
        encoded = encode(matrix[rows], old.mean)
        if encoded is None:
            return None
        codes[rows], bounds[:, rows] = encoded
    return old._replace(codes=codes, bounds=bounds)


def encode(vectors: np.ndarray, mean: np.ndarray) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """Return vectors (n, d) as bytes (n, c) and their bounds (3, n); None where a length is not that of a template."""
    exact = vectors.astype(np.float64)
    lengths = _lengths(exact)
    if not ((lengths >= LENGTHS[0]) & (lengths <= LENGTHS[1])).all():
        return None
    middle = mean.astype(np.float64)
    exact -= middle
    scales = (np.abs(exact).max(axis=1) / 127).astype(np.float32)
    steps = np.clip(np.rint(exact / np.where(scales > 0, scales, 1)[:, None]), -127, 127)
    codes = np.full((len(vectors), _width(vectors.shape[1])), 128, np.uint8)
    codes[:, : vectors.shape[1]] = steps + 128
    steps *= scales[:, None]
    norms = _lengths(steps)
    exact -= steps
    errors = _lengths(exact) + SLACK * (lengths + np.sqrt(np.dot(middle, middle)))
    return codes, np.stack([scales, norms * ROUND_UP, errors * ROUND_UP]).astype(np.float32)


def _encode_probes(probes: np.ndarray, width: int) -> Tuple[np.ndarray, np.ndarray]:
    """Return probes as signed bytes int8 (n, c), and float32 (3, n): their steps, errors and lengths."""
    exact = probes.astype(np.float64)
    scales = np.maximum(np.abs(exact).max(axis=1) / 127, np.finfo(np.float32).tiny).astype(np.float32)
    steps = np.clip(np.rint(exact / scales[:, None]), -127, 127)
    codes = np.zeros((len(probes), width), np.int8)
    codes[:, : probes.shape[1]] = steps
    errors = _lengths(exact - steps * scales[:, None])
    return codes, np.stack([scales, errors * ROUND_UP, _lengths(exact) * ROUND_UP]).astype(np.float32)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def _kth(lower: np.ndarray, owners: np.ndarray, k: int) -> float:
    """Return the k-th largest of the owners' largest lower bounds; -inf where there are fewer owners."""
    if not len(owners):
        return -np.inf
    best = np.maximum.reduceat(lower, np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]])))
    return float(np.partition(best, len(best) - k)[len(best) - k]) if k <= len(best) else -np.inf


def _tried(made: Coarse, matrix: np.ndarray) -> Coarse:
    """Return it with the number of probes up to which it is faster here: not every machine is quick with bytes."""
    owners = np.arange(len(matrix), dtype=np.int32)

    def gain(probes: np.ndarray) -> float:
        by_bytes = _seconds(lambda: made.near(probes, owners, 1))
        return _seconds(lambda: np.dot(probes, matrix.T)) / by_bytes

    if gain(matrix[:BATCH]) > 1:
        return made._replace(probes=ANY_NUMBER)
    return made._replace(probes=int(gain(matrix[:1])))


def _blocks(count: int) -> List[slice]:
    return [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]


def _seconds(call: Callable[[], object], times: int = 3) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return max(min(found), 1e-9)


def takes(coarse: Optional[Coarse], probes: int, k: int, people: int) -> bool:
    """Return whether to search a matrix by its bytes for the k of so many people that are most like so many probes."""
    return coarse is not None and probes <= coarse.probes and k < people and k <= MAX_NEAR
