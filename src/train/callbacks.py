"""What happens between batches and epochs: the margin's ramp, the progress line, the history, the checkpoints."""

import csv
import io
import math
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import keras

from kface.files import write_atomic
from train import checkpoints
from train.heads import CosineHead

HISTORY = ("epoch", "loss", "accuracy", "learning_rate", "margin", "images_per_second", "seconds")


class MarginRamp(keras.callbacks.Callback):
    """Starts with the normalised softmax (margin 0) and ramps the margin up linearly, batch by batch.

    Args:
        head: Whose margin.
        start: Epochs, or a part of one, without a margin.
        full: Epochs after which the margin is whole.
        steps_per_epoch: Batches an epoch.
    """

    def __init__(self, head: CosineHead, start: float, full: float, steps_per_epoch: int) -> None:
        super().__init__()
        self.head = head
        self.start = start
        self.full = full
        self.steps_per_epoch = steps_per_epoch
        self._epoch = 0

    def margin_at(self, epochs_done: float) -> float:
        """Return the margin after so many epochs."""
        if self.full <= self.start:
            share = float(epochs_done >= self.start)
        else:
            share = min(1.0, max(0.0, (epochs_done - self.start) / (self.full - self.start)))
        return share * self.head.final_margin

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take note of the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the margin."""
        self.head.margin.assign(self.margin_at(self._epoch + batch / self.steps_per_epoch))


class History(keras.callbacks.Callback):
    """Writes ``history.csv``, a row an epoch; a resumed run keeps the rows of the epochs that are done."""

    def __init__(self, path: Path, head: CosineHead, images_per_epoch: int, first_epoch: int) -> None:
        super().__init__()
        self.path = path
        self.head = head
        self.images_per_epoch = images_per_epoch
        self.rows = [row for row in read_history(path) if int(row["epoch"]) <= first_epoch] if first_epoch else []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's row."""
        logs = logs or {}
        seconds = time.monotonic() - self._began
        values = {
            "epoch": epoch + 1,
            "loss": f"{float(logs.get('loss', math.nan)):.6f}",
            "accuracy": f"{float(logs.get('accuracy', math.nan)):.6f}",
            "learning_rate": f"{float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)):.3e}",
            "margin": f"{float(keras.ops.convert_to_numpy(self.head.margin)):.4f}",
            "images_per_second": f"{self.images_per_epoch / max(seconds, 1e-9):.1f}",
            "seconds": f"{seconds:.1f}",
        }
        self.rows.append({key: str(value) for key, value in values.items()})
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomic(self.path, text.getvalue().encode())


def read_history(path: Path) -> list[dict[str, str]]:
    """Return the rows of a ``history.csv``; none where there is no file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class Checkpoint(keras.callbacks.Callback):
    """Saves the run's whole state after every epoch."""

    def __init__(self, directory: Path, described: dict[str, Any]) -> None:
        super().__init__()
        self.directory = directory
        self.described = described

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save."""
        checkpoints.save(self.directory, self.model, epoch + 1, self.described)


class Progress(keras.callbacks.Callback):
    """A line of progress: epoch, loss, accuracy, images a second, time left.

    On a terminal the line renews itself; elsewhere there is one an epoch.
    """

    def __init__(self, epochs: int, steps_per_epoch: int, batch_size: int, stream: TextIO | None = None) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._epoch = 0
        self._done = 0
        self._began = 0.0
        self._shown = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take note of the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Renew the line, at most twice a second."""
        now = time.monotonic()
        if self._done == 0:
            # The first batch compiles the step: the clock starts behind it.
            self._began = now
        self._done += 1
        if self.live and now - self._shown > 0.5:
            self._shown = now
            self.stream.write("\r" + self._line(batch + 1, logs or {}, now) + "\x1b[K")
            self.stream.flush()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's line."""
        self.stream.write(("\r" if self.live else "") + self._line(self.steps_per_epoch, logs or {}, time.monotonic()))
        self.stream.write("\x1b[K\n" if self.live else "\n")
        self.stream.flush()

    def _line(self, step: int, logs: dict[str, Any], now: float) -> str:
        steps = max(self._done - 1, 1)
        rate = steps / max(now - self._began, 1e-9)
        left = (self.epochs - self._epoch) * self.steps_per_epoch - step
        return (
            f"epoch {self._epoch + 1}/{self.epochs}  step {step}/{self.steps_per_epoch}  "
            f"loss {float(logs.get('loss', math.nan)):.3f}  accuracy {float(logs.get('accuracy', math.nan)):.3f}  "
            f"{rate * self.batch_size:.0f} images/s  {_clock(left / rate)} left"
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
