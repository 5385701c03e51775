"""Optimizers with the usual learning rate: a linear warm-up, then half a cosine down to a hundredth."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import keras

from kface.checks import number
from kface.errors import ConfigError
from train.registry import Registry

#: Parts of the names of weights without decay: those of normalisations, and biases.
NO_DECAY = ["gamma", "beta", "bias"]


def warmup_cosine(
    learning_rate: float, steps_per_epoch: int, epochs: int, warmup_epochs: float, final: float = 0.01
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate by step.

    Args:
        learning_rate: The highest.
        steps_per_epoch: Batches per epoch.
        epochs: Of the complete run.
        warmup_epochs: How long it rises linearly from (almost) 0.
        final: The last one, as a share of the highest.
    """
    warmup = int(warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate * 1e-3 if warmup else learning_rate,
        decay_steps=max(1, steps_per_epoch * epochs - warmup),
        alpha=final,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )


@dataclass(frozen=True)
class Optimizer(ABC):
    """Settings of an optimizer; called with steps per epoch, epochs and batch size, they make Keras's optimizer.

    Args:
        learning_rate: The highest, after the warm-up.
        weight_decay: Share of a weight subtracted per step, times the learning rate.
        warmup_epochs: Epochs in which the learning rate rises from 0.
        clip_norm: Largest norm of all gradients together; None for no limit.

    Raises:
        ConfigError: A value is out of its range.
    """

    #: Its name in conf/optimizer/.
    name: ClassVar[str]

    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    clip_norm: float | None

    def __post_init__(self) -> None:
        number("optimizer.learning_rate", self.learning_rate, 0, 1e38, open_below=True)
        number("optimizer.weight_decay", self.weight_decay, 0)
        number("optimizer.warmup_epochs", self.warmup_epochs, 0)
        if self.clip_norm is not None:
            number("optimizer.clip_norm", self.clip_norm, 0, open_below=True)

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
        optimizer = keras.optimizers.AdamW(
            warmup_cosine(self.learning_rate, steps_per_epoch, epochs, self.warmup_epochs),
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )
        optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
        return optimizer


@OPTIMIZERS.register
@dataclass(frozen=True)
class SGD(Optimizer):
    """SGD with momentum, for long runs. The learning rate is for a batch of 512 and scales with the batch size."""

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
        optimizer = keras.optimizers.SGD(
            warmup_cosine(self.learning_rate * batch_size / 512, steps_per_epoch, epochs, self.warmup_epochs),
            momentum=self.momentum,
            nesterov=False,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )
        optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
        return optimizer
