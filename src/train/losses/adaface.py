"""AdaFace: a margin that follows the quality of the image, which the norm of its embedding stands for."""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kface.checks import number
from train.losses.base import EPSILON, LOSSES, HeadBatch, Loss

#: Norms are kept inside these limits before they are averaged, as in the authors' code.
NORMS = (1e-3, 100.0)


@LOSSES.register
@dataclass(frozen=True)
class AdaFace(Loss):
    """AdaFace (Kim et al., 2022, section 3.3): cos(theta + g_angle) - g_add for the true class.

    With z = clip((norm - mean) / (std / h), -1, 1), g_angle = -m z and g_add = m z + m: images of low quality (z = -1) have
    ArcFace's margin, those of average quality CosFace's, and those of high quality a negative angular one. No gradient flows
    through z. Mean and standard deviation of the norms are running averages over the batches.

    Args:
        margin: m.
        h: How much of the norms' distribution lies between z = -1 and 1: at 0.333, about 68 % lie within +-0.333.
        momentum: Share of the old averages after a batch; the paper's alpha is 1 - momentum.
    """

    name: ClassVar[str] = "adaface"

    margin: float = 0.4
    h: float = 0.333
    momentum: float = 0.99

    def check(self) -> None:
        """Refuse a margin that is not in [0, 1), an h that is not in (0, 1] and a momentum that is not in [0, 1)."""
        number("loss.margin", self.margin, 0, 1, open_above=True)
        number("loss.h", self.h, 0, 1, open_below=True)
        number("loss.momentum", self.momentum, 0, 1, open_above=True)

    def state(self) -> dict[str, float]:
        """Return the running averages as the authors start them: with so wide a distribution, z is close to 0 at first."""
        return {"norm_mean": 20.0, "norm_std": 100.0}

    def update(self, batch: HeadBatch) -> None:
        """Update the running averages; the standard deviation is the unbiased one of the batch."""
        norms = ops.clip(ops.stop_gradient(batch.norms), *NORMS)
        mean = ops.mean(norms)
        count = ops.cast(ops.shape(norms)[0], "float32")
        std = ops.sqrt(ops.sum(ops.square(norms - mean)) / ops.maximum(count - 1, 1))
        for name, new in (("norm_mean", mean), ("norm_std", std)):
            old = batch.state[name]
            old.assign(self.momentum * old + (1 - self.momentum) * new)

    def quality(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return z, float32 (n, 1), from -1 to 1."""
        norms = ops.clip(ops.stop_gradient(batch.norms), *NORMS)
        spread = batch.state["norm_std"] + 1e-3
        return ops.clip(self.h * (norms - batch.state["norm_mean"]) / spread, -1, 1)

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return cos(theta + g_angle) - g_add, the angle kept between 0 and pi."""
        quality = self.quality(batch)
        angles = ops.arccos(batch.own) - batch.margin * quality
        angles = ops.clip(angles, EPSILON, math.pi - EPSILON)
        return ops.cos(angles) - batch.margin * (1 + quality)
