"""One training run: from a data set directory to a run directory."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf

from kface.alignment import SIZE
from kface.checks import number, whole
from kface.data.dataset import DatasetManifest
from kface.errors import ConfigError, KFaceError, TrainingError
from train import checkpoints, history, memory, pipeline, weights
from train.augment import Augmentation
from train.backbones import Backbone
from train.callbacks import (
    CallbackSettings,
    Checkpoint,
    ClosingCallback,
    MarginRamp,
    StopAtNaN,
    TrainingContext,
)
from train.distil import Distillation, StudentModel, Targets, open_teacher, targets
from train.heads import CosineHead
from train.hosts import Cluster, devices
from train.hosts.callbacks import OnFirstHost, SynchroniseForRamp
from train.loggers import LoggerSettings, NoLogger
from train.losses import Loss
from train.model import FaceModel
from train.optimizers import Optimizer
from train.partial import Sampling
from train.pipeline import TrainingSplit
from train.registry import Json, describe, fields_of
from train.trained import save_backbone


@dataclass(frozen=True)
class FitSettings:
    """How long a network is trained, and on what.

    Args:
        epochs: Passes over the training images.
        batch_size: Images per step.
        images_per_epoch: Images per epoch; None for all.
        seed: Of the weights, the order and the augmentations.
        margin_start: Share of the run without a margin.
        margin_full: Share of the run after which the margin is complete.
        label_smoothing: Share of the target spread evenly over all identities.
        augmentation: Changes to the images; None for no changes.
        distil: The teacher, and its weight; None for none.
    """

    epochs: int = 20
    batch_size: int = 128
    images_per_epoch: int | None = None
    seed: int = 0
    margin_start: float = 0.1
    margin_full: float = 0.4
    label_smoothing: float = 0.0
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    distil: Distillation | None = None

    def __post_init__(self) -> None:
        whole("fit.epochs", self.epochs, 1)
        # The embedding is normalised over the batch; of a single image only the mean would remain.
        whole("fit.batch_size", self.batch_size, 2)
        if self.images_per_epoch is not None:
            whole(
                "fit.images_per_epoch",
                self.images_per_epoch,
                self.batch_size,
                remedy="it must be at least fit.batch_size",
            )
        whole("fit.seed", self.seed, 0, 2**32 - 1)
        number("fit.margin_start", self.margin_start, 0, 1)
        number("fit.margin_full", self.margin_full, 0, 1)
        number("fit.label_smoothing", self.label_smoothing, 0, 1, open_above=True)
        if self.augmentation is not None and not isinstance(self.augmentation, Augmentation):
            raise ConfigError(f"must be a group of settings or null, not {self.augmentation!r}", "fit.augmentation")
        if self.distil is not None and not isinstance(self.distil, Distillation):
            raise ConfigError(f"must be a group of settings or null, not {self.distil!r}", "fit.distil")


@dataclass(frozen=True)
class TrainResult:
    """The result of a run.

    Attributes:
        backbone: The trained network.
        history: Rows of ``history.csv``.
        epochs: Number of epochs trained, including those before a resume.
    """

    backbone: keras.Model
    history: list[dict[str, str]]
    epochs: int


@devices.all_devices()
def train_run(
    manifest: DatasetManifest,
    run_dir: Path,
    backbone: Backbone,
    loss: Loss,
    optimizer: Optimizer,
    settings: FitSettings,
    callbacks: Sequence[CallbackSettings] = (StopAtNaN(),),
    logger: LoggerSettings | None = None,
    resume: bool = False,
    on_start: Callable[[int], None] | None = None,
    sampling: Sampling | None = None,
    cluster: Cluster | None = None,
) -> TrainResult:
    """Train a backbone on a data set's training split.

    Args:
        manifest: The data set.
        run_dir: Takes ``checkpoints/``, ``history.csv``, ``model.json`` and the logger's files.
        backbone: Makes the network.
        loss: Makes the margin head.
        optimizer: Makes the optimizer.
        settings: How long, and on what.
        callbacks: Run between batches and epochs, beside the margin ramp, the history and the checkpoints.
        logger: Logs the training; None for ``history.csv`` alone.
        resume: Continue from the run's last checkpoint.
        on_start: Called with the number of finished epochs once all checks have passed.
        sampling: How many identities a step computes; None for all.
        cluster: The hosts that train together, of which the first writes the run directory; None for this one alone.

    Raises:
        ConfigError: A setting is out of its range.
        TrainingError: Too little memory, nothing to train on, a checkpoint that does not fit, or a loss that is not finite.
    """
    split = training_split(manifest, settings)
    learnt = None if settings.distil is None else _learnt(manifest, settings.distil)
    keras.utils.set_random_seed(settings.seed)
    network = backbone()
    sampling, cluster = sampling or Sampling(), cluster or Cluster()
    head = checked_head(split, loss, settings, sampling)
    images = check_fits(network, split, settings, memory.HeadSize.of(head, cluster.count), cluster.count)
    steps = images // settings.batch_size

    model = _model(network, head, settings, sampling, learnt)
    # XLA makes training on a CPU slower (1.85 times where it was measured); JAX has nothing else.
    model.compile(
        optimizer=optimizer(steps, settings.epochs, settings.batch_size),
        jit_compile="auto" if devices.on_jax() or tf.config.list_physical_devices("GPU") else False,
    )
    described = describe_run(backbone, head, optimizer, settings, callbacks, manifest, sampling, learnt)
    folder = run_dir / "checkpoints"
    if cluster.first:
        weights.remove_left_over(folder)
    first = 0
    if resume:
        state = checkpoints.read_state(folder)
        checkpoints.compare(folder, state, described)
        model.optimizer.build(model.trainable_variables)
        # Loading makes variables as well; those of the model keep their places on the devices.
        with devices.local([], parts=False):
            first = checkpoints.load(folder, model, state)
    training = TrainingContext(run_dir, head, settings.epochs, first, steps, settings.batch_size)
    recorder = history.History(run_dir / history.FILE, head, steps * settings.batch_size, first)
    if on_start is not None:
        on_start(first)

    if first < settings.epochs:
        batches = pipeline.batches(
            split,
            settings.batch_size,
            images,
            settings.epochs,
            settings.seed,
            first,
            settings.augmentation,
            SIZE,
            numbered=learnt is not None,
            host=(cluster.index, cluster.count),
        )
        if learnt is not None:
            batches = learnt.joined(batches)
        written = [
            recorder,
            Checkpoint(folder, described),
            *(logger or NoLogger())(training),
            *(callback(training) for callback in callbacks if not callback.everywhere and cluster.count > 1),
        ]
        hooks: list[keras.callbacks.Callback] = [
            # These make the margin and the files that a run consists of; the others are the user's choice.
            SynchroniseForRamp(settings.margin_full * settings.epochs, steps),
            MarginRamp(head, settings.margin_start * settings.epochs, settings.margin_full * settings.epochs, steps),
            *(written if cluster.count == 1 else [OnFirstHost(written, cluster.first)]),
            *(callback(training) for callback in callbacks if callback.everywhere or cluster.count == 1),
        ]
        _fit(model, batches, hooks, training, cluster)
    if not cluster.first:
        return TrainResult(network, [], settings.epochs)
    rows = history.read_history(run_dir / history.FILE)
    if first < settings.epochs and (
        not rows or int(rows[-1]["epoch"]) < settings.epochs or not math.isfinite(float(rows[-1]["loss"]))
    ):
        raise TrainingError(
            "the loss is not finite",
            run_dir,
            "start a new run with a lower optimizer.learning_rate or a higher fit.margin_full",
        )
    with devices.local(network.variables, parts=False):
        save_backbone(run_dir, network, split.subjects, described)
    return TrainResult(network, rows, settings.epochs)


def _fit(
    model: keras.Model,
    batches: tf.data.Dataset,
    hooks: list[keras.callbacks.Callback],
    training: TrainingContext,
    cluster: Cluster,
) -> None:
    """Run Keras's training loop; raises TrainingError where the memory does not suffice."""
    try:
        model.fit(
            batches,
            epochs=training.epochs,
            initial_epoch=training.first_epoch,
            steps_per_epoch=training.steps_per_epoch,
            callbacks=hooks,
            shuffle=False,
            verbose=0,
        )
    except Exception as error:
        if not isinstance(error, KFaceError):
            cluster.explain()
        # JAX has one exception for everything.
        exhausted = isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)) or (
            devices.on_jax() and "RESOURCE_EXHAUSTED" in str(error)
        )
        if not exhausted:
            raise
        raise TrainingError(
            f"does not suffice for a batch of {training.batch_size}",
            "memory",
            f"start a new run with fit.batch_size={max(2, training.batch_size // 2)}",
        )
    finally:
        for hook in hooks:
            if isinstance(hook, ClosingCallback):
                hook.close()


def training_split(manifest: DatasetManifest, settings: FitSettings) -> TrainingSplit:
    """Return what is trained on; raises TrainingError where the labels count and there are fewer than two identities."""
    unlabelled = settings.distil is not None and settings.distil.unlabelled
    return TrainingSplit.of(manifest, least=1 if unlabelled else 2)


def _learnt(manifest: DatasetManifest, distil: Distillation) -> Targets:
    """Return the teacher's embeddings of the training crops."""
    teacher = open_teacher(distil)
    try:
        return targets(manifest, teacher)
    finally:
        teacher.close()


def checked_head(split: TrainingSplit, loss: Loss, settings: FitSettings, sampling: Sampling) -> CosineHead:
    """Return the margin head; raises ConfigError where identities, batch, devices and settings do not suit."""
    if sampling.used and settings.distil is not None:
        raise ConfigError("does not work with a teacher", "head.sample_rate", "add head.sample_rate=1")
    # A head of one class has nothing to tell apart; it is not trained where the labels do not count.
    classes = max(2, len(split.subjects))
    sampling.check(classes, settings.batch_size, devices.count())
    return sampling.head(loss, classes, settings.batch_size, settings.seed)


def _model(
    network: keras.Model, head: CosineHead, settings: FitSettings, sampling: Sampling, learnt: Targets | None
) -> FaceModel:
    if settings.distil is None or learnt is None:
        return sampling.model(network, head, settings.label_smoothing)
    return StudentModel(network, head, learnt.values.shape[1], settings.distil.weight, settings.label_smoothing)


def check_fits(
    network: keras.Model,
    split: TrainingSplit,
    settings: FitSettings,
    head: memory.HeadSize | None = None,
    hosts: int = 1,
) -> int:
    """Check whether a network can be trained on a data set with these settings; return the number of images per epoch.

    Args:
        network: The backbone.
        split: What it is trained on.
        settings: How long, and on what.
        head: The size of the head; None for one weight for each identity.
        hosts: Number of hosts that share a batch.

    Raises:
        ConfigError: The devices cannot share a batch evenly, a batch is larger than an epoch, or the network takes images of
            another size than the crops.
        TrainingError: A batch does not fit into the memory.
    """
    if int(network.input_shape[1]) != SIZE:
        raise ConfigError(f"must be {SIZE}, the side of the crops, not {network.input_shape[1]}", "backbone.size")
    images = settings.images_per_epoch or split.images
    if images < settings.batch_size:
        fits = 1 << (images.bit_length() - 1)
        raise ConfigError(
            f"is {settings.batch_size}, more than the {images} images of an epoch",
            "fit.batch_size",
            f"add fit.batch_size={fits}" if fits > 1 else "give more images",
        )
    devices.check_batch(settings.batch_size, devices.count())
    head = head or memory.HeadSize(len(split.subjects), len(split.subjects))
    error = memory.too_large(network, head, settings.batch_size, memory.available(), hosts)
    if error is not None:
        raise error
    return images


def describe_run(
    backbone: Backbone,
    head: CosineHead,
    optimizer: Optimizer,
    settings: FitSettings,
    callbacks: Sequence[CallbackSettings],
    manifest: DatasetManifest,
    sampling: Sampling,
    learnt: Targets | None = None,
) -> Mapping[str, Json]:
    """Return everything that decides a run's weights; it must not change between a checkpoint and its resumption.

    It follows from the dataclasses, with all their fields, so that a setting added later is compared as well;
    :mod:`train.resuming` lists what may change.
    """
    described: dict[str, Json] = {
        "backbone": backbone.described(),
        "loss": {**describe(head.loss), **head.described()},
        "optimizer": describe(optimizer),
        "fit": fields_of(settings),
        "callbacks": {callback.name: describe(callback) for callback in callbacks},
        "data_set": manifest.fingerprint,
        **sampling.described(),
    }
    if learnt is not None:
        described["teacher"] = learnt.teacher
    return described
