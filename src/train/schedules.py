"""The learning rate by step: a linear warm-up, then one of several ways down."""

from collections.abc import Sequence

import keras
from keras import ops

#: Where the warm-up begins, as a share of the highest rate.
BEGINNING = 1e-3
SCHEDULES = ("cosine", "step", "polynomial")


def warmup_cosine(
    learning_rate: float, steps_per_epoch: int, epochs: int, warmup_epochs: float, final: float = 0.01
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return half a cosine down to a share of the highest rate (Loshchilov and Hutter, SGDR, 2017, without restarts).

    Args:
        learning_rate: The highest.
        steps_per_epoch: Batches per epoch.
        epochs: Of the complete run.
        warmup_epochs: How long it rises linearly from (almost) 0.
        final: The last one, as a share of the highest.
    """
    warmup = int(warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate * BEGINNING if warmup else learning_rate,
        decay_steps=max(1, steps_per_epoch * epochs - warmup),
        alpha=final,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )


class _Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up from :data:`BEGINNING`, then :meth:`share` of the highest rate.

    Args:
        learning_rate: The highest.
        steps: Of the complete run.
        warmup: Steps of the warm-up.
    """

    def __init__(self, learning_rate: float, steps: int, warmup: int) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.steps = steps
        self.warmup = warmup

    def share(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return the rate after the warm-up, as a share of the highest."""
        raise NotImplementedError

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return the rate of a step, float32."""
        step = ops.cast(step, "float32")
        rising = BEGINNING + (1 - BEGINNING) * step / max(self.warmup, 1)
        return self.learning_rate * ops.where(step < self.warmup, rising, self.share(step))

    def get_config(self) -> dict[str, object]:
        """Return the arguments."""
        return {"learning_rate": self.learning_rate, "steps": self.steps, "warmup": self.warmup}


class StepDecay(_Warmup):
    """Multiplies the rate by a factor at given points of the run (He et al., Deep residual learning, 2016; ArcFace's recipe).

    Args:
        learning_rate: The highest.
        steps: Of the complete run.
        warmup: Steps of the warm-up.
        drops: The points, as shares of the complete run.
        factor: What the rate is multiplied by at each.
    """

    def __init__(self, learning_rate: float, steps: int, warmup: int, drops: Sequence[float], factor: float) -> None:
        super().__init__(learning_rate, steps, warmup)
        self.drops = tuple(drops)
        self.factor = factor

    def share(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return the product of the factors so far."""
        rate = ops.ones_like(step)
        for drop in self.drops:
            rate = ops.where(step < drop * self.steps, rate, rate * self.factor)
        return rate

    def get_config(self) -> dict[str, object]:
        """Return the arguments."""
        return {**super().get_config(), "drops": self.drops, "factor": self.factor}


class PolynomialDecay(_Warmup):
    """Falls as a power of what is left of the run; with power 2 and final 0 the schedule of insightface's arcface_torch.

    Args:
        learning_rate: The highest.
        steps: Of the complete run.
        warmup: Steps of the warm-up.
        power: The exponent.
        final: The last rate, as a share of the highest.
    """

    def __init__(self, learning_rate: float, steps: int, warmup: int, power: float, final: float) -> None:
        super().__init__(learning_rate, steps, warmup)
        self.power = power
        self.final = final

    def share(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Return final + (1 - final) (1 - progress) ** power."""
        left = 1 - ops.clip((step - self.warmup) / max(self.steps - self.warmup, 1), 0.0, 1.0)
        return self.final + (1 - self.final) * left**self.power

    def get_config(self) -> dict[str, object]:
        """Return the arguments."""
        return {**super().get_config(), "power": self.power, "final": self.final}
