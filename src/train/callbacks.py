"""What runs between batches and epochs: the margin ramp, the checkpoints, and the callbacks of ``conf/callbacks/``."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import keras

from kface import checks
from kface.checks import flag, number, whole
from kface.errors import ConfigError
from train import checkpoints
from train.context import ClosingCallback, TrainingContext
from train.early_stopping import StopEarly
from train.heads import CosineHead
from train.nan import NanWatch
from train.position import Position
from train.progress_line import TrainingProgress
from train.registry import Registry
from train.stopping import SIGNALS, StopWhenSignalled

__all__ = [
    "CALLBACKS",
    "CallbackSettings",
    "Checkpoint",
    "ClosingCallback",
    "EarlyStopping",
    "MarginRamp",
    "ProgressLine",
    "StopAtNaN",
    "StopOnSignal",
    "TrainingContext",
    "TrainingProgress",
]


@dataclass(frozen=True)
class CallbackSettings(ABC):
    """Settings of a callback; called with the training, they make the Keras callback."""

    #: Its name in conf/callbacks/*.yaml.
    name: ClassVar[str]
    #: Whether it runs on every host, as what changes the training does; else on the first alone.
    everywhere: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
        """Return the callback; a :class:`ClosingCallback` is closed however the training ends."""


CALLBACKS: Registry[CallbackSettings] = Registry("callbacks", CallbackSettings)


@CALLBACKS.register
@dataclass(frozen=True)
class StopAtNaN(CallbackSettings):
    """Ends the training at the step whose loss or gradient is not finite, and keeps the batch in the run's ``nan/``."""

    name: ClassVar[str] = "stop_at_nan"

    def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
        """Return the callback."""
        return NanWatch(training)


@CALLBACKS.register
@dataclass(frozen=True)
class StopOnSignal(CallbackSettings):
    """Saves the run at the next step after a signal and ends the training; it can be resumed from there.

    Where several hosts train together, a signal has its usual effect, and the last epoch's checkpoint remains.

    Args:
        signals: Names of signals, of :data:`train.stopping.SIGNALS`.
    """

    name: ClassVar[str] = "stop_on_signal"

    signals: tuple[str, ...] = ("TERM", "INT")

    def __post_init__(self) -> None:
        given = self.signals
        if isinstance(given, str) or not all(name in SIGNALS for name in given):
            checks.refuse(
                ConfigError(
                    f"must be a list of {', '.join(SIGNALS)}, not {given!r}", "callbacks.stop_on_signal.signals"
                )
            )
        else:
            object.__setattr__(self, "signals", tuple(given))

    def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
        """Return the callback."""
        # Several hosts would have to agree on the step.
        return StopWhenSignalled(self.signals if training.host[1] == 1 else (), training)


@CALLBACKS.register
@dataclass(frozen=True)
class EarlyStopping(CallbackSettings):
    """Ends the training where the EER on the people of ``fit.validation`` no longer falls.

    Args:
        patience: Validations in a row without a new lowest EER.
        least: By how much the EER must fall to count as lower.
    """

    name: ClassVar[str] = "early_stopping"

    patience: int = 5
    least: float = 0.0

    def __post_init__(self) -> None:
        whole("callbacks.early_stopping.patience", self.patience, 1)
        number("callbacks.early_stopping.least", self.least, 0, 1)

    def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
        """Return the callback."""
        return StopEarly(training, self.patience, self.least)


@CALLBACKS.register
@dataclass(frozen=True)
class ProgressLine(CallbackSettings):
    """Reports the progress on standard error, with a line for each epoch.

    Args:
        enabled: False prints nothing.
    """

    name: ClassVar[str] = "progress"
    everywhere: ClassVar[bool] = False

    enabled: bool = True

    def __post_init__(self) -> None:
        flag("callbacks.progress.enabled", self.enabled)

    def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
        """Return the callback."""
        return TrainingProgress(
            training.epochs,
            training.steps_per_epoch,
            training.batch_size,
            training.first_epoch,
            enabled=self.enabled,
            first_step=training.first_step,
        )


class MarginRamp(keras.callbacks.Callback):
    """Starts with the normalised softmax (margin 0) and raises the margin linearly, batch by batch.

    Where the loss has a ``scale_start``, the scale grows too, from the start of the run until the margin is complete.

    Args:
        head: The margin head.
        start: Epochs, or a part of one, without a margin.
        full: Epochs after which the margin is complete.
        steps_per_epoch: Batches per epoch.
        first_epoch: Number of finished epochs of a resumed run.
        first_step: Number of finished steps of the next one.
    """

    def __init__(
        self,
        head: CosineHead,
        start: float,
        full: float,
        steps_per_epoch: int,
        first_epoch: int = 0,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self.head = head
        self.start = start
        self.full = full
        self.steps_per_epoch = steps_per_epoch
        self.first_epoch = first_epoch
        self.first_step = first_step
        self._epoch = 0

    def margin_at(self, epochs_done: float) -> float:
        """Return the margin after a number of epochs."""
        return _share(epochs_done, self.start, self.full) * self.head.final_margin

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Set the margin and the scale."""
        # Keras counts from 0 where a run is resumed within an epoch.
        step = batch + (self.first_step if self._epoch == self.first_epoch else 0)
        done = self._epoch + step / self.steps_per_epoch
        self.head.ramp(_share(done, self.start, self.full), _share(done, 0, self.full))


def _share(done: float, start: float, full: float) -> float:
    """Return how far a ramp has come, 0 to 1."""
    return float(done >= start) if full <= start else min(1.0, max(0.0, (done - start) / (full - start)))


class Checkpoint(keras.callbacks.Callback):
    """Saves the complete state of the run after every epoch.

    Args:
        training: The training.
    """

    def __init__(self, training: TrainingContext) -> None:
        super().__init__()
        self.training = training

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save, unless the loss is not finite."""
        if math.isfinite(float((logs or {}).get("loss", 0.0))):
            position = Position.of(self.model, epoch + 1)
            folder = self.training.run_dir / checkpoints.FOLDER
            checkpoints.save(folder, self.model, position, self.training.described, self.training.memory)
