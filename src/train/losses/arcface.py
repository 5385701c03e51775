"""ArcFace: a margin added to the angle."""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kface.checks import number
from train.losses.base import LOSSES, HeadBatch, Loss


@LOSSES.register
@dataclass(frozen=True)
class ArcFace(Loss):
    """ArcFace (Deng et al., 2019, equation 3): cos(theta + m) for the true class, m in radians; see :func:`widened`."""

    name: ClassVar[str] = "arcface"

    margin: float = 0.25

    def check(self) -> None:
        """Refuse a margin that is not in [0, pi / 2)."""
        number("loss.margin", self.margin, 0, math.pi / 2, open_above=True)

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return cos(theta + m), or its continuation beyond theta = pi - m."""
        return widened(batch.own, batch.margin)


def widened(cosines: keras.KerasTensor, margin: keras.KerasTensor) -> keras.KerasTensor:
    """Return cos(theta + m) of cos(theta), for margins from 0 to pi / 2 radians.

    Beyond theta + m = pi, cos(theta + m) would rise again and reward the wrong direction; from there it continues as the line
    cos(theta) - (1 - cos(m)), which meets it at theta = pi - m.
    """
    sines = ops.sqrt(1 - ops.square(cosines))
    inside = cosines * ops.cos(margin) - sines * ops.sin(margin)
    beyond = cosines - (1 - ops.cos(margin))
    return ops.where(cosines > -ops.cos(margin), inside, beyond)
