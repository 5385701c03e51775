"""One training run: from a data set directory to a run directory."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf

from kface.alignment import SIZE
from kface.checks import flag, number, whole
from kface.data.dataset import DatasetManifest
from kface.errors import ConfigError, KFaceError, TrainingError
from train import averaging, checkpoints, history, memory, nan, pipeline, position, precision, weights
from train.augment import Augmentation
from train.backbones import Backbone
from train.batches import Batches
from train.callbacks import (
    CallbackSettings,
    Checkpoint,
    ClosingCallback,
    MarginRamp,
    StopAtNaN,
)
from train.context import TrainingContext
from train.distil import Distillation, StudentModel, Targets, open_teacher, targets
from train.heads import CosineHead
from train.hosts import Cluster, devices
from train.hosts.callbacks import OnFirstHost, SynchroniseForRamp
from train.loggers import LoggerSettings
from train.losses import Loss
from train.model import FaceModel
from train.optimizers import Optimizer
from train.partial import Sampling
from train.pipeline import TrainingSplit
from train.position import Position
from train.registry import Json, describe, fields_of
from train.samplers import Natural, Sampler
from train.stopping import StoppedError
from train.trained import save_backbone
from train.usage import Measures
from train.validation import Validation, Validator, validation_set, without


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
        precision: Of the layers: float32, mixed_bfloat16, mixed_float16, or auto, mixed on a GPU.
        validation: On which people of the training to validate instead, and which network is kept.
        deterministic: Whether TensorFlow computes the same bits in every run, which takes more time.
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
    precision: str = "auto"
    validation: Validation = field(default_factory=Validation)
    deterministic: bool = False

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
        precision.check("fit.precision", self.precision)
        if self.distil is not None and not isinstance(self.distil, Distillation):
            raise ConfigError(f"must be a group of settings or null, not {self.distil!r}", "fit.distil")
        if not isinstance(self.validation, Validation):
            raise ConfigError(f"must be a group of settings, not {self.validation!r}", "fit.validation")
        flag("fit.deterministic", self.deterministic)


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
@pipeline.decoded_once()
def train_run(
    manifest: DatasetManifest,
    run_dir: Path,
    backbone: Backbone,
    loss: Loss,
    optimizer: Optimizer,
    settings: FitSettings,
    callbacks: Sequence[CallbackSettings] = (StopAtNaN(),),
    loggers: Sequence[LoggerSettings] = (),
    resume: bool = False,
    on_start: Callable[[int], None] | None = None,
    sampling: Sampling | None = None,
    cluster: Cluster | None = None,
    sampler: Sampler | None = None,
) -> TrainResult:
    """Train a backbone on a data set's training split.

    Args:
        manifest: The data set.
        run_dir: Takes ``checkpoints/``, ``history.csv``, ``model.json`` and the loggers' files.
        backbone: Makes the network.
        loss: Makes the margin head.
        optimizer: Makes the optimizer.
        settings: How long, and on what.
        callbacks: Run between batches and epochs, beside the margin ramp, the history and the checkpoints.
        loggers: Log the training, beside ``history.csv``.
        resume: Continue from the run's last checkpoint.
        on_start: Called with the number of finished epochs once all checks have passed.
        sampling: How many identities a step computes; None for all.
        cluster: The hosts that train together, of which the first writes the run directory; None for this one alone.
        sampler: Draws the images of each epoch; None for each image once.

    Raises:
        ConfigError: A setting is out of its range.
        TrainingError: Too little memory, nothing to train on, a checkpoint that does not fit, or a loss that is not finite.
        StoppedError: A signal ended the training; its state is saved.
    """
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    complete = manifest
    unseen = settings.validation.kept_people(complete, settings.seed)
    manifest = without(complete, unseen)
    split = training_split(manifest, settings)
    learnt = None if settings.distil is None else _learnt(manifest, settings.distil)
    keras.utils.set_random_seed(settings.seed)
    computed_in = precision.resolved(settings.precision)
    with precision.policy(computed_in):
        network = backbone()
    sampling, cluster, sampler = sampling or Sampling(), cluster or Cluster(), sampler or Natural()
    head = checked_head(split, loss, settings, sampling)
    images = check_fits(network, split, settings, memory.HeadSize.of(head, cluster.count), cluster.count, sampler)
    steps = images // settings.batch_size

    model = _model(network, head, settings, sampling, learnt)
    # XLA makes training on a CPU slower (1.85 times where it was measured); JAX has nothing else.
    model.compile(
        optimizer=precision.scaled(optimizer(steps, settings.epochs, settings.batch_size), computed_in),
        jit_compile="auto" if devices.on_jax() or tf.config.list_physical_devices("GPU") else False,
    )
    described = describe_run(backbone, head, optimizer, settings, callbacks, manifest, sampling, learnt, sampler)
    folder = run_dir / checkpoints.FOLDER
    if cluster.first:
        weights.remove_left_over(folder)
    start, run_memory = Position(), checkpoints.RunMemory()
    if resume:
        state = checkpoints.read_state(folder)
        checkpoints.compare(folder, state, described)
        model.optimizer.build(model.trainable_variables)
        # Loading makes variables as well; those of the model keep their places on the devices.
        with devices.local([], parts=False):
            start = checkpoints.load(folder, model, state)
        run_memory = checkpoints.RunMemory(state.best, state.ended and checkpoints.epochs_of(state) == settings.epochs)

    batches = Batches(
        split,
        settings.batch_size,
        images,
        settings.epochs,
        settings.seed,
        settings.augmentation,
        learnt,
        (cluster.index, cluster.count),
        sampler,
    )
    training = TrainingContext(
        run_dir,
        head,
        settings.epochs,
        start.epoch,
        steps,
        settings.batch_size,
        start.step,
        complete,
        split.subjects,
        described,
        Measures(head, settings.batch_size, start),
        run_memory,
        batches,
        (cluster.index, cluster.count),
    )
    recorder = history.History(run_dir / history.FILE, start.epoch)
    validators = []
    if unseen:
        testset = validation_set(complete, unseen, settings.validation, settings.seed)
        validators = [Validator(training, testset, settings.validation, settings.seed)]
    if on_start is not None:
        on_start(start.epoch)

    goes_on = start.epoch < settings.epochs and not run_memory.ended
    if goes_on:
        ramp = (settings.margin_start * settings.epochs, settings.margin_full * settings.epochs)
        written = [
            training.measures,
            *validators,
            recorder,
            Checkpoint(training),
            *(hook for logger in loggers for hook in logger(training)),
            *(callback(training) for callback in callbacks if not callback.everywhere and cluster.count > 1),
        ]
        hooks: list[keras.callbacks.Callback] = [
            # These make the margin, the figures and the files that a run consists of; the others are the user's choice.
            SynchroniseForRamp(ramp[1], steps),
            MarginRamp(head, *ramp, steps, start.epoch, start.step),
            *(written if cluster.count == 1 else [OnFirstHost(written, cluster.first)]),
            *(callback(training) for callback in callbacks if callback.everywhere or cluster.count == 1),
        ]
        _fit(model, batches, hooks, training, start, cluster)
    if not cluster.first:
        return TrainResult(network, [], settings.epochs)
    rows = history.read_history(run_dir / history.FILE)
    if (
        start.epoch < settings.epochs
        and not run_memory.ended
        and (not rows or int(rows[-1]["epoch"]) < settings.epochs or not math.isfinite(float(rows[-1]["loss"])))
    ):
        raise TrainingError("the loss is not finite", run_dir, nan.REMEDY)
    if settings.validation.keep == "best" and run_memory.best is not None:
        # Of a run with averages it is an average.
        checkpoints.load_best(folder, network, run_memory.best)
    elif averaging.is_averaged(model):
        averaging.put_in_place(model, network, batches.images(settings.epochs - 1, averaging.BATCHES))
    if computed_in != precision.FULL:
        mixed, network = network, backbone()
        network.set_weights(mixed.get_weights())
    with devices.local(network.variables, parts=False):
        save_backbone(run_dir, network, split.subjects, described)
    return TrainResult(network, rows, int(rows[-1]["epoch"]) if rows and run_memory.ended else settings.epochs)


def _fit(
    model: keras.Model,
    batches: Batches,
    hooks: list[keras.callbacks.Callback],
    training: TrainingContext,
    start: Position,
    cluster: Cluster,
) -> None:
    """Run Keras's training loop; raises TrainingError where the memory does not suffice."""
    try:
        position.fit(model, batches, hooks, start, training.epochs, training.steps_per_epoch)
    except Exception as error:
        if not isinstance(error, (KFaceError, StoppedError)):
            cluster.explain()
        # JAX has one exception for everything.
        exhausted = isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)) or (
            devices.on_jax() and "RESOURCE_EXHAUSTED" in str(error)
        )
        if not exhausted:
            raise pipeline.damage_of(error) or error
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
    return TrainingSplit.of(manifest, labelled=not unlabelled)


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
    sampler: Sampler | None = None,
) -> int:
    """Check whether a network can be trained on a data set with these settings; return the number of images per epoch.

    Args:
        network: The backbone.
        split: What it is trained on.
        settings: How long, and on what.
        head: The size of the head; None for one weight for each identity.
        hosts: Number of hosts that share a batch.
        sampler: Draws the images of each epoch; None for each image once.

    Raises:
        ConfigError: The devices cannot share a batch evenly, a batch is larger than an epoch, the network takes images of
            another size than the crops, or the sampler cannot fill an epoch.
        TrainingError: A batch does not fit into the memory.
    """
    if int(network.input_shape[1]) != SIZE:
        raise ConfigError(f"must be {SIZE}, the side of the crops, not {network.input_shape[1]}", "backbone.size")
    images = (sampler or Natural()).images(split.population, settings.images_per_epoch, settings.batch_size)
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
    sampler: Sampler | None = None,
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
    # Runs of earlier versions, which had no samplers, do not name this one.
    if sampler is not None and sampler != Natural():
        described["sampler"] = describe(sampler)
    return described
