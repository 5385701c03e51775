"""MagFace: a margin that grows with the norm of the embedding, and a term that makes norms grow."""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kface.checks import number, refuse
from kface.errors import ConfigError
from train.losses.arcface import widened
from train.losses.base import LOSSES, HeadBatch, Loss


@LOSSES.register
@dataclass(frozen=True)
class MagFace(Loss):
    """MagFace (Meng et al., 2021, section 3): cos(theta + m(a)) for the true class, a the norm, plus lambda_g g(a).

    m(a) grows linearly from ``margin_low`` at ``norm_low`` to ``margin`` at ``norm_high``, and is constant outside. The
    term g(a) = 1 / a + a / norm_high ** 2 falls until ``norm_high``, so the norm becomes a measure of the image's quality.
    Below ``norm_low`` g continues as its tangent and above ``norm_high`` as a constant: the authors clip there, and an
    embedding that starts too short then never grows.

    Args:
        margin: u_m, radians, at the end of the ramp; ``margin_low`` is raised in proportion.
        margin_low: l_m, radians.
        norm_low: l_a.
        norm_high: u_a.
        weight: lambda_g; the optimal norm is unique where it is at least
            scale * slope of m * norm_low ** 2 * norm_high ** 2 / (norm_high ** 2 - norm_low ** 2).
    """

    name: ClassVar[str] = "magface"

    margin: float = 0.8
    margin_low: float = 0.45
    norm_low: float = 10.0
    norm_high: float = 110.0
    weight: float = 35.0

    def check(self) -> None:
        """Refuse margins that are not in [0, pi / 2), and limits in the wrong order."""
        number("loss.margin", self.margin, 0, math.pi / 2, open_above=True)
        number("loss.margin_low", self.margin_low, 0, math.pi / 2, open_above=True)
        number("loss.norm_low", self.norm_low, 0, 1e6, open_below=True)
        number("loss.norm_high", self.norm_high, 0, 1e6, open_below=True)
        number("loss.weight", self.weight, 0, 1e6)
        if self.margin_low > self.margin:
            refuse(ConfigError(f"is {self.margin_low}, above loss.margin, {self.margin}", "loss.margin_low"))
        if self.norm_low >= self.norm_high:
            refuse(ConfigError(f"is {self.norm_low}, not below loss.norm_high, {self.norm_high}", "loss.norm_low"))

    def margins(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return m(a), float32 (n, 1), as large a share of it as the ramp has reached."""
        norms = ops.clip(batch.norms, self.norm_low, self.norm_high)
        share = (norms - self.norm_low) / (self.norm_high - self.norm_low)
        reached = batch.margin / self.margin if self.margin else 0.0
        return reached * (self.margin_low + (self.margin - self.margin_low) * share)

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return cos(theta + m(a)), continued beyond pi as ArcFace is."""
        return widened(batch.own, self.margins(batch))

    def penalty(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return the mean of lambda_g g(a)."""
        inside = ops.clip(batch.norms, self.norm_low, self.norm_high)
        slope = 1 / self.norm_high**2 - 1 / self.norm_low**2
        short = ops.minimum(batch.norms - self.norm_low, 0.0)
        return self.weight * ops.mean(1 / inside + inside / self.norm_high**2 + slope * short)
