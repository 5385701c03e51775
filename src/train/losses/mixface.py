"""MixFace: ArcFace, plus a loss on the pairs within the batch."""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kface.checks import number
from train.losses.arcface import widened
from train.losses.base import LOSSES, HeadBatch, Loss
from train.losses.pairs import count, log_sum, pairs_of


@LOSSES.register
@dataclass(frozen=True)
class MixFace(Loss):
    """MixFace (Jung et al., 2021): ArcFace plus the similarity-based N-pair loss (SN-pair), both with weight 1.

    The SN-pair loss is the mean over the batch's positive pairs of log(1 + sum exp(s2 (s_n - s_p))), with s_p the cosine of
    the pair and s_n those of all negative pairs. Both scales follow from the probability e that a perfectly separated sample
    leaves to all its negatives: s1 = (ln(C - 1) + ln((1 - e) / e)) / cos(m) for ArcFace's C classes, and
    s2 = ln(number of negative pairs) + ln((1 - e) / e).

    A batch without a positive pair has no pair loss. Batches should therefore hold several images of an identity: draw a few
    identities and a few images of each where there are more than a few hundred (the authors draw two of each for MS1M).

    Args:
        margin: Of ArcFace, radians.
        e: The probability; smaller values make both scales larger.
    """

    name: ClassVar[str] = "mixface"

    margin: float = 0.5
    e: float = 1e-22

    def check(self) -> None:
        """Refuse a margin that is not in [0, pi / 2) and an e that is not in [1e-300, 0.5]."""
        number("loss.margin", self.margin, 0, math.pi / 2, open_above=True)
        number("loss.e", self.e, 1e-300, 0.5)

    @property
    def log_odds(self) -> float:
        """ln((1 - e) / e)."""
        return math.log1p(-self.e) - math.log(self.e)

    def scale_for(self, classes: int) -> float:
        """Return s1."""
        return (math.log(max(classes - 1, 1)) + self.log_odds) / math.cos(self.margin)

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return ArcFace's target."""
        return widened(batch.own, batch.margin)

    def penalty(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return the SN-pair loss, 0 for a batch without positive pairs."""
        pairs = pairs_of(batch)
        scale = ops.log(ops.cast(ops.maximum(count(pairs.negative), 1), "float32")) + self.log_odds
        logits = scale * pairs.cosines
        losses = ops.softplus(log_sum(logits, pairs.negative) - logits)
        positive = ops.cast(count(pairs.positive), "float32")
        return ops.sum(ops.where(pairs.positive, losses, 0.0)) / ops.maximum(positive, 1)
