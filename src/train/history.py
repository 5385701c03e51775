"""``history.csv``: a row per epoch, written during the training and read at its end and on resuming."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

import keras

from kface.errors import TrainingError
from kface.files import write_atomic

FILE = "history.csv"
#: The columns, and how their values are written.
FORMATS = {
    "epoch": "{:.0f}",
    "loss": "{:.6f}",
    "accuracy": "{:.6f}",
    "learning_rate": "{:.3e}",
    "margin": "{:.4f}",
    "images_per_second": "{:.1f}",
    "seconds": "{:.1f}",
    "memory_mib": "{:.0f}",
    "gpu_memory_mib": "{:.0f}",
    "validation_eer": "{:.6f}",
    "validation_tar": "{:.6f}",
    "validation_accuracy": "{:.6f}",
}
COLUMNS = tuple(FORMATS)
#: Those of earlier versions.
OLD_COLUMNS = COLUMNS[:7]
#: Columns that are empty where there is no GPU, and in epochs without a validation.
OPTIONAL = COLUMNS[7:]
#: Bytes of the longest history that is read.
LARGEST = 16 << 20


class History(keras.callbacks.Callback):
    """Writes the history; a resumed run keeps the rows of the finished epochs.

    It writes the figures that other callbacks have added to those of Keras: :class:`train.usage.Measures`, and the validation.

    Args:
        path: The file.
        first_epoch: Number of finished epochs.
    """

    def __init__(self, path: Path, first_epoch: int) -> None:
        super().__init__()
        self.path = path
        self.rows = [row for row in read_history(path) if int(row["epoch"]) <= first_epoch] if first_epoch else []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the epoch's row."""
        values = {"loss": math.nan, "accuracy": math.nan, **(logs or {}), "epoch": epoch + 1}
        self.rows.append(
            {key: form.format(float(values[key])) if key in values else "" for key, form in FORMATS.items()}
        )
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomic(self.path, text.getvalue().encode())


def read_history(path: Path) -> list[dict[str, str]]:
    """Return the rows of a ``history.csv`` in the order of their epochs; an empty list where the file does not exist.

    A file of an earlier version has fewer columns; the others are empty then.

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
    columns = next((known for known in (COLUMNS, OLD_COLUMNS) if lines and tuple(lines[0]) == known), COLUMNS)
    for number, line in enumerate(lines, 1):
        if number == 1 and tuple(line) == columns:
            continue
        try:
            row = {**dict.fromkeys(COLUMNS, ""), **dict(zip(columns, line, strict=True))}
            later = int(row["epoch"]) > (int(rows[-1]["epoch"]) if rows else 0)
            numbers = [value for key, value in row.items() if value or key not in OPTIONAL]
            right = number > 1 and later and all(value and float(value) is not None for value in numbers)
        except ValueError:
            right = False
        if not right:
            raise TrainingError(f"is damaged: line {number}", path, remedy)
        rows.append(row)
    return rows
