"""Ends a training whose network no longer gets better on the people of the validation."""

import math
from collections.abc import Iterable, Mapping

import keras

from train import checkpoints, history
from train.context import TrainingContext


def exhausted(eers: Iterable[float], patience: int, least: float) -> bool:
    """Return whether the last `patience` of some EERs, in order, brought no new lowest one.

    Args:
        eers: From 0 to 1.
        patience: How many may fail to.
        least: By how much an EER must be lower than the lowest before.
    """
    lowest, waited = math.inf, 0
    for eer in eers:
        if eer < lowest - least:
            lowest, waited = eer, 0
        else:
            waited += 1
    return waited >= patience


class StopEarly(keras.callbacks.Callback):
    """Ends the training after an epoch; the run's state says so, and resuming it then trains no further.

    What it remembers is in ``history.csv``, so it goes on after a resume as if nothing had happened.

    Args:
        training: The training.
        patience: See :func:`exhausted`.
        least: See there.
    """

    def __init__(self, training: TrainingContext, patience: int, least: float) -> None:
        super().__init__()
        self.training = training
        self.patience = patience
        self.least = least

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Look at the history, which has this epoch's row by now."""
        if "validation_eer" not in (logs or {}) or epoch + 1 >= self.training.epochs:
            return
        rows = history.read_history(self.training.run_dir / history.FILE)
        eers = [float(row["validation_eer"]) for row in rows if row["validation_eer"]]
        if exhausted(eers, self.patience, self.least):
            self.training.memory.ended = True
            if self.training.writes:
                checkpoints.end(self.training.run_dir / checkpoints.FOLDER)
            self.model.stop_training = True
