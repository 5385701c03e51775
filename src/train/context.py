"""The training that callbacks and loggers belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import keras

from kface.data.dataset import DatasetManifest
from train.batches import Batches
from train.checkpoints import RunMemory
from train.heads import CosineHead
from train.registry import Json
from train.usage import Measures


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
        first_step: Number of finished steps of the next epoch; 0 unless the run is resumed within one.
        manifest: The data set.
        subjects: The identities that are trained on, in the order of their labels.
        described: What decides the run's weights.
        measures: Counts the steps of an epoch.
        memory: What the run's state holds beside the position.
        batches: Makes batches again.
        host: Number of this host, from 0, and of hosts that train together.
    """

    run_dir: Path
    head: CosineHead
    epochs: int
    first_epoch: int
    steps_per_epoch: int
    batch_size: int
    first_step: int = 0
    manifest: DatasetManifest | None = None
    subjects: tuple[str, ...] = ()
    described: Mapping[str, Json] = field(default_factory=dict)
    measures: Measures | None = None
    memory: RunMemory = field(default_factory=RunMemory)
    batches: Batches | None = None
    host: tuple[int, int] = (0, 1)

    @property
    def writes(self) -> bool:
        """Whether this host writes the run's directory."""
        return self.host[0] == 0

    def step(self, epoch: int, batch: int) -> int:
        """Return the step of an epoch, from 0, of Keras's batch number, which begins at 0 where a run is resumed."""
        return batch + (self.first_step if epoch == self.first_epoch else 0)


class ClosingCallback(keras.callbacks.Callback):
    """A callback that holds something open; Keras calls ``on_train_end`` only where the training succeeds."""

    def close(self) -> None:
        """Give it back; may be called more than once."""
        raise NotImplementedError
