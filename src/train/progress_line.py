"""The progress of a training on standard error: one line that is redrawn, and a permanent one for each epoch."""

import math
import time
from collections.abc import Mapping
from typing import TextIO

from kface.errors import TrainingError
from kface.progress import Progress, clock
from train import usage
from train.context import ClosingCallback

#: Seconds between two looks at what the line shows beside loss and accuracy.
EVERY = 0.5


class TrainingProgress(ClosingCallback):
    """The progress of a training, and a permanent line for each epoch.

    Both show loss, accuracy, learning rate, images per second and memory; the epoch's line also the EER of a validation, and
    the time that is left.

    Args:
        epochs: Of the complete run.
        steps_per_epoch: Batches per epoch.
        batch_size: Images per batch.
        first_epoch: Number of finished epochs.
        stream: Where it is printed; standard error by default.
        enabled: False prints nothing.
        first_step: Number of finished steps of the next epoch.
    """

    def __init__(
        self,
        epochs: int,
        steps_per_epoch: int,
        batch_size: int,
        first_epoch: int = 0,
        stream: TextIO | None = None,
        enabled: bool = True,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        steps = (epochs - first_epoch) * steps_per_epoch - first_step
        self.progress = Progress(steps, "training", "steps", enabled=enabled, stream=stream)
        self.progress.note = "compiling the first step"
        self._epoch = first_epoch
        self._began = 0.0
        self._used = ""
        self._looked = -math.inf

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
        now = time.monotonic()
        # The learning rate follows from a schedule, which takes time to compute: not at every step of a small network.
        if now >= self._looked + EVERY or not self._used:
            self._looked = now
            rate = f"lr {usage.learning_rate(self.model):.1e}  " if getattr(self, "model", None) is not None else ""
            self._used = f"{rate}memory {usage.memory()}"
        self.progress.note = self._figures(logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Print the epoch's line."""
        left = ((self.progress.total or 0) - self.progress.done) / self._rate()
        eer = (logs or {}).get("validation_eer")
        validated = "" if eer is None else f"  EER {100 * eer:.1f} %"
        self.progress.milestone(f"{self._figures(logs or {})}{validated}  {clock(left)} left")

    def _rate(self) -> float:
        return max(self.progress.done - 1, 1) / max(time.monotonic() - self._began, 1e-9)

    def _figures(self, logs: Mapping[str, float]) -> str:
        # The first step is compiled, and says nothing about the others.
        speed = f"{self._rate() * self.batch_size:.0f} images/s  " if self.progress.done > 1 else ""
        line = (
            f"epoch {self._epoch + 1}/{self.epochs}  "
            f"loss {float(logs.get('loss', math.nan)):.3f}  accuracy {float(logs.get('accuracy', math.nan)):.3f}  "
            f"{speed}{self._used}"
        )
        return line.rstrip()
