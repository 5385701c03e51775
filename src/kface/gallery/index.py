"""Exact search: what single precision or bytes show to be too far away is left out, the rest is compared in double precision.

The result is that of comparing all templates in double precision, each row's products added up in the same order: equal
templates have equal scores wherever they stand, and among equals the first one in the gallery's order wins.
"""

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface.bundle.thresholds import Thresholds
from kface.gallery.coarse import Coarse, takes
from kface.gallery.values import Match

#: Scores that are held at once, 64 MiB of them: many probes against many templates go in several products.
SCORES_AT_ONCE = 1 << 24
#: Rows that are compared in double precision at once, 4 MiB of 512 numbers.
ROWS_AT_ONCE = 1 << 10


class Index(NamedTuple):
    """A state of the gallery; it does not change, so that threads may share it.

    Attributes:
        matrix: float32 (t, d), unit vectors, a person's templates one after the other; or what gives rows like one
            (:class:`kface.gallery.search_file.SealedMatrix`).
        entries: Template number, person and nonce of each row.
        starts: intp (p,), each person's first row.
        owners: int32 (t,), the place in `people` of each row's person.
        people: The person of each start.
        names: By the person's ID.
        longest: No template is longer than this.
        coarse: The templates as bytes, where there are many.
    """

    matrix: Any
    entries: Sequence[Tuple[int, str, bytes]]
    starts: np.ndarray
    owners: np.ndarray
    people: Sequence[str]
    names: Mapping[str, str]
    longest: float
    coarse: Optional[Coarse] = None

    def rows(self) -> Mapping[Tuple[int, str, bytes], int]:
        """Return the row of each entry; a template that was sealed again has another nonce."""
        return {entry: row for row, entry in enumerate(self.entries)}

    def complete(self) -> "Index":
        """Return it with everything in memory.

        Raises:
            ForgedError: What it is read from was changed.
        """
        if isinstance(self.matrix, np.ndarray):
            return self
        people, names, entries = list(self.people), dict(self.names), list(self.entries)
        return self._replace(matrix=self.matrix[:], entries=entries, people=people, names=names)


def build(
    matrix: np.ndarray,
    entries: List[Tuple[int, str, bytes]],
    names: Mapping[str, str],
    coarse: Optional[Coarse] = None,
) -> Index:
    """Return an index; the entries are in the order of people."""
    first = [row for row, entry in enumerate(entries) if row == 0 or entries[row - 1][1] != entry[1]]
    starts, people = np.array(first, np.intp), [entries[row][1] for row in first]
    squares = np.einsum("ij,ij->i", matrix, matrix)
    # What single precision may have lost is less than that.
    longest = 1.01 * float(np.sqrt(squares.max())) if len(squares) else 0.0
    return Index(matrix, entries, starts, owners_of(starts, len(entries)), people, names, longest, coarse)


def owners_of(starts: np.ndarray, rows: int) -> np.ndarray:
    """Return whose each row is, int32 (t,), of each one's first row."""
    counts = np.diff(np.append(starts, rows))
    return np.repeat(np.arange(len(starts), dtype=np.int32), counts)


def search(index: Index, probes: np.ndarray, k: int, thresholds: Optional[Thresholds]) -> List[List[Match]]:
    """Return the k people most like each probe, the best first; of equals the first in the gallery's order.

    Args:
        index: The templates.
        probes: float32 (n, d), unit vectors.
        k: How many people, at least 1.
        thresholds: Of the model's bundle.

    Raises:
        ForgedError: What the index is read from was changed.
    """
    if not index.entries:
        return [[] for _ in probes]
    near: List[Optional[np.ndarray]] = [None] * len(probes)
    if index.coarse is not None and takes(index.coarse, len(probes), k, len(index.starts)):
        near = index.coarse.near(probes, index.owners, k)
    left = [place for place, rows in enumerate(near) if rows is None]
    if left and k < len(index.starts) and isinstance(index.matrix, np.ndarray):
        for place, rows in zip(left, _near(index, probes[left], k)):
            near[place] = rows
    return [_best(index, probe, rows, k, thresholds) for probe, rows in zip(probes, near)]


def _near(index: Index, probes: np.ndarray, k: int) -> List[np.ndarray]:
    """Return the rows among which the best are for sure, by a matrix product in single precision."""
    found: List[np.ndarray] = []
    step = max(1, SCORES_AT_ONCE // len(index.entries))
    # In whatever order d products are added up, the sum is off by less than d * 2^-24 / (1 - d * 2^-24) of the lengths
    # (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); d is at most 2^16. Eight more are for what is rounded here.
    off = 1.01 * (probes.shape[1] + 8) * 2.0**-24 * index.longest
    for start in range(0, len(probes), step):
        scores = np.dot(probes[start : start + step], index.matrix.T)
        best = np.maximum.reduceat(scores, index.starts, axis=1)
        least = best.max(axis=1) if k == 1 else np.partition(best, best.shape[1] - k, axis=1)[:, best.shape[1] - k]
        lengths = np.sqrt(np.einsum("ij,ij->i", probes[start : start + step], probes[start : start + step]))
        reach = least.astype(np.float64) - 2 * off * lengths.astype(np.float64)
        found += [np.flatnonzero(scores[row] >= reach[row]) for row in range(len(scores))]
    return found


def _best(
    index: Index, probe: np.ndarray, rows: Optional[np.ndarray], k: int, thresholds: Optional[Thresholds]
) -> List[Match]:
    """Compare a probe with some rows, ascending, or with all, exactly."""
    if rows is None:
        rows = np.arange(len(index.entries))
    exact = probe.astype(np.float64)
    scores = np.empty((len(rows),))
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        block = slice(begin, begin + ROWS_AT_ONCE)
        # Row by row, unlike a matrix product: equal templates have equal scores wherever they stand.
        scores[block] = np.einsum("ij,j->i", index.matrix[rows[block]].astype(np.float64), exact)
    owners = index.owners[rows]
    starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    ends = np.append(starts[1:], len(rows))
    best = np.maximum.reduceat(scores, starts)
    found = []
    for place in _top(best, k):
        row = starts[place] + int(np.argmax(scores[starts[place] : ends[place]]))
        found.append(_match(index, int(rows[row]), int(owners[row]), float(scores[row]), thresholds))
    return found


def _top(best: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k largest, the largest first, equal ones in their order."""
    if k == 1:
        return np.array([int(np.argmax(best))])
    if k >= len(best):
        return np.argsort(-best, kind="mergesort")
    least = np.partition(best, len(best) - k)[len(best) - k]
    places = np.flatnonzero(best >= least)
    return places[np.argsort(-best[places], kind="mergesort")][:k]


def _match(index: Index, row: int, place: int, score: float, thresholds: Optional[Thresholds]) -> Match:
    # Rounding can carry the product of unit vectors past 1.
    score = min(1.0, max(-1.0, score))
    person_id = index.people[place]
    return Match(index.names[person_id], score, person_id, index.entries[row][0], fmr_at(score, thresholds))


def fmr_at(score: float, thresholds: Optional[Thresholds]) -> Optional[float]:
    """Return the least false match rate of a table whose threshold a score reaches; None where it reaches none."""
    if thresholds is None:
        return None
    met = [row.target for row in thresholds.rows if row.threshold is not None and score >= row.threshold]
    return min(met) if met else None
