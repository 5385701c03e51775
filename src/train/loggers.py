"""Where the figures of a training are logged, beside ``history.csv``: the loggers of ``conf/logger/``.

A logger does not change the weights, so a resumed run may use another one.
"""

import csv
import importlib.util
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras

from kface.checks import whole
from kface.errors import ConfigError
from kface.files import write_atomic
from train.callbacks import TrainingContext
from train.registry import Registry


@dataclass(frozen=True)
class LoggerSettings(ABC):
    """Settings of a logger; called with the training, they make its Keras callbacks."""

    #: Its name in conf/logger/.
    name: ClassVar[str]

    def check(self) -> None:
        """Raise ConfigError where a package that the logger needs is not installed."""
        return

    @abstractmethod
    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return the callbacks."""


LOGGERS: Registry[LoggerSettings] = Registry("logger", LoggerSettings)


@LOGGERS.register
@dataclass(frozen=True)
class NoLogger(LoggerSettings):
    """Logs nothing beside ``history.csv``."""

    name: ClassVar[str] = "none"

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return no callback."""
        return []


@LOGGERS.register
@dataclass(frozen=True)
class TensorBoard(LoggerSettings):
    """Logs loss, accuracy and learning rate for TensorBoard, in ``tensorboard/``.

    Args:
        histogram_epochs: Epochs between two histograms of the weights; 0 for none.
    """

    name: ClassVar[str] = "tensorboard"

    histogram_epochs: int = 0

    def __post_init__(self) -> None:
        whole("logger.histogram_epochs", self.histogram_epochs, 0)

    def check(self) -> None:
        """Raise ConfigError where TensorBoard is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("is not installed", "tensorboard", "run make setup, or add logger=none")

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return Keras's callback."""
        folder = str(training.run_dir / "tensorboard")
        return [keras.callbacks.TensorBoard(folder, histogram_freq=self.histogram_epochs, write_graph=False)]


@LOGGERS.register
@dataclass(frozen=True)
class Csv(LoggerSettings):
    """Logs loss, accuracy and margin within the epochs, in ``steps.csv``.

    Args:
        every: Steps between two rows.
    """

    name: ClassVar[str] = "csv"

    every: int = 10

    def __post_init__(self) -> None:
        whole("logger.every", self.every, 1)

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return the callback."""
        return [StepLog(training, self.every)]


class StepLog(keras.callbacks.Callback):
    """Writes ``steps.csv``, the running means of an epoch every few steps; the file is complete after every epoch.

    A resumed run keeps the rows of the finished epochs.

    Args:
        training: The training.
        every: Steps between two rows.
    """

    FILE = "steps.csv"
    COLUMNS = ("epoch", "step", "loss", "accuracy", "margin")

    def __init__(self, training: TrainingContext, every: int) -> None:
        super().__init__()
        self.path = training.run_dir / self.FILE
        self.head = training.head
        self.every = every
        self.rows = _finished(self.path, training.first_epoch)
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Add a row."""
        if (batch + 1) % self.every:
            return
        figures = [float((logs or {}).get(key, math.nan)) for key in ("loss", "accuracy")]
        margin = float(self.head.margin)
        numbers = [f"{value:.6f}" for value in (*figures, margin)]
        self.rows.append([str(self._epoch + 1), str(batch + 1), *numbers])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the file."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([list(self.COLUMNS), *self.rows])
        write_atomic(self.path, text.getvalue().encode())


def _finished(path: Path, first_epoch: int) -> list[list[str]]:
    """Return the rows of the finished epochs; lines that are not rows, of a damaged file, are dropped."""
    if not first_epoch or not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8", "replace").replace("\0", "")
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == len(StepLog.COLUMNS)]
    except csv.Error:
        return []
    return [row for row in rows if row[0].isdecimal() and 1 <= int(row[0]) <= first_epoch]
