"""``steps.csv``: the figures of a training within its epochs."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras

from kface.checks import whole
from kface.files import write_atomic
from train import usage
from train.context import ClosingCallback, TrainingContext
from train.loggers.base import LOGGERS, LoggerSettings


@LOGGERS.register
@dataclass(frozen=True)
class Csv(LoggerSettings):
    """Logs loss, accuracy, margin and learning rate within the epochs, in ``steps.csv``.

    Args:
        every: Steps between two rows.
    """

    name: ClassVar[str] = "csv"

    every: int = 10

    def __post_init__(self) -> None:
        whole("logger.csv.every", self.every, 1)

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return the callback."""
        return [StepLog(training, self.every)]


class StepLog(ClosingCallback):
    """Writes ``steps.csv``, the running means of an epoch every few steps; the file is complete after every epoch.

    A resumed run keeps the rows of the finished epochs.

    Args:
        training: The training.
        every: Steps between two rows.
    """

    FILE = "steps.csv"
    COLUMNS = ("epoch", "step", "loss", "accuracy", "margin", "learning_rate")

    def __init__(self, training: TrainingContext, every: int) -> None:
        super().__init__()
        self.path = training.run_dir / self.FILE
        self.training = training
        self.every = every
        self.rows = _finished(self.path, training.first_epoch, training.first_step)
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Add a row."""
        step = self.training.step(self._epoch, batch) + 1
        if step % self.every:
            return
        figures = [float((logs or {}).get(key, math.nan)) for key in ("loss", "accuracy")]
        numbers = [f"{value:.6f}" for value in (*figures, float(self.training.head.margin))]
        self.rows.append([str(self._epoch + 1), str(step), *numbers, f"{usage.learning_rate(self.model):.3e}"])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the file."""
        self.close()

    def close(self) -> None:
        """Write the file, also where the training ends within an epoch."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([list(self.COLUMNS), *self.rows])
        write_atomic(self.path, text.getvalue().encode())


def _finished(path: Path, epochs: int, steps: int) -> list[list[str]]:
    """Return the rows of the finished epochs and of the finished steps of the next one.

    Lines that are not rows, of a damaged file or with the columns of an earlier version, are dropped.
    """
    if not (epochs or steps) or not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8", "replace").replace("\0", "")
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == len(StepLog.COLUMNS)]
    except csv.Error:
        return []
    numbered = [row for row in rows if row[0].isdecimal() and row[1].isdecimal()]
    return [
        row for row in numbered if 1 <= int(row[0]) <= epochs or (int(row[0]) == epochs + 1 and int(row[1]) <= steps)
    ]
