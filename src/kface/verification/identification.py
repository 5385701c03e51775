"""Identification, 1:N: a probe is compared with a gallery of N people, one template each (ISO/IEC 19795-1).

FPIR is the fraction of strangers' probes that match somebody in the gallery, TPIR that of enrolled people's probes whose own
template scores highest and reaches the threshold. Instead of a few galleries drawn at random, the rates here are their exact
mean over all galleries of a size: of M people, k of whom score at least the threshold, a gallery of N holds none of the k
with the probability C(M - k, N) / C(M, N).

Strangers are people left out of the gallery: each person's enrolled template serves as the probe of a stranger in all
galleries without this person.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface.errors import KFaceError
from kface.verification.bootstrap import Interval, informative, interval
from kface.verification.report import RateEstimate

#: Sizes of the galleries.
SIZES = (10, 100, 1000, 10000)
#: False match rates of one comparison at whose thresholds FPIR is reported.
FMRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
#: FPIR at whose thresholds TPIR is reported.
FPIRS = (0.01, 0.1)
#: People at most; more are drawn. Bounds the memory of their scores to 0.6 GB.
MOST_PEOPLE = 12000
#: Draws of people for an interval at most: each takes as long as comparing all people.
MOST_REPLICATES = 200
#: Probes that are compared at a time.
BLOCK = 1024


class GalleryChance(NamedTuple):
    """The chance that a stranger matches somebody in a gallery of a size.

    Attributes:
        size: N.
        fpir: Measured; None where the people do not suffice.
        extrapolated: 1 - (1 - FMR)^N, as if comparisons of one probe were independent.
    """

    size: int
    fpir: Optional[RateEstimate]
    extrapolated: float


class FalsePositives(NamedTuple):
    """FPIR at one threshold.

    Attributes:
        fmr: The false match rate of one comparison that the threshold allows.
        threshold: The lowest such score.
        measured_fmr: The rate of one comparison at this threshold.
        galleries: By size.
    """

    fmr: float
    threshold: float
    measured_fmr: float
    galleries: Tuple[GalleryChance, ...]


class OpenSet(NamedTuple):
    """TPIR at the threshold of an FPIR: people who may or may not be enrolled."""

    size: int
    fpir: float
    threshold: float
    tpir: RateEstimate


class RankOne(NamedTuple):
    """The fraction of enrolled people's probes whose own template scores highest: everybody is enrolled, no threshold."""

    size: int
    rate: RateEstimate


class Identification(NamedTuple):
    """The figures of 1:N on one set of people.

    Attributes:
        people: Number of enrolled people.
        mated_probes: Number of their further images.
        not_enrolled: Number of people without a face that could be acquired.
        false_positive: By FMR; those that the number of comparisons can measure.
        open_set: By size and FPIR; those that the people suffice for.
        rank_1: By size.
        replicates: Draws of people for the intervals, in which thresholds are kept.
    """

    people: int
    mated_probes: int
    not_enrolled: int
    false_positive: Tuple[FalsePositives, ...]
    open_set: Tuple[OpenSet, ...]
    rank_1: Tuple[RankOne, ...]
    replicates: int

    def to_dict(self) -> Dict[str, Any]:
        """Return the figures as JSON takes them."""
        return {
            "people": self.people,
            "mated_probes": self.mated_probes,
            "not_enrolled": self.not_enrolled,
            "template": "one image of each person",
            "replicates": self.replicates,
            "false_positive": [
                {
                    "fmr": point.fmr,
                    "threshold": point.threshold,
                    "measured_fmr": point.measured_fmr,
                    "galleries": [
                        {
                            "size": gallery.size,
                            "fpir": None if gallery.fpir is None else gallery.fpir.to_dict(),
                            "extrapolated": gallery.extrapolated,
                        }
                        for gallery in point.galleries
                    ],
                }
                for point in self.false_positive
            ],
            "open_set": [dict(point._asdict(), tpir=point.tpir.to_dict()) for point in self.open_set],
            "rank_1": [dict(point.rate.to_dict(), size=point.size) for point in self.rank_1],
        }


def extrapolated(fmr: float, size: int) -> float:
    """Return 1 - (1 - FMR)^N: the chance of a match in N independent comparisons."""
    return float(-np.expm1(size * np.log1p(-fmr))) if fmr < 1 else 1.0


def identify(
    embeddings: np.ndarray,
    people: np.ndarray,
    failed: Optional[np.ndarray] = None,
    enrolled: Optional[np.ndarray] = None,
    replicates: int = MOST_REPLICATES,
    seed: int = 0,
    sizes: Sequence[int] = SIZES,
) -> Optional[Identification]:
    """Compute the figures of 1:N.

    Args:
        embeddings: (n, d), of any length.
        people: Integers (n,), the person in each image; different numbers are different people.
        failed: bool (n,), images without an embedding. They are not enrolled, and as probes they match nobody.
        enrolled: Integers, one image of each person to enrol; by default each person's first that did not fail.
        replicates: Draws of people for the intervals, at most :data:`MOST_REPLICATES`; 0 for none.
        seed: Of the draws.
        sizes: Sizes of the galleries.

    Returns:
        The figures; None with too few people for the smallest gallery and a stranger.

    Raises:
        KFaceError: The shapes do not match, or an embedding is not finite.
    """
    unit, people, failed = _checked(embeddings, people, failed)
    random = np.random.RandomState(seed)
    templates, absent = _enrolment(people, failed, enrolled)
    if len(templates) > MOST_PEOPLE:
        templates = np.sort(random.choice(templates, MOST_PEOPLE, replace=False))
    count = len(templates)
    sizes = [size for size in sizes if size >= 1]
    if count <= min(sizes):
        return None
    numbers = np.full(int(people.max()) + 1, -1)
    numbers[people[templates]] = np.arange(count)
    probes = np.setdiff1d(np.flatnonzero(numbers[people] >= 0), templates)
    gallery = unit[templates]
    scores = _symmetric_scores(gallery)
    owners = numbers[people[probes]]
    mated = _Mated(unit[probes], owners, failed[probes], gallery)
    replicates = min(replicates, MOST_REPLICATES)
    draws = random.multinomial(count, np.full(count, 1.0 / count), size=replicates).T
    # The first column is the people themselves, each once.
    weights = np.concatenate([np.ones((count, 1), np.int64), draws], axis=1)
    measured = [size for size in sizes if size < count]
    ordered = np.sort(scores[np.triu_indices(count, 1)])[::-1]
    points = []
    for fmr in FMRS:
        allowed = int(np.floor(fmr * len(ordered) * (1 + 1e-9)))
        if allowed < 1:
            continue
        threshold = _above(ordered, allowed)
        actual = float(np.mean(ordered >= threshold))
        rates = _false_positive_rates(scores, threshold, weights, measured)
        galleries = []
        for size in sizes:
            found = _estimate(rates[measured.index(size)]) if size in measured else None
            galleries.append(GalleryChance(size, found, extrapolated(actual, size)))
        points.append(FalsePositives(fmr, float(threshold), actual, tuple(galleries)))
    opened, first = [], []
    for size in measured:
        if not len(probes):
            break
        first.append(RankOne(size, _estimate(mated.rates(weights, size, -np.inf))))
        for fpir in FPIRS:
            if count * fpir < 1 - 1e-9:
                continue
            threshold = _threshold_of(scores, ordered, size, fpir)
            opened.append(OpenSet(size, fpir, threshold, _estimate(mated.rates(weights, size, threshold))))
    return Identification(count, len(probes), absent, tuple(points), tuple(opened), tuple(first), max(replicates, 0))


def _checked(
    embeddings: np.ndarray, people: np.ndarray, failed: Optional[np.ndarray]
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    embeddings = np.asarray(embeddings, np.float32)
    people = np.unique(np.asarray(people), return_inverse=True)[1].reshape(-1)
    failed = np.zeros(len(people), bool) if failed is None or not len(failed) else np.asarray(failed, bool)
    if embeddings.ndim != 2 or not len(embeddings) == len(people) == len(failed) or not len(people):
        raise KFaceError(
            "embeddings must be (n, d), people and failures (n,), not {}, {} and {}".format(
                embeddings.shape, people.shape, failed.shape
            )
        )
    if not np.isfinite(embeddings[~failed]).all():
        raise KFaceError("an embedding is not finite", None, "check whether the training diverged")
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32), people, failed


def _enrolment(people: np.ndarray, failed: np.ndarray, enrolled: Optional[np.ndarray]) -> Tuple[np.ndarray, int]:
    """Return the enrolled image of each person, and the number of people who have none."""
    order = np.arange(len(people))
    if enrolled is not None:
        preferred = np.zeros(len(people), bool)
        preferred[np.asarray(enrolled)] = True
        order = np.concatenate([order[preferred], order[~preferred]])
    order = order[~failed[order]]
    _, first = np.unique(people[order], return_index=True)
    return np.sort(order[first]), len(np.unique(people)) - len(first)


def _symmetric_scores(gallery: np.ndarray) -> np.ndarray:
    """Return the cosines of unit vectors, float32 (p, p), the diagonal below all thresholds."""
    found = np.empty((len(gallery), len(gallery)), np.float32)
    for start in range(0, len(gallery), BLOCK):
        stop = min(start + BLOCK, len(gallery))
        found[:stop, start:stop] = gallery[:stop] @ gallery[start:stop].T
        # Rounding may differ with the order, and a pair has one score.
        found[start:stop, :start] = found[:start, start:stop].T
        corner = np.triu(found[start:stop, start:stop])
        found[start:stop, start:stop] = corner + np.triu(corner, 1).T
    np.fill_diagonal(found, -np.inf)
    return found


def _above(ordered: np.ndarray, allowed: int) -> float:
    """Return the lowest threshold that at most `allowed` of the scores reach, which are in falling order."""
    if allowed >= len(ordered):
        return float(ordered[-1])
    # Of tied scores all or none are reached.
    reached = int(np.searchsorted(-ordered, -ordered[allowed], side="left"))
    return float(ordered[reached - 1]) if reached else float(np.nextafter(ordered[0], np.float32(2)))


def _false_positive_rates(
    scores: np.ndarray, threshold: float, weights: np.ndarray, sizes: Sequence[int]
) -> List[np.ndarray]:
    """Return FPIR for each size, (r,), one for each column of the people's weights."""
    total = weights.sum(axis=0)
    sums = [np.zeros((2, weights.shape[1])) for _ in sizes]
    for start in range(0, len(scores), BLOCK):
        own = weights[start : start + BLOCK]
        reached = _weighted(scores[start : start + BLOCK] >= threshold, weights)
        for number, size in enumerate(sizes):
            sums[number] += _weighted_sums(1 - _probability_of_none(total - own, reached, size), own)
    return [_divided(found) for found in sums]


def _weighted_sums(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of the values that are numbers, and their weights', (2, r)."""
    known = ~np.isnan(values)
    return np.stack([np.where(known, values * weights, 0.0).sum(axis=0), (weights * known).sum(axis=0)])


def _divided(sums: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[0] / sums[1])


class _Mated(object):
    """The probes of enrolled people."""

    def __init__(self, probes: np.ndarray, owners: np.ndarray, failed: np.ndarray, gallery: np.ndarray) -> None:
        self.owners = owners
        self.own = np.einsum("md,md->m", probes, gallery[owners])
        self.own[failed] = -np.inf
        self._probes, self._gallery = probes, gallery
        self._better: Optional[np.ndarray] = None

    def _outscored(self, weights: np.ndarray) -> np.ndarray:
        """Return how many of the others score at least as high as the person's own template, (m, r)."""
        if self._better is None:
            parts = []
            for start in range(0, len(self._probes), BLOCK):
                part = slice(start, start + BLOCK)
                others = self._probes[part] @ self._gallery.T >= self.own[part, None]
                others[np.arange(len(others)), self.owners[part]] = False
                parts.append(_weighted(others, weights))
            self._better = np.concatenate(parts)
        return self._better

    def rates(self, weights: np.ndarray, size: int, threshold: float) -> np.ndarray:
        """Return TPIR, (r,), one for each column of the people's weights."""
        others = weights.sum(axis=0) - weights[self.owners]
        alone = _probability_of_none(others, self._outscored(weights), size - 1)
        found = (np.isfinite(self.own) & (self.own >= threshold))[:, None]
        return _divided(_weighted_sums(found * alone, weights[self.owners]))


def _weighted(truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sums of weights where it is true, int64 (m, r); whole numbers below 2^24 are exact in float32."""
    return np.rint(truth.astype(np.float32) @ weights.astype(np.float32)).astype(np.int64)


def _probability_of_none(total: np.ndarray, bad: np.ndarray, size: int) -> np.ndarray:
    """Return C(total - bad, size) / C(total, size): that none of the `bad` is among `size` people drawn of `total`.

    NaN where there are fewer than `size`.
    """
    total, bad = np.broadcast_arrays(total, bad)
    table = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(total.max()) + 2)))])
    left = total - bad
    enough = left >= size
    kept = np.where(enough, left, size)
    with np.errstate(invalid="ignore"):
        log = table[kept] - table[kept - size] - table[total] + table[np.maximum(total - size, 0)]
    found = np.where(enough, np.exp(np.minimum(log, 0)), 0.0)
    found = np.where(bad == 0, 1.0, found)
    return np.where(total >= size, found, np.nan)


def _threshold_of(scores: np.ndarray, ordered: np.ndarray, size: int, fpir: float) -> float:
    """Return the lowest score at which at most `fpir` of the strangers match somebody in a gallery of `size`."""
    ones = np.ones((len(scores), 1), np.int64)

    def rate(threshold: float) -> float:
        reached = np.count_nonzero(scores >= np.float32(threshold), axis=1)
        return float(np.mean(1 - _probability_of_none(len(scores) - ones[:, 0], reached, size)))

    # Positions in the falling order; the rate rises with them.
    low, high = -1, len(ordered) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if rate(ordered[middle]) <= fpir * (1 + 1e-9):
            low = middle
        else:
            high = middle - 1
    return float(ordered[low]) if low >= 0 else float(np.nextafter(ordered[0], np.float32(2)))


def _estimate(rates: np.ndarray) -> RateEstimate:
    """Return the rate of the people themselves, and the interval of the draws.

    A person who is drawn twice is twice in the galleries, so these hold fewer different people and the draws' rates are too
    low on average (too high for those of enrolled people). Their percentiles are shifted by this difference.
    """
    value, drawn = float(rates[0]), rates[1:][np.isfinite(rates[1:])]
    found = interval(drawn - drawn.mean() + value) if len(drawn) else None
    if found is None:
        return RateEstimate(value)
    return RateEstimate(value, informative(Interval(max(found.low, 0.0), min(found.high, 1.0))))
