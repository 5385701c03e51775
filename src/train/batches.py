"""The batches of one training, from any of its steps on, and single ones of them again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from kface.alignment import SIZE
from train import pipeline
from train.augment import Augmentation
from train.distil import Targets
from train.pipeline import TrainingSplit
from train.samplers import Sampler


@dataclass(frozen=True)
class Batches:
    """The batches of one training.

    Attributes:
        split: What is trained on.
        batch_size: Images per step, of all hosts together.
        images_per_epoch: Images per epoch.
        epochs: Of the complete run.
        seed: Of the order and the augmentations.
        augmentation: Changes to the images; None for no changes.
        learnt: The teacher's embeddings, which are beside the labels then; None without a teacher.
        host: Number of this host, and of hosts.
        sampler: Draws the images of each epoch; None for each image once.
    """

    split: TrainingSplit
    batch_size: int
    images_per_epoch: int
    epochs: int
    seed: int
    augmentation: Augmentation | None
    learnt: Targets | None = None
    host: tuple[int, int] = (0, 1)
    sampler: Sampler | None = None

    def __call__(self, epoch: int, step: int) -> tf.data.Dataset:
        """Return what the model sees from a step of an epoch on; both count from 0."""
        made = self._made(epoch, step, self.augmentation, self.learnt is not None)
        return made if self.learnt is None else self.learnt.joined(made)

    def again(self, epoch: int, step: int, augmented: bool = True, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and labels of a step again.

        Args:
            epoch: From 0.
            step: Of the epoch, from 0.
            augmented: Whether the images are augmented.
            count: Batches in a row, as one.

        Returns:
            float32 (n, size, size, 3), RGB, normalised, and int32 (n,).
        """
        made = self._made(epoch, step, self.augmentation if augmented else None, False).take(count)
        parts = list(made.as_numpy_iterator())
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def seen(self, epoch: int, step: int) -> tuple[object, object]:
        """Return what the model saw of a step: images, and labels or labels with the teacher's embeddings."""
        images, labels = next(iter(self(epoch, step).take(1)))
        return images, labels

    def images(self, epoch: int, count: int) -> Iterator[tf.Tensor]:
        """Yield the images of the first batches of an epoch, also of several hosts complete: statistics of parts are others."""
        for images, _ in replace(self, host=(0, 1))(epoch, 0).take(count):
            yield images

    def _made(self, epoch: int, step: int, augmentation: Augmentation | None, numbered: bool) -> tf.data.Dataset:
        return pipeline.batches(
            self.split,
            self.batch_size,
            self.images_per_epoch,
            self.epochs,
            self.seed,
            epoch,
            augmentation,
            SIZE,
            sampler=self.sampler,
            numbered=numbered,
            host=self.host,
            first_step=step,
        )
