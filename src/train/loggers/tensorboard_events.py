"""TensorBoard: figures, pictures of what is trained on, and the embeddings of people who are not."""

import csv
import io
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from kface.checks import whole
from kface.data.dataset import DatasetManifest, read, read_captures
from kface.data.layout import Capture
from kface.files import write_atomic
from kface.images import encode_png
from train import pictures, usage
from train.context import ClosingCallback, TrainingContext
from train.loggers.base import LOGGERS, LoggerSettings, need
from train.trained import KerasEmbedder

FOLDER = "tensorboard"
#: By the name of a figure, its tag; figures that are not here are not of an epoch.
TAGS = {
    "loss": "epoch/loss",
    "accuracy": "epoch/accuracy",
    "learning_rate": "epoch/learning_rate",
    "margin": "epoch/margin",
    "images_per_second": "epoch/images_per_second",
    "memory_mib": "memory/process_mib",
    "gpu_memory_mib": "memory/gpu_mib",
    "validation_eer": "validation/eer",
    "validation_tar": "validation/tar_at_far_1e-2",
    "validation_accuracy": "validation/accuracy",
}
#: Images from which the mean faces are taken, and identities that have one.
MEAN_IMAGES = 256
MEAN_FACES = 15
#: Side of an image in the projector, and of the sprite that holds them all at most: browsers refuse larger ones.
SPRITE = 48
SPRITE_SIDE = 8192


@LOGGERS.register
@dataclass(frozen=True)
class TensorBoard(LoggerSettings):
    """Logs for TensorBoard, in ``tensorboard/``.

    Scalars: loss, accuracy, learning rate, margin, throughput, memory and validation. Images: the first batch before and after
    the augmentation with the points of the alignment, and mean faces, which are sharp where the alignment is right. Projector:
    the embeddings of test people after the training.

    Args:
        every: Steps between two figures within an epoch.
        histogram_epochs: Epochs between two histograms of the weights; 0 for none.
        faces: Faces of the first batch that are shown; 0 for no pictures.
        projector: Faces of the test people in the projector; 0 for none.
    """

    name: ClassVar[str] = "tensorboard"

    every: int = 10
    histogram_epochs: int = 0
    faces: int = 16
    projector: int = 300

    def __post_init__(self) -> None:
        whole("logger.tensorboard.every", self.every, 1)
        whole("logger.tensorboard.histogram_epochs", self.histogram_epochs, 0)
        whole("logger.tensorboard.faces", self.faces, 0, 1024)
        whole("logger.tensorboard.projector", self.projector, 0, (SPRITE_SIDE // SPRITE) ** 2)

    def check(self) -> None:
        """Raise ConfigError where TensorBoard is not installed."""
        need("tensorboard", "run make setup, or add logger=none")

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return the callback."""
        return [TensorBoardLog(training, self)]

    def finish(self, run_dir: Path, manifest: DatasetManifest, network: keras.Model) -> None:
        """Write the files of the projector."""
        if self.projector:
            project(run_dir / FOLDER, manifest, network, self.projector)


class TensorBoardLog(ClosingCallback):
    """Writes the events of a training.

    Args:
        training: The training.
        settings: What is logged.
    """

    def __init__(self, training: TrainingContext, settings: TensorBoard) -> None:
        super().__init__()
        self.training = training
        self.settings = settings
        self.writer: tf.summary.SummaryWriter | None = None
        self._epoch = training.first_epoch

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.training.run_dir / FOLDER))
        with self.writer.as_default():
            yield

    def close(self) -> None:
        """Complete the file; may be called more than once."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Draw what is trained on."""
        begun = self.training.first_epoch or self.training.first_step
        if self.settings.faces and self.training.batches is not None and not begun:
            with self._writing():
                for tag, picture in drawn(self.training, self.settings.faces).items():
                    tf.summary.image(tag, picture[np.newaxis], step=0)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the figures of a step."""
        step = self.training.step(self._epoch, batch) + 1
        if step % self.settings.every:
            return
        with self._writing():
            total = self._epoch * self.training.steps_per_epoch + step
            for name in ("loss", "accuracy"):
                if name in (logs or {}):
                    tf.summary.scalar(f"step/{name}", float((logs or {})[name]), step=total)
            tf.summary.scalar("step/learning_rate", usage.learning_rate(self.model), step=total)
            tf.summary.scalar("step/margin", float(self.training.head.margin), step=total)
            if self.training.measures is not None:
                tf.summary.scalar("step/images_per_second", self.training.measures.images_per_second, step=total)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the figures of the epoch."""
        total = (epoch + 1) * self.training.steps_per_epoch
        with self._writing():
            for name, value in (logs or {}).items():
                if name in TAGS:
                    tf.summary.scalar(TAGS[name], float(value), step=total)
            if self.settings.histogram_epochs and (epoch + 1) % self.settings.histogram_epochs == 0:
                for variable in self.model.trainable_variables:
                    tf.summary.histogram(f"weights/{variable.path}", np.asarray(variable), step=total)
        if self.writer is not None:
            self.writer.flush()


def drawn(training: TrainingContext, faces: int) -> dict[str, np.ndarray]:
    """Return the pictures of what is trained on, uint8 (h, w, 3), RGB, by their tags.

    Args:
        training: The training, with :attr:`~train.context.TrainingContext.batches`.
        faces: Of the first batch that are shown.
    """
    assert training.batches is not None
    count = max(1, min(training.steps_per_epoch, -(-MEAN_IMAGES // training.batch_size)))
    plain, labels = training.batches.again(0, 0, augmented=False, count=count)
    augmented, _ = training.batches.again(0, 0, count=count)
    before, after = pictures.pixels(plain), pictures.pixels(augmented)
    # Of photographs without labels there are no identities to draw.
    known = labels[labels >= 0]
    many = np.bincount(known, minlength=len(training.subjects)).argsort(kind="stable")[::-1][:MEAN_FACES].tolist()
    return {
        "faces/first batch, below it augmented": pictures.pairs(
            pictures.crossed(before[:faces]), pictures.crossed(after[:faces])
        ),
        "faces/means, all and of identities": pictures.crossed_means(before, labels, many),
        "faces/means, augmented": pictures.crossed_means(after, labels, many),
    }


def project(folder: Path, manifest: DatasetManifest, network: keras.Model, count: int) -> None:
    """Write the embeddings of test people for TensorBoard's projector.

    Args:
        folder: The directory that TensorBoard reads.
        manifest: The data set.
        network: The trained network.
        count: Faces, drawn with a fixed seed.
    """
    from tensorboard.plugins import projector

    captures = read_captures(manifest, "test")
    chosen = set(random.Random(0).sample(range(len(captures)), min(count, len(captures))))
    faces = [face for index, face in enumerate(read(manifest, "test")) if index in chosen]
    if not faces:
        return
    images = np.stack([face.image for face in faces])
    embeddings = KerasEmbedder(network)(images)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "embeddings.tsv", _table([f"{value:.6g}" for value in row] for row in embeddings))
    labels = [["person", "accessory", "light", "expression", "camera", "image"]]
    labels += [[*_conditions(face.capture), face.path] for face in faces]
    write_atomic(folder / "metadata.tsv", _table(labels))
    write_atomic(folder / "sprite.png", encode_png(pictures.sprite(images, SPRITE)))
    config = projector.ProjectorConfig()
    one = config.embeddings.add()
    one.tensor_name = "faces of test people"
    one.tensor_path, one.metadata_path = "embeddings.tsv", "metadata.tsv"
    one.sprite.image_path = "sprite.png"
    one.sprite.single_image_dim.extend([SPRITE, SPRITE])
    projector.visualize_embeddings(str(folder), config)


def _conditions(capture: Capture) -> list[str]:
    """Return the labels of a face: K-Face's own names, empty for corpora without conditions."""
    named = zip(("S{:03d}", "L{}", "E{:02d}", "C{}"), capture[1:5], strict=True)
    return [capture.subject, *(form.format(number) if number else "" for form, number in named)]


def _table(rows: object) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")
    for row in rows:  # type: ignore[attr-defined]
        writer.writerow([" ".join(str(value).split()) for value in row])
    return text.getvalue().encode("utf-8", "replace")
