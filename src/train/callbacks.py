"""What runs between batches and epochs: the margin ramp, the checkpoints, and the callbacks of ``conf/callbacks/``."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TextIO

import keras

from kface.checks import flag
from kface.errors import TrainingError
from kface.progress import Progress, clock
from train import checkpoints
from train.heads import CosineHead
from train.registry import Json, Registry


@dataclass(frozen=True)
class TrainingContext:
    """The training that a callback or a logger belongs to.

    Attributes:
        run_dir: The run's directory.
        head: The margin head.
        epochs: Of the complete run.
        first_epoch: Number of finished epochs; 0 unless the run is resumed.
        steps_per_epoch: Batches per epoch.
        batch_size: Images per batch.
    """

    run_dir: Path
    head: CosineHead
    epochs: int
    first_epoch: int
    steps_per_epoch: int
    batch_size: int


class ClosingCallback(keras.callbacks.Callback):
    """A callback that holds something open; Keras calls ``on_train_end`` only where the training succeeds."""

    def close(self) -> None:
        """Give it back; may be called more than once."""
        raise NotImplementedError


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
    """Ends the training where the loss is not finite; :func:`train.fit.train_run` then raises TrainingError."""

    name: ClassVar[str] = "stop_at_nan"

    def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
        """Return the callback."""
        return keras.callbacks.TerminateOnNaN()


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
        )


class MarginRamp(keras.callbacks.Callback):
    """Starts with the normalised softmax (margin 0) and raises the margin linearly, batch by batch.

    Where the loss has a ``scale_start``, the scale grows too, from the start of the run until the margin is complete.

    Args:
        head: The margin head.
        start: Epochs, or a part of one, without a margin.
        full: Epochs after which the margin is complete.
        steps_per_epoch: Batches per epoch.
    """

    def __init__(self, head: CosineHead, start: float, full: float, steps_per_epoch: int) -> None:
        super().__init__()
        self.head = head
        self.start = start
        self.full = full
        self.steps_per_epoch = steps_per_epoch
        self._epoch = 0

    def margin_at(self, epochs_done: float) -> float:
        """Return the margin after a number of epochs."""
        return _share(epochs_done, self.start, self.full) * self.head.final_margin

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Set the margin and the scale."""
        done = self._epoch + batch / self.steps_per_epoch
        self.head.ramp(_share(done, self.start, self.full), _share(done, 0, self.full))


def _share(done: float, start: float, full: float) -> float:
    """Return how far a ramp has come, 0 to 1."""
    return float(done >= start) if full <= start else min(1.0, max(0.0, (done - start) / (full - start)))


class Checkpoint(keras.callbacks.Callback):
    """Saves the complete state of the run after every epoch.

    Args:
        directory: The run's ``checkpoints``.
        described: What decides the run's weights.
    """

    def __init__(self, directory: Path, described: Mapping[str, Json]) -> None:
        super().__init__()
        self.directory = directory
        self.described = described

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save, unless the loss is not finite."""
        if math.isfinite(float((logs or {}).get("loss", 0.0))):
            checkpoints.save(self.directory, self.model, epoch + 1, self.described)


class TrainingProgress(ClosingCallback):
    """The progress of a training, and a permanent line for each epoch: loss, accuracy, images per second, time left.

    Args:
        epochs: Of the complete run.
        steps_per_epoch: Batches per epoch.
        batch_size: Images per batch.
        first_epoch: Number of finished epochs.
        stream: Where it is printed; standard error by default.
        enabled: False prints nothing.
    """

    def __init__(
        self,
        epochs: int,
        steps_per_epoch: int,
        batch_size: int,
        first_epoch: int = 0,
        stream: TextIO | None = None,
        enabled: bool = True,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        steps = (epochs - first_epoch) * steps_per_epoch
        self.progress = Progress(steps, "training", "steps", enabled=enabled, stream=stream)
        self.progress.note = "compiling the first step"
        self._epoch = first_epoch
        self._began = 0.0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Start the display."""
        self.progress.__enter__()

    def close(self) -> None:
        """End the line, however the training ended; may be called more than once."""
        complete = self.progress.done == self.progress.total
        self.progress.__exit__(None, None if complete else TrainingError("stopped"), None)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Count the step."""
        if self.progress.done == 0:
            # The first batch compiles the step, so the rate is measured from here.
            self._began = time.monotonic()
        self.progress.update()
        self.progress.note = self._figures(logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Print the epoch's line."""
        left = ((self.progress.total or 0) - self.progress.done) / self._rate()
        self.progress.milestone(f"{self._figures(logs or {})}  {clock(left)} left")

    def _rate(self) -> float:
        return max(self.progress.done - 1, 1) / max(time.monotonic() - self._began, 1e-9)

    def _figures(self, logs: Mapping[str, float]) -> str:
        return (
            f"epoch {self._epoch + 1}/{self.epochs}  "
            f"loss {float(logs.get('loss', math.nan)):.3f}  accuracy {float(logs.get('accuracy', math.nan)):.3f}  "
            f"{self._rate() * self.batch_size:.0f} images/s"
        )
