"""CosFace: a margin subtracted from the cosine."""

from dataclasses import dataclass
from typing import ClassVar

import keras

from kface.checks import number
from train.losses.base import LOSSES, HeadBatch, Loss


@LOSSES.register
@dataclass(frozen=True)
class CosFace(Loss):
    """CosFace (Wang et al., 2018, equation 4): cos(theta) - m for the true class."""

    name: ClassVar[str] = "cosface"

    margin: float = 0.2

    def check(self) -> None:
        """Refuse a margin that is not in [0, 1)."""
        number("loss.margin", self.margin, 0, 1, open_above=True)

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return cos(theta) - m."""
        return batch.own - batch.margin
