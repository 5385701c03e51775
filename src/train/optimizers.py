"""Optimizers: which weights decay, how the learning rate falls, and whether the weights are averaged."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from kface.checks import number, refuse
from kface.errors import ConfigError
from train import one_pass
from train.averaging import with_average
from train.registry import Registry
from train.schedules import SCHEDULES, PolynomialDecay, StepDecay, warmup_cosine

#: Parts of the names of weights without decay: those of normalisations, biases, and PReLU's slopes (He et al., 2015, section
#: 2.2). Kernels are decayed, depthwise ones too.
NO_DECAY = ["gamma", "beta", "bias", "alpha"]


@dataclass(frozen=True)
class Optimizer(ABC):
    """Settings of an optimizer; called with steps per epoch, epochs and batch size, they make Keras's optimizer.

    Args:
        learning_rate: The highest, after the warm-up.
        weight_decay: Share of a weight subtracted per step, times the learning rate.
        warmup_epochs: Epochs in which the learning rate rises from 0.
        clip_norm: Largest norm of all gradients together; None for no limit.
        schedule: How the learning rate falls after the warm-up: cosine, step or polynomial (:mod:`train.schedules`).
        final_rate: The last rate of cosine and polynomial, as a share of the highest.
        drops: Where step lowers the rate, as shares of the run.
        drop_factor: What step multiplies the rate by.
        power: Polynomial's exponent.
        average: Momentum of the moving average of the weights (:mod:`train.averaging`), 0 for none.

    Raises:
        ConfigError: A value is out of its range.
    """

    #: Its name in conf/optimizer/.
    name: ClassVar[str]

    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    clip_norm: float | None
    schedule: str = "cosine"
    final_rate: float = 0.01
    drops: Any = (0.5, 0.75, 0.9)
    drop_factor: float = 0.1
    power: float = 2.0
    average: float = 0.0

    def __post_init__(self) -> None:
        number("optimizer.learning_rate", self.learning_rate, 0, 1e38, open_below=True)
        number("optimizer.weight_decay", self.weight_decay, 0)
        number("optimizer.warmup_epochs", self.warmup_epochs, 0)
        if self.clip_norm is not None:
            number("optimizer.clip_norm", self.clip_norm, 0, open_below=True)
        if self.schedule not in SCHEDULES:
            refuse(
                ConfigError(
                    f"unknown schedule {self.schedule!r}",
                    "optimizer.schedule",
                    f"choose one of: {', '.join(SCHEDULES)}",
                )
            )
        number("optimizer.final_rate", self.final_rate, 0, 1)
        # The configuration's lists become what a description holds.
        object.__setattr__(self, "drops", _shares("optimizer.drops", self.drops))
        number("optimizer.drop_factor", self.drop_factor, 0, 1, open_below=True)
        number("optimizer.power", self.power, 0, 16, open_below=True)
        number("optimizer.average", self.average, 0, 1, open_above=True)

    def rate(
        self, highest: float, steps_per_epoch: int, epochs: int
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the learning rate by step, for the highest rate of this run."""
        steps, warmup = steps_per_epoch * epochs, int(self.warmup_epochs * steps_per_epoch)
        if self.schedule == "step":
            return StepDecay(highest, steps, warmup, self.drops, self.drop_factor)
        if self.schedule == "polynomial":
            return PolynomialDecay(highest, steps, warmup, self.power, self.final_rate)
        return warmup_cosine(highest, steps_per_epoch, epochs, self.warmup_epochs, self.final_rate)

    def check_epochs(self, epochs: int) -> None:
        """Raise ConfigError where a run of this many epochs ends within the warm-up."""
        if not self.warmup_epochs < max(epochs, 1e-9):
            raise ConfigError(
                f"must be less than fit.epochs ({epochs}), not {self.warmup_epochs}", "optimizer.warmup_epochs"
            )

    @abstractmethod
    def __call__(self, steps_per_epoch: int, epochs: int, batch_size: int) -> keras.optimizers.Optimizer:
        """Return the optimizer; raises ConfigError where the run ends within the warm-up."""


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer)


@OPTIMIZERS.register
@dataclass(frozen=True)
class AdamW(Optimizer):
    """AdamW, for short runs. The learning rate does not depend on the batch size."""

    name: ClassVar[str] = "adamw"

    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 0.5
    clip_norm: float | None = 5.0

    def __call__(self, steps_per_epoch: int, epochs: int, batch_size: int) -> keras.optimizers.Optimizer:
        """Return the optimizer."""
        del batch_size
        self.check_epochs(epochs)
        optimizer = with_average(one_pass.AdamW, self.average)(
            self.rate(self.learning_rate, steps_per_epoch, epochs),
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )
        optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
        return optimizer


@OPTIMIZERS.register
@dataclass(frozen=True)
class SGD(Optimizer):
    """SGD with momentum, for long runs. The learning rate is for a batch of 512 and scales with the batch size.

    The decay is subtracted from the weights themselves (Loshchilov and Hutter, 2019), as in AdamW. PyTorch, and with it
    the recipes of most papers, adds it to the gradient, where a momentum of 0.9 makes it act ten times as strongly.
    """

    name: ClassVar[str] = "sgd"

    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    warmup_epochs: float = 1.0
    clip_norm: float | None = None
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        number("optimizer.momentum", self.momentum, 0, 1, open_above=True)

    def __call__(self, steps_per_epoch: int, epochs: int, batch_size: int) -> keras.optimizers.Optimizer:
        """Return the optimizer."""
        self.check_epochs(epochs)
        optimizer = with_average(one_pass.SGD, self.average)(
            self.rate(self.learning_rate * batch_size / 512, steps_per_epoch, epochs),
            momentum=self.momentum,
            nesterov=False,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )
        optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
        return optimizer


def _shares(key: str, value: Any) -> tuple[float, ...]:
    try:
        shares = tuple(value)
    except TypeError:
        refuse(ConfigError(f"must be a list of numbers from 0 to 1, not {value!r}", key))
        return ()
    return tuple(number(key, share, 0, 1) for share in shares)
