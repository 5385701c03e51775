"""One training run: from a data set directory to a run directory."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kface.alignment import SIZE
from kface.checks import flag, number, whole
from kface.data.dataset import DatasetManifest as Manifest
from kface.errors import ConfigError, TrainingError
from train import backbones, callbacks, checkpoints, memory, pipeline, weights
from train.augment import Augmentation
from train.heads import CosineHead
from train.model import FaceModel
from train.trained import Embedder, load_backbone, save_backbone

__all__ = ["Embedder", "FitSettings", "TrainResult", "check_fits", "load_backbone", "save_backbone", "train_run"]


@dataclass(frozen=True)
class FitSettings:
    """How long and with what a network is trained.

    Args:
        epochs: How many.
        batch_size: Images a step.
        images_per_epoch: Images an epoch; by default all there are.
        seed: Of the weights, the order and the augmentations.
        margin_start: Share of the run that goes without a margin.
        margin_full: Share of the run after which the margin is whole.
        label_smoothing: Share of the target spread evenly over all identities.
        augmentation: Changes to the images; None for none.
        tensorboard: Whether to write a TensorBoard log.
    """

    epochs: int = 20
    batch_size: int = 128
    images_per_epoch: int | None = None
    seed: int = 0
    margin_start: float = 0.1
    margin_full: float = 0.4
    label_smoothing: float = 0.0
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    tensorboard: bool = True

    def __post_init__(self) -> None:
        whole("fit.epochs", self.epochs, 1)
        # The embedding is normalised over the batch: of a single image only the mean would be left.
        whole("fit.batch_size", self.batch_size, 2)
        if self.images_per_epoch is not None:
            whole("fit.images_per_epoch", self.images_per_epoch, self.batch_size, remedy="it is a batch at least")
        whole("fit.seed", self.seed, 0, 2**32 - 1)
        number("fit.margin_start", self.margin_start, 0, 1)
        number("fit.margin_full", self.margin_full, 0, 1)
        number("fit.label_smoothing", self.label_smoothing, 0, 1, open_above=True)
        if self.augmentation is not None and not isinstance(self.augmentation, Augmentation):
            raise ConfigError(f"must be a group of settings or null, not {self.augmentation!r}", "fit.augmentation")
        flag("fit.tensorboard", self.tensorboard)


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves.

    Attributes:
        backbone: The trained network.
        history: Rows of ``history.csv``.
        epochs: How many epochs were trained, those before a resume included.
    """

    backbone: keras.Model
    history: list[dict[str, str]]
    epochs: int


def train_run(
    manifest: Manifest,
    run_dir: Path,
    backbone: dict[str, Any],
    make_head: Callable[[int], CosineHead],
    make_optimizer: Callable[[int, int, int], keras.optimizers.Optimizer],
    settings: FitSettings,
    resume: bool = False,
    quiet: bool = False,
    on_start: Callable[[int], None] | None = None,
) -> TrainResult:
    """Train a backbone on a data set's training split.

    Args:
        manifest: The data set.
        run_dir: Takes ``checkpoints/``, ``tensorboard/``, ``history.csv`` and ``model.json``.
        backbone: Arguments of :func:`train.backbones.build`.
        make_head: Makes the head for a number of identities.
        make_optimizer: Makes the optimizer for steps an epoch, epochs and batch size.
        settings: How long and with what.
        resume: Go on from the run's last checkpoint.
        quiet: No progress.
        on_start: Is called once nothing stands in the training's way any more, with the number of epochs that are done.

    Raises:
        ConfigError: A setting is out of its range.
        TrainingError: Too little memory, nothing to train on, a checkpoint that does not fit, a loss that is no number.
    """
    source = pipeline.Source.of(manifest)
    keras.utils.set_random_seed(settings.seed)
    network = backbones.build(**backbone)
    head = make_head(len(source.subjects))
    images = check_fits(network, source, settings)
    steps = images // settings.batch_size

    def optimizer(epochs: int) -> keras.optimizers.Optimizer:
        return make_optimizer(steps, epochs, settings.batch_size)

    model = FaceModel(network, head, settings.label_smoothing)
    # XLA costs more than it brings on a CPU (1.85 times slower where it was measured).
    model.compile(
        optimizer=optimizer(settings.epochs),
        jit_compile=False if not tf.config.list_physical_devices("GPU") else "auto",
    )
    folder = run_dir / "checkpoints"
    weights.remove_left_over(folder)
    first = 0
    if resume:
        state = checkpoints.read_state(folder)
        # The learning rate's course depends on the epochs, which may grow: compared is the one of the run as it was.
        before = checkpoints.epochs_of(state) or settings.epochs
        checkpoints.compare(folder, state, describe(backbone, head, optimizer(before), settings, manifest))
        first = checkpoints.load(folder, model, state)
    described = describe(backbone, head, model.optimizer, settings, manifest)
    history = callbacks.History(run_dir / "history.csv", head, steps * settings.batch_size, first)
    if on_start is not None:
        on_start(first)

    if first < settings.epochs:
        batches = pipeline.batches(
            source, settings.batch_size, images, settings.epochs, settings.seed, first, settings.augmentation, SIZE
        )
        hooks: list[keras.callbacks.Callback] = [
            callbacks.MarginRamp(
                head, settings.margin_start * settings.epochs, settings.margin_full * settings.epochs, steps
            ),
            keras.callbacks.TerminateOnNaN(),
            history,
            callbacks.Checkpoint(folder, described),
        ]
        if settings.tensorboard:
            hooks.append(keras.callbacks.TensorBoard(str(run_dir / "tensorboard"), write_graph=False))
        if not quiet:
            hooks.append(callbacks.TrainingProgress(settings.epochs, steps, settings.batch_size, first))
        try:
            model.fit(
                batches,
                epochs=settings.epochs,
                initial_epoch=first,
                steps_per_epoch=steps,
                callbacks=hooks,
                shuffle=False,
                verbose=0,
            )
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise TrainingError(
                f"ran out with a batch of {settings.batch_size}",
                "memory",
                f"start a new run with fit.batch_size={max(2, settings.batch_size // 2)}",
            )
        finally:
            # Keras ends its callbacks only where the training ends well.
            for hook in hooks:
                if isinstance(hook, callbacks.TrainingProgress):
                    hook.close()
    rows = callbacks.read_history(run_dir / "history.csv")
    if first < settings.epochs and (
        not rows or int(rows[-1]["epoch"]) < settings.epochs or not math.isfinite(float(rows[-1]["loss"]))
    ):
        raise TrainingError(
            "the loss is no number any more",
            run_dir,
            "start a new run with a lower optimizer.learning_rate or a higher fit.margin_full",
        )
    save_backbone(run_dir, network, backbone, head, source.subjects, described)
    return TrainResult(network, rows, settings.epochs)


def check_fits(network: keras.Model, source: pipeline.Source, settings: FitSettings) -> int:
    """Find out whether a network can be trained on a data set with these settings; return the images of an epoch.

    Raises:
        ConfigError: A batch is larger than an epoch, or the network takes images of another size than the crops have.
        TrainingError: A batch does not fit into the memory.
    """
    if int(network.input_shape[1]) != SIZE:
        raise ConfigError(f"must be {SIZE}, the side of the crops, not {network.input_shape[1]}", "backbone.size")
    images = settings.images_per_epoch or source.images
    if images < settings.batch_size:
        fits = 1 << (images.bit_length() - 1)
        raise ConfigError(
            f"is {settings.batch_size}, more than the {images} images of an epoch",
            "fit.batch_size",
            f"add fit.batch_size={fits}" if fits > 1 else "give more images",
        )
    error = memory.too_large(network, len(source.subjects), settings.batch_size, memory.available())
    if error is not None:
        raise error
    return images


def describe(
    backbone: dict[str, Any],
    head: CosineHead,
    optimizer: keras.optimizers.Optimizer,
    settings: FitSettings,
    manifest: Manifest,
) -> dict[str, Any]:
    """Return all that decides a run's weights, as JSON; it has to be equal for a checkpoint to be resumed.

    Everything there is goes in (every field, every argument), so that what is added later is compared as well; what may
    change is listed in :mod:`train.resuming`.
    """
    augmentation = settings.augmentation
    course = keras.optimizers.serialize(optimizer)
    # Keras counts its optimizers in this name.
    course["config"].pop("name", None)
    fit = {**vars(settings), "augmentation": None if augmentation is None else dict(vars(augmentation))}
    described = {
        "backbone": dict(sorted(backbone.items())),
        "loss": {**head.get_config(), "name": type(head.loss).__name__, "_target_": _name(head.loss)},
        "optimizer": {**course["config"], "_target_": _name(optimizer)},
        "fit": fit,
        "data_set": manifest.fingerprint,
    }
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


def _name(made: Any) -> str:
    return f"{type(made).__module__}.{type(made).__name__}"
