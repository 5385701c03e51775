"""UNPG: the negative pairs within the batch join those with the other classes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kface.checks import number, refuse
from kface.errors import ConfigError
from train.losses.arcface import widened
from train.losses.base import LOSSES, HeadBatch, Loss
from train.losses.pairs import BatchPairs, count, log_sum, pairs_of

#: Above every cosine, so that in sorting it comes last.
LAST = 3.0
BASES = ("arcface", "cosface")


@LOSSES.register
@dataclass(frozen=True)
class UNPG(Loss):
    """Unified negative pair generation (Jung et al., 2022, section 3): a margin loss with more negative pairs.

    A margin loss sees an image's cosines with the other classes (CLNP). Here the cosines between all images of different
    identities in the batch (MLNP) are added to the denominator of every row, with the same scale. Those outside the whiskers
    of a box plot, [q1 - r (q3 - q1), q3 + r (q3 - q1)], are left out as noise: too easy, or wrongly labelled. Quartiles are
    the values at a quarter and three quarters of the sorted pairs, as in the authors' code. No gradient flows through them.

    Args:
        margin: Of the base.
        base: The margin loss, "arcface" or "cosface".
        whisker: r, in interquartile ranges.
    """

    name: ClassVar[str] = "unpg"

    margin: float = 0.25
    base: str = "arcface"
    whisker: float = 1.5

    def check(self) -> None:
        """Refuse another base, a margin out of the base's range, and a whisker that is not in [0, 100]."""
        if self.base not in BASES:
            refuse(ConfigError(f"unknown choice {self.base!r}", "loss.base", f"choose one of: {', '.join(BASES)}"))
        number("loss.margin", self.margin, 0, 1 if self.base == "cosface" else math.pi / 2, open_above=True)
        number("loss.whisker", self.whisker, 0, 100)

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return the base's target."""
        return batch.own - batch.margin if self.base == "cosface" else widened(batch.own, batch.margin)

    def negatives(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return the logarithm of the sum of exponentials of the batch's negative pairs, (1, 1)."""
        pairs = pairs_of(batch)
        return log_sum(batch.scale * pairs.cosines, inside_whiskers(pairs, self.whisker))


def inside_whiskers(pairs: BatchPairs, whisker: float) -> keras.KerasTensor:
    """Return the negative pairs, bool (n, n), whose cosines are within the whiskers of a box plot of them all."""
    cosines = ops.stop_gradient(pairs.cosines)
    ordered = ops.sort(ops.reshape(ops.where(pairs.negative, cosines, LAST), (-1,)))
    number_of_pairs = count(pairs.negative)
    lower = ops.take(ordered, number_of_pairs // 4)
    upper = ops.take(ordered, 3 * number_of_pairs // 4)
    reach = whisker * (upper - lower)
    inside = ops.logical_and(cosines >= lower - reach, cosines <= upper + reach)
    return ops.logical_and(pairs.negative, inside)
