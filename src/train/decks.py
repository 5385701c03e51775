"""Draws from identities of different sizes, repeatable for each epoch by itself.

Random numbers are hashes of integers (SplitMix64: Steele et al., Fast splittable pseudorandom number generators, 2014), which
do not change with a library's version as the streams of its generators may.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: Fractions of a draw are counted in 2^-24, so that sums are exact.
_FRACTION = 24


@dataclass(frozen=True)
class Population:
    """The images to draw from, in groups: the identities, and for each member without identities the pool of its images.

    Attributes:
        groups: int32 (n,), the group of each image.
        members: int32 (g,), the member of a mixture that each group belongs to.
        pools: bool (g,), which groups are pools.
        weights: By member, its part of an epoch, or None; where one has a weight, those without count as 1.
        caps: By member, the largest number of an identity's images an epoch, or None.
    """

    groups: np.ndarray
    members: np.ndarray
    pools: np.ndarray
    weights: tuple[float | None, ...] = (None,)
    caps: tuple[int | None, ...] = (None,)

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 (g,), the number of images of each group."""
        return np.bincount(self.groups, minlength=len(self.members)).astype(np.int64)

    @cached_property
    def sorted(self) -> np.ndarray:
        """int64 (n,), the images sorted by group."""
        return np.argsort(self.groups, kind="stable")

    @cached_property
    def starts(self) -> np.ndarray:
        """int64 (g,), where each group begins in :attr:`sorted`."""
        return np.cumsum(self.counts) - self.counts

    @property
    def even(self) -> bool:
        """Whether no member has a weight or a cap."""
        return not any(value is not None for value in (*self.weights, *self.caps))

    def caps_with(self, cap: int | None) -> np.ndarray:
        """Return float64 (g,), the largest number of each group's images an epoch; infinite for none, as for pools.

        Args:
            cap: A limit for all identities beside those of the members.
        """
        most = np.array(
            [min(value for value in (one, cap, np.inf) if value is not None) for one in self.caps], np.float64
        )
        return np.where(self.pools, np.inf, most[self.members])

    def weighted(self, parts: np.ndarray) -> np.ndarray:
        """Scale parts so that the members' sums are in proportion to their weights."""
        if not any(weight is not None for weight in self.weights):
            return parts
        weights = np.array([1.0 if weight is None else weight for weight in self.weights])
        sums = np.bincount(self.members, weights=parts, minlength=len(weights))
        return parts * (weights / np.where(sums > 0, sums, 1))[self.members]


def share_out(parts: np.ndarray, total: int, caps: np.ndarray) -> np.ndarray:
    """Share a number out in proportion to parts, none above its cap; what a cap withholds goes to the others.

    Args:
        parts: float64 (g,), at least 0.
        total: At most the sum of the caps.
        caps: float64 (g,).

    Returns:
        float64 (g,), whose sum is `total`.
    """
    shares = np.zeros(len(parts), np.float64)
    open_ = np.ones(len(parts), bool)
    left = float(total)
    while left > 0 and open_.any():
        weight = parts[open_].sum()
        if weight <= 0:
            # Only groups of weight 0 have room left.
            parts, weight = np.where(open_, 1.0, parts), float(open_.sum())
        given = left * parts / weight
        full = open_ & (given >= caps)
        if not full.any():
            shares[open_] = given[open_]
            break
        shares[full] = caps[full]
        left -= caps[full].sum()
        open_ &= ~full
    return shares


class Decks:
    """The draws of all epochs.

    The number of an epoch's draws of a group is its quota, rounded up or down by systematic sampling, so that each epoch has
    exactly the sum of the quotas.

    Args:
        population: The images.
        quotas: float64 (g,), mean draws of each group an epoch; their sum is a whole number.
        seed: Of everything.
        each: Images of a draw.
    """

    def __init__(self, population: Population, quotas: np.ndarray, seed: int, each: int = 1) -> None:
        self.population = population
        self.quotas = np.rint(quotas * (1 << _FRACTION)).astype(np.int64)
        self.total = round(float(quotas.sum()))
        self.seed = seed
        self.each = each
        self._before: tuple[int, np.ndarray] = (0, np.zeros(len(quotas), np.int64))

    def counts(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return int64 (g,), the draws of each group in an epoch, and int64 (g,), the groups in a random order."""
        order = np.argsort(hashed(self.seed, epoch, 1, np.arange(len(self.quotas))), kind="stable")
        ends = np.cumsum(self.quotas[order])
        # Rounding of the quotas must not change the sum.
        ends[-1] = self.total << _FRACTION
        ends += int(hashed(self.seed, epoch, 2, np.zeros(1, np.int64))[0] >> np.uint64(64 - _FRACTION))
        whole = np.maximum.accumulate(ends >> _FRACTION)
        counts = np.empty(len(order), np.int64)
        counts[order] = np.diff(whole, prepend=0)
        return counts, order

    def before(self, epoch: int) -> np.ndarray:
        """Return int64 (g,), the draws of each group in all earlier epochs."""
        done, drawn = self._before
        if done > epoch:
            done, drawn = 0, np.zeros(len(self.quotas), np.int64)
        for one in range(done, epoch):
            drawn = drawn + self.counts(one)[0]
        self._before = (epoch, drawn)
        return drawn

    def draw(self, epoch: int) -> np.ndarray:
        """Return the images of an epoch, int64, group by group in a random order of the groups."""
        counts, order = self.counts(epoch)
        images, groups = self._dealt(self.before(epoch) * self.each, counts * self.each)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return images[np.argsort(place[groups], kind="stable")]

    def shuffled(self, values: np.ndarray, epoch: int) -> np.ndarray:
        """Return values in an order that follows from seed and epoch."""
        return values[np.argsort(hashed(self.seed, epoch, 3, np.arange(len(values))), kind="stable")]

    def _dealt(self, first: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images that are dealt from each deck, and their groups: `counts` images after the first `first`."""
        sizes = self.population.counts
        used = np.flatnonzero((counts > 0) & (sizes > 0))
        passes = first[used] // sizes[used]
        many = (first[used] + counts[used] - 1) // sizes[used] - passes + 1
        # One row for each time that a deck is dealt in this epoch.
        groups = np.repeat(used, many)
        number = np.repeat(passes, many) + _places(many)
        cards = sizes[groups]
        row = np.repeat(np.arange(len(groups)), cards)
        images = self.population.sorted[self.population.starts[groups][row] + _places(cards)]
        keys = hashed(self.seed, number[row], 4, images)
        images = images[np.lexsort((keys, row))]
        drawn = number[row] * cards[row] + _places(cards)
        kept = (drawn >= first[groups][row]) & (drawn < (first + counts)[groups][row])
        return images[kept], groups[row[kept]]


def _places(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, ... for each count."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def hashed(seed: int, *values: "int | np.ndarray") -> np.ndarray:
    """Return uint64 (n,), a hash of a seed and of each row of values, of which at least one is an array (n,)."""
    with np.errstate(over="ignore"):
        state = np.full(1, seed & 0xFFFFFFFFFFFFFFFF, np.uint64)
        for value in values:
            state = _mix(state ^ _mix(np.atleast_1d(np.asarray(value)).astype(np.uint64)))
        return state


def _mix(state: np.ndarray) -> np.ndarray:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
