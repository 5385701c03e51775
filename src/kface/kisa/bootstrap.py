"""Intervals of the KISA test by bootstrap over people, fast enough for the full cross of 500 people.

The draws are those of :class:`kface.verification.Resampling`: people with replacement; a genuine pair counts as often as its
person was drawn, an impostor pair as the product of how often its two people were. That class weighs every pair in every
draw: 2 million pairs by 1000 draws in KISA's category of light. Here only the pairs around the EER's threshold are weighed one
by one, between two scores at which no draw's FMR has reached FNMR yet, and every draw's has. How much the others weigh together
is a quadratic form in how often people were drawn. The result is the same, which a test compares.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from kface.kisa.matching import KisaScores
from kface.verification import Interval
from kface.verification.bootstrap import informative, interval
from kface.verification.curves import crossing

#: Pairs times draws that are weighed together: 8 MiB an array.
BLOCK: Final = 1 << 21
#: Thresholds at most between the two scores; between two thresholds the rates are joined by a line.
THRESHOLDS: Final = 4096
#: How far the FMR at the two scores is from the EER at first, in parts of it and in standard errors of its genuine pairs.
_REACH, _ERRORS = 0.05, 4.0


@dataclass(frozen=True)
class Draws:
    """How often each person was drawn.

    Attributes:
        counts: float64 (b, p).
    """

    counts: np.ndarray

    @classmethod
    def of(cls, people: int, replicates: int, seed: int) -> "Draws":
        """Draw as :class:`kface.verification.Resampling` does."""
        random = np.random.RandomState(seed)
        counts = random.multinomial(people, np.full(people, 1.0 / people), size=replicates)
        return cls(counts.astype(np.float64))

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class Weighing:
    """The pairs of some probes, ready to be weighed by draws of people.

    Attributes:
        scores: The probes' scores.
        draws: Of the people.
        acquired: Whether pairs that lack a template are left out (EER*).
    """

    scores: KisaScores
    draws: Draws
    acquired: bool = False

    @cached_property
    def _genuine(self) -> np.ndarray:
        """Bool (n,), the genuine pairs that count."""
        if not self.acquired:
            return np.ones((self.scores.probes,), bool)
        return ~self.scores.genuine_failed

    @cached_property
    def _impostor(self) -> np.ndarray:
        """Bool (n, p), the impostor pairs that count."""
        return self.scores.compared & ~self.scores.failed if self.acquired else self.scores.compared

    @cached_property
    def _totals(self) -> tuple[np.ndarray, np.ndarray]:
        """The weights, each (b,), of all genuine and of all impostor pairs."""
        return self._weight_of(self._genuine), self._weight_of_cells(self._impostor)

    def _weight_of(self, genuine: np.ndarray) -> np.ndarray:
        """Return the weight, (b,), of some genuine pairs, bool (n,)."""
        people = np.bincount(self.scores.owners[genuine], minlength=self.scores.people)
        return np.asarray(self.draws.counts @ people)

    def _weight_of_cells(self, cells: np.ndarray) -> np.ndarray:
        """Return the weight, (b,), of some impostor pairs, bool (n, p)."""
        pairs = np.zeros((self.scores.people, self.scores.people), np.float32)
        order = np.argsort(self.scores.owners, kind="stable")
        owners = self.scores.owners[order]
        if len(owners):
            first = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
            pairs[owners[first]] = np.add.reduceat(cells[order], first, axis=0, dtype=np.float32)
        counts = self.draws.counts
        # Whole numbers below 2 to the 24th, which float32 holds exactly.
        return np.einsum("bp,bp->b", counts.astype(np.float32) @ pairs, counts, dtype=np.float64)

    def eer(self, value: float) -> Interval | None:
        """Return the interval of the EER, which is `value` where every pair counts once; None where it has no width."""
        return informative(interval(self.eers(value)))

    def eers(self, value: float) -> np.ndarray:
        """Return the EER in each draw, float64 (b,); NaN where a draw has no genuine or no impostor pair."""
        found = np.full((len(self.draws),), np.nan)
        genuine, impostor = self._totals
        left = np.flatnonzero((genuine > 0) & (impostor > 0))
        ranked = self.scores.scores[self._impostor]
        if not len(ranked) or not self._genuine.any():
            return found
        reach = max(_REACH, _ERRORS / np.sqrt(max(value * self._genuine.sum(), 1)))
        while len(left):
            low, high = (
                _at_rate(ranked, min(value * (1 + reach) + reach / len(ranked), 1)),
                _at_rate(ranked, value * (1 - reach)),
            )
            found[left], inside = self._crossings(left, low, high)
            # In the other draws the EER lies further up or down.
            left = left[~inside]
            reach *= 4
        return found

    def _crossings(self, which: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the EER of some draws, and for each whether it lies between two scores.

        Pairs above `high` are accepted, those below `low` rejected; those from `low` to `high` are looked at one by one.
        """
        scores, owners, own = self.scores.scores, self.scores.owners, self.scores.genuine
        probes, others = np.nonzero(self._impostor & (scores >= low) & (scores <= high))
        kin = np.flatnonzero(self._genuine & (own >= low) & (own <= high))
        order = np.argsort(-scores[probes, others], kind="stable")
        probes, others = probes[order], others[order]
        kin = kin[np.argsort(-own[kin], kind="stable")]
        # As descending numbers: how many of each kind are accepted at each threshold.
        values, relatives = -scores[probes, others].astype(np.float64), -own[kin].astype(np.float64)
        thresholds = np.unique(np.concatenate([values, relatives]))
        if len(thresholds) > THRESHOLDS:
            thresholds = thresholds[np.unique(np.linspace(0, len(thresholds) - 1, THRESHOLDS).round().astype(np.int64))]
        ends = np.append(0, np.searchsorted(values, thresholds, "right"))
        kin_ends = np.append(0, np.searchsorted(relatives, thresholds, "right"))
        genuine, impostor = (total[which] for total in self._totals)
        surely = self._weight_of_cells(self._impostor & (scores > high))[which]
        surely_kin = self._weight_of(self._genuine & (own > high))[which]
        first = owners[probes]
        found, inside = np.full((len(which),), np.nan), np.zeros((len(which),), bool)
        step = max(1, BLOCK // max(len(probes), 1))
        for start in range(0, len(which), step):
            block = slice(start, start + step)
            drawn = np.ascontiguousarray(self.draws.counts[which[block]].T, np.float32)
            weights = drawn[first]
            weights *= drawn[others]
            fmr = (surely[block] + _accumulated(weights, ends)) / impostor[block]
            fnmr = 1 - (surely_kin[block] + _accumulated(drawn[owners[kin]], kin_ends)) / genuine[block]
            found[block] = crossing(fmr, fnmr)
            # Above all scores nothing is accepted: there is nothing further up.
            inside[block] = ((fmr[0] < fnmr[0]) | np.isinf(high)) & ((fmr[-1] >= fnmr[-1]) | np.isinf(low))
        return found, inside

    def rates(self, threshold: float) -> tuple[Interval | None, Interval | None]:
        """Return the intervals of FMR and FNMR at a threshold; None where they have no width."""
        genuine, impostor = self._totals
        accepted = self._weight_of_cells(self._impostor & (self.scores.scores >= threshold))
        rejected = self._weight_of(self._genuine & (self.scores.genuine < threshold))
        with np.errstate(divide="ignore", invalid="ignore"):
            return informative(interval(accepted / impostor)), informative(interval(rejected / genuine))


def _at_rate(ranked: np.ndarray, rate: float) -> float:
    """Return the score that a share of the impostor scores reaches: infinity where none does, minus infinity where all do."""
    count = int(np.ceil(rate * len(ranked)))
    if count <= 0:
        return float(np.inf)
    if count >= len(ranked):
        return float(-np.inf)
    return float(np.partition(ranked, len(ranked) - count)[len(ranked) - count])


def _accumulated(weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the summed weights, float64 (t, b), of the first pairs, as many as `ends` says, (t,); weights (m, b) change."""
    np.cumsum(weights, axis=0, out=weights)
    sums = np.concatenate([np.zeros_like(weights[:1]), weights[ends[1:] - 1]]) if len(weights) else None
    if sums is None:
        return np.zeros((len(ends), weights.shape[1]))
    sums[ends == 0] = 0
    return sums.astype(np.float64)
