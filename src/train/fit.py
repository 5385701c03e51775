"""One training run: from a data set directory to a run directory."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from kface.data.dataset import DatasetManifest
from kface.errors import KFaceError, TrainingError
from train import averaging, checkpoints, history, memory, nan, pipeline, position, precision, weights
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
from train.fit_settings import FitSettings
from train.hosts import Cluster, devices
from train.hosts.callbacks import OnFirstHost, SynchroniseForRamp
from train.loggers import LoggerSettings
from train.losses import Loss
from train.optimizers import Optimizer
from train.partial import Sampling
from train.position import Position
from train.preparing import check_fits, checked_head, describe_run, learnt_targets, model_of, training_split
from train.samplers import Natural, Sampler
from train.stopping import StoppedError
from train.trained import save_backbone
from train.usage import Measures
from train.validation import Validator, validation_set, without


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
    learnt = None if settings.distil is None else learnt_targets(manifest, settings.distil)
    keras.utils.set_random_seed(settings.seed)
    computed_in = precision.resolved(settings.precision)
    with precision.policy(computed_in):
        network = backbone()
    sampling, cluster, sampler = sampling or Sampling(), cluster or Cluster(), sampler or Natural()
    head = checked_head(split, loss, settings, sampling)
    images = check_fits(network, split, settings, memory.HeadSize.of(head, cluster.count), cluster.count, sampler)
    steps = images // settings.batch_size

    model = model_of(network, head, settings, sampling, learnt)
    # XLA makes training on a CPU slower (ADR 24: 1.6 to 10 times); JAX has nothing else.
    model.compile(
        optimizer=precision.scaled(optimizer(steps, settings.epochs, settings.batch_size), computed_in),
        jit_compile=False if devices.on_cpu() else "auto",
    )
    described = describe_run(backbone, head, optimizer, settings, callbacks, manifest, sampling, learnt, sampler)
    folder = run_dir / checkpoints.FOLDER
    if cluster.first:
        weights.remove_left_over(folder)
    start, run_memory = Position(), checkpoints.RunMemory()
    if resume:
        state = checkpoints.read_state(folder)
        checkpoints.compare(folder, state, described)
        checkpoints.build_optimizer(model)
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
    validators: list[Validator] = []
    if unseen:
        testset = validation_set(complete, unseen, settings.validation, settings.seed)
        validators = [Validator(training, testset, settings.validation, settings.seed)]
    if on_start is not None:
        on_start(start.epoch)

    if start.epoch < settings.epochs and not run_memory.ended:
        hooks = _hooks(training, settings, [*validators, recorder], callbacks, loggers, cluster, start)
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
    with devices.local([*model.variables, *model.optimizer.variables], parts=False):
        if settings.validation.keep == "best" and run_memory.best is not None:
            # Of a run with averages it is an average.
            checkpoints.load_best(folder, network, run_memory.best)
        elif averaging.is_averaged(model):
            averaging.put_in_place(model, network, batches.images(settings.epochs - 1, averaging.BATCHES))
        if computed_in != precision.FULL or cluster.count > 1:
            trained, network = network, backbone()
            network.set_weights(trained.get_weights())
        save_backbone(run_dir, network, split.subjects, described)
    return TrainResult(network, rows, int(rows[-1]["epoch"]) if rows and run_memory.ended else settings.epochs)


def _hooks(
    training: TrainingContext,
    settings: FitSettings,
    records: Sequence[keras.callbacks.Callback],
    callbacks: Sequence[CallbackSettings],
    loggers: Sequence[LoggerSettings],
    cluster: Cluster,
    start: Position,
) -> list[keras.callbacks.Callback]:
    """Return what runs between batches and epochs, in order: margin, figures and files first, then the user's choice."""
    ramp = (settings.margin_start * settings.epochs, settings.margin_full * settings.epochs)
    written = [
        training.measures,
        *records,
        Checkpoint(training),
        *(hook for logger in loggers for hook in logger(training)),
        *(callback(training) for callback in callbacks if not callback.everywhere and cluster.count > 1),
    ]
    return [
        SynchroniseForRamp(ramp[1], training.steps_per_epoch),
        MarginRamp(training.head, *ramp, training.steps_per_epoch, start.epoch, start.step),
        *(written if cluster.count == 1 else [OnFirstHost(written, cluster.first)]),
        *(callback(training) for callback in callbacks if callback.everywhere or cluster.count == 1),
    ]


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
