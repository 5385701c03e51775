"""What happens between batches and epochs: the margin's ramp, the progress line, the history, the checkpoints."""

import csv
import io
import math
import time
from pathlib import Path
from typing import Any, TextIO

import keras

from kface.errors import TrainingError
from kface.files import write_atomic
from kface.progress import Progress, clock
from train import checkpoints
from train.heads import CosineHead

HISTORY = ("epoch", "loss", "accuracy", "learning_rate", "margin", "images_per_second", "seconds")
#: Bytes of the longest history that is read.
LARGEST = 16 << 20


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
    """Return the rows of a ``history.csv``, the epochs in order; none where there is no file.

    Raises:
        TrainingError: It cannot be read, or a line (named) is not one of ours.
    """
    remedy = "move it away; the run goes on without the rows of the epochs so far"
    if not path.exists():
        return []
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise TrainingError("is not a history of a training", path, remedy)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TrainingError(f"cannot be read ({error.strerror or error})", path, remedy)
    except UnicodeDecodeError:
        raise TrainingError("is damaged: not UTF-8", path, remedy)
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise TrainingError(f"is damaged: {error}", path, remedy)
    rows: list[dict[str, str]] = []
    for number, line in enumerate(lines, 1):
        if number == 1 and tuple(line) == HISTORY:
            continue
        try:
            row = dict(zip(HISTORY, line, strict=True))
            later = int(row["epoch"]) > (int(rows[-1]["epoch"]) if rows else 0)
            right = number > 1 and later and all(value and float(value) is not None for value in row.values())
        except ValueError:
            right = False
        if not right:
            raise TrainingError(f"is damaged: line {number}", path, remedy)
        rows.append(row)
    return rows


class Checkpoint(keras.callbacks.Callback):
    """Saves the run's whole state after every epoch."""

    def __init__(self, directory: Path, described: dict[str, Any]) -> None:
        super().__init__()
        self.directory = directory
        self.described = described

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save, unless the weights are no numbers any more."""
        if math.isfinite(float((logs or {}).get("loss", 0.0))):
            checkpoints.save(self.directory, self.model, epoch + 1, self.described)


class TrainingProgress(keras.callbacks.Callback):
    """The progress of a training, and a line that stays for each epoch: loss, accuracy, images a second, time left.

    Args:
        epochs: Of the whole run.
        steps_per_epoch: Batches an epoch.
        batch_size: Images a batch.
        first_epoch: Epochs that are done already.
        stream: Where to; standard error by default.
    """

    def __init__(
        self, epochs: int, steps_per_epoch: int, batch_size: int, first_epoch: int = 0, stream: TextIO | None = None
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        self.progress = Progress((epochs - first_epoch) * steps_per_epoch, "training", "steps", stream=stream)
        self.progress.note = "the first step is being compiled"
        self._epoch = first_epoch
        self._began = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self.progress.__enter__()

    def close(self) -> None:
        """End the line, however the training ended; may be called more than once."""
        complete = self.progress.done == self.progress.total
        self.progress.__exit__(None, None if complete else TrainingError("stopped"), None)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take note of the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step."""
        if self.progress.done == 0:
            # The first batch compiles the step: the rate is measured from here.
            self._began = time.monotonic()
        self.progress.update()
        self.progress.note = self._figures(logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's line."""
        left = ((self.progress.total or 0) - self.progress.done) / self._rate()
        self.progress.milestone(f"{self._figures(logs or {})}  {clock(left)} left")

    def _rate(self) -> float:
        return max(self.progress.done - 1, 1) / max(time.monotonic() - self._began, 1e-9)

    def _figures(self, logs: dict[str, Any]) -> str:
        return (
            f"epoch {self._epoch + 1}/{self.epochs}  "
            f"loss {float(logs.get('loss', math.nan)):.3f}  accuracy {float(logs.get('accuracy', math.nan)):.3f}  "
            f"{self._rate() * self.batch_size:.0f} images/s"
        )
