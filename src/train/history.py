"""``history.csv``: a row per epoch, written during the training and read at its end and on resuming."""

import csv
import io
import math
import time
from collections.abc import Mapping
from pathlib import Path

import keras

from kface.errors import TrainingError
from kface.files import write_atomic
from train.heads import CosineHead

FILE = "history.csv"
COLUMNS = ("epoch", "loss", "accuracy", "learning_rate", "margin", "images_per_second", "seconds")
#: Bytes of the longest history that is read.
LARGEST = 16 << 20


class History(keras.callbacks.Callback):
    """Writes the history; a resumed run keeps the rows of the finished epochs.

    Args:
        path: The file.
        head: Its margin is recorded.
        images_per_epoch: For the images per second.
        first_epoch: Number of finished epochs.
    """

    def __init__(self, path: Path, head: CosineHead, images_per_epoch: int, first_epoch: int) -> None:
        super().__init__()
        self.path = path
        self.head = head
        self.images_per_epoch = images_per_epoch
        self.rows = [row for row in read_history(path) if int(row["epoch"]) <= first_epoch] if first_epoch else []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the time."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the epoch's row."""
        logs = logs or {}
        seconds = time.monotonic() - self._began
        values = {
            "epoch": epoch + 1,
            "loss": f"{float(logs.get('loss', math.nan)):.6f}",
            "accuracy": f"{float(logs.get('accuracy', math.nan)):.6f}",
            "learning_rate": f"{float(self.model.optimizer.learning_rate):.3e}",
            "margin": f"{float(self.head.margin):.4f}",
            "images_per_second": f"{self.images_per_epoch / max(seconds, 1e-9):.1f}",
            "seconds": f"{seconds:.1f}",
        }
        self.rows.append({key: str(value) for key, value in values.items()})
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomic(self.path, text.getvalue().encode())


def read_history(path: Path) -> list[dict[str, str]]:
    """Return the rows of a ``history.csv`` in the order of their epochs; an empty list where the file does not exist.

    Raises:
        TrainingError: It cannot be read, or one of its lines, whose number is reported, is damaged.
    """
    remedy = "move it away; the run then continues without the rows of its finished epochs"
    if not path.exists():
        return []
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise TrainingError("is not the history of a training", path, remedy)
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
        if number == 1 and tuple(line) == COLUMNS:
            continue
        try:
            row = dict(zip(COLUMNS, line, strict=True))
            later = int(row["epoch"]) > (int(rows[-1]["epoch"]) if rows else 0)
            right = number > 1 and later and all(value and float(value) is not None for value in row.values())
        except ValueError:
            right = False
        if not right:
            raise TrainingError(f"is damaged: line {number}", path, remedy)
        rows.append(row)
    return rows
