"""Intervals by resampling people.

A person's pairs are correlated, so resampling pairs would give intervals that are too narrow. Here people are drawn with
replacement; a genuine pair counts as often as its person was drawn, an impostor pair the product of its two people's counts.
"""

from typing import Callable, List, NamedTuple, Optional

import numpy as np

from kface.verification.curves import Ranked, rates

#: Weightings that are computed together; bounds the memory at 100,000 pairs.
BLOCK = 20


class Interval(NamedTuple):
    """A 95 % interval: the percentiles 2.5 and 97.5 of the replicates."""

    low: float
    high: float


class Resampling(object):
    """Draws of people, the same for every figure of a report.

    Args:
        people: Integers (m, 2), the two people of each pair.
        replicates: Number of draws.
        seed: Seed of the draws.
    """

    def __init__(self, people: np.ndarray, replicates: int = 1000, seed: int = 0) -> None:
        people = np.asarray(people)
        names, index = np.unique(people, return_inverse=True)
        self.pairs = index.reshape(people.shape)
        self.same = self.pairs[:, 0] == self.pairs[:, 1]
        self.people = len(names)
        random = np.random.RandomState(seed)
        self.draws = random.multinomial(self.people, np.full(self.people, 1.0 / self.people), size=replicates)

    def weights(self, start: int, stop: int) -> np.ndarray:
        """Return float64 (m, stop - start), each pair's weight in the draws from `start` to `stop`."""
        first = self.draws[start:stop, self.pairs[:, 0]].T.astype(np.float64)
        second = self.draws[start:stop, self.pairs[:, 1]].T
        # A genuine pair counts as often as its person, not the square of it.
        return np.where(self.same[:, None], first, first * second)

    def of_rates(
        self, ranked: Ranked, *figures: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> List[Optional[Interval]]:
        """Return the intervals of figures that are computed from FMR and FNMR, each (t, b) -> (b,)."""
        values: List[List[np.ndarray]] = [[] for _ in figures]
        for start in range(0, len(self.draws), BLOCK):
            fmr, fnmr = rates(ranked, self.weights(start, start + BLOCK))
            for found, figure in zip(values, figures):
                found.append(figure(fmr, fnmr))
        return [interval(np.concatenate(found)) if found else None for found in values]

    def of_mean(self, right: np.ndarray) -> Optional[Interval]:
        """Return the interval of the mean of a value per pair, with the fractions of genuine and impostor pairs fixed.

        Args:
            right: (m,), such as whether each pair was classified correctly.
        """
        right = np.asarray(right, np.float64)
        shares = [self.same.mean(), 1 - self.same.mean()]
        means = []
        for start in range(0, len(self.draws), BLOCK):
            weights = self.weights(start, start + BLOCK)
            mean = np.zeros(weights.shape[1])
            for share, kind in zip(shares, (self.same, ~self.same)):
                if kind.any():
                    with np.errstate(divide="ignore", invalid="ignore"):
                        mean += share * (right[kind] @ weights[kind]) / weights[kind].sum(axis=0)
            means.append(mean)
        return interval(np.concatenate(means)) if means else None


def interval(values: np.ndarray) -> Optional[Interval]:
    """Return the 95 % interval of the finite replicates; None without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(low), float(high))


def informative(found: Optional[Interval]) -> Optional[Interval]:
    """Return an interval, or None where it has no width.

    Without any error, or with nothing but errors, every draw of people gives the same figure. An interval of no width would
    then claim certainty, however few the pairs and people are.
    """
    return found if found is not None and found.low < found.high else None
