"""Templates in memory: exact search by one matrix product, or in large galleries by as little of it as is needed."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from kface.bundle.thresholds import Thresholds
from kface.gallery.coarse import Coarse
from kface.gallery.values import Match

#: Scores that are held at once, 64 MiB of them: many probes against many templates go in several products.
SCORES_AT_ONCE = 1 << 24
#: With more than this part of the rows to compare exactly, all of them are compared.
MANY = 0.05


class Index(NamedTuple):
    """A state of the gallery; it does not change, so that threads may share it.

    Attributes:
        matrix: float32 (t, d), unit vectors, a person's templates one after the other.
        entries: Template number, person and nonce of each row.
        starts: intp (p,), each person's first row.
        people: The person of each start.
        names: By the person's ID.
        coarse: The templates as bytes, where there are many.
    """

    matrix: np.ndarray
    entries: List[Tuple[int, str, bytes]]
    starts: np.ndarray
    people: List[str]
    names: Dict[str, str]
    coarse: Optional[Coarse] = None

    def rows(self) -> Dict[Tuple[int, str, bytes], int]:
        """Return the row of each entry; a template that was sealed again has another nonce."""
        return {entry: row for row, entry in enumerate(self.entries)}


def build(
    matrix: np.ndarray,
    entries: List[Tuple[int, str, bytes]],
    names: Dict[str, str],
    coarse: Optional[Coarse] = None,
) -> Index:
    """Return an index; the entries are in the order of people."""
    starts = [row for row, entry in enumerate(entries) if row == 0 or entries[row - 1][1] != entry[1]]
    return Index(matrix, entries, np.array(starts, np.intp), [entries[row][1] for row in starts], names, coarse)


def search(index: Index, probes: np.ndarray, k: int, thresholds: Optional[Thresholds]) -> List[List[Match]]:
    """Return the k people most like each probe, the best first.

    Args:
        index: The templates.
        probes: float32 (n, d), unit vectors.
        k: How many people, at least 1.
        thresholds: Of the model's bundle.
    """
    if not index.entries:
        return [[] for _ in probes]
    if index.coarse is not None and len(probes) <= index.coarse.probes and k < len(index.starts):
        return [_search_near(index, index.coarse, probe, k, thresholds) for probe in probes]
    return _search_all(index, probes, k, thresholds)


def _search_near(
    index: Index, coarse: Coarse, probe: np.ndarray, k: int, thresholds: Optional[Thresholds]
) -> List[Match]:
    rows = coarse.near(probe, index.starts, k)
    if len(rows) > MANY * len(index.entries):
        return _search_all(index, probe[None], k, thresholds)[0]
    # Row by row, unlike a matrix product: equal templates have equal scores wherever they stand.
    scores = np.einsum("ij,j->i", index.matrix[rows].astype(np.float64), probe.astype(np.float64))
    owners = np.searchsorted(index.starts, rows, side="right") - 1
    starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    best = np.maximum.reduceat(scores, starts)
    found = []
    for place in _top(best, k):
        start = starts[place]
        row = start + int(np.argmax(scores[start:][owners[start:] == owners[start]]))
        found.append(_match(index, int(rows[row]), int(owners[row]), float(scores[row]), thresholds))
    return found


def _search_all(index: Index, probes: np.ndarray, k: int, thresholds: Optional[Thresholds]) -> List[List[Match]]:
    found = []
    step = max(1, SCORES_AT_ONCE // len(index.entries))
    for start in range(0, len(probes), step):
        scores = np.dot(probes[start : start + step], index.matrix.T)
        best = np.maximum.reduceat(scores, index.starts, axis=1)
        for row in range(len(scores)):
            found.append([_best(index, scores[row], place, thresholds) for place in _top(best[row], k)])
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


def _best(index: Index, scores: np.ndarray, place: int, thresholds: Optional[Thresholds]) -> Match:
    start = index.starts[place]
    end = index.starts[place + 1] if place + 1 < len(index.starts) else len(scores)
    row = start + int(np.argmax(scores[start:end]))
    return _match(index, row, place, float(scores[row]), thresholds)


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
