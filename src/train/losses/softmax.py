"""Normalised softmax: the loss without a margin."""

from dataclasses import dataclass
from typing import ClassVar

import keras

from kface.errors import ConfigError
from train.losses.base import LOSSES, HeadBatch, Loss


@LOSSES.register
@dataclass(frozen=True)
class Softmax(Loss):
    """Normalised Softmax (Wang et al., NormFace, 2017): scaled cosines without a margin."""

    name: ClassVar[str] = "softmax"

    def check(self) -> None:
        """Refuse a margin."""
        if self.margin != 0:
            raise ConfigError("softmax has no margin", "loss.margin", "use loss=arcface or loss=cosface")

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return the cosines unchanged."""
        return batch.own
