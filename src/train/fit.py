"""One training run: from a data set directory to a run directory."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kface.dataset import Manifest
from kface.errors import ConfigError, TrainingError
from kface.files import sha256_file, write_json
from train import backbones, callbacks, checkpoints, memory, pipeline
from train.augment import Augmentation
from train.heads import CosineHead
from train.model import FaceModel

SCHEMA = 1
WEIGHTS = "backbone.weights.h5"


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
        for key in ("epochs", "batch_size"):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"must be a whole number of at least 1, not {value!r}", f"fit.{key}")
        if self.images_per_epoch is not None and (
            not isinstance(self.images_per_epoch, int) or self.images_per_epoch < self.batch_size
        ):
            raise ConfigError(
                f"must be a whole number of at least fit.batch_size, not {self.images_per_epoch!r}",
                "fit.images_per_epoch",
            )
        for key in ("margin_start", "margin_full", "label_smoothing"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ConfigError(f"must be a number from 0 to 1, not {value!r}", f"fit.{key}")


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

    Raises:
        ConfigError: A setting is out of its range.
        TrainingError: Too little memory, nothing to train on, a checkpoint that does not fit, a loss that is no number.
    """
    source = pipeline.Source.of(manifest)
    keras.utils.set_random_seed(settings.seed)
    network = backbones.build(**backbone)
    size = int(network.input_shape[1])
    head = make_head(len(source.subjects))
    images = settings.images_per_epoch or source.images
    if images < settings.batch_size:
        raise ConfigError(f"is {settings.batch_size}, more than the {images} images of an epoch", "fit.batch_size")
    error = memory.too_large(network, head.classes, settings.batch_size, memory.available())
    if error is not None:
        raise error
    steps = images // settings.batch_size

    model = FaceModel(network, head, settings.label_smoothing)
    # XLA costs more than it brings on a CPU (1.85 times slower where it was measured).
    model.compile(
        optimizer=make_optimizer(steps, settings.epochs, settings.batch_size),
        jit_compile=False if not tf.config.list_physical_devices("GPU") else "auto",
    )
    described = describe(backbone, head, settings, manifest)
    folder = run_dir / "checkpoints"
    first = checkpoints.load(folder, model, described) if resume else 0

    if first < settings.epochs:
        batches = pipeline.batches(
            source, settings.batch_size, images, settings.epochs, settings.seed, first, settings.augmentation, size
        )
        hooks: list[keras.callbacks.Callback] = [
            callbacks.MarginRamp(
                head, settings.margin_start * settings.epochs, settings.margin_full * settings.epochs, steps
            ),
            keras.callbacks.TerminateOnNaN(),
            callbacks.History(run_dir / "history.csv", head, steps * settings.batch_size, first),
            callbacks.Checkpoint(folder, described),
        ]
        if settings.tensorboard:
            hooks.append(keras.callbacks.TensorBoard(str(run_dir / "tensorboard"), write_graph=False))
        if not quiet:
            hooks.append(callbacks.Progress(settings.epochs, steps, settings.batch_size))
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
                f"try fit.batch_size={max(1, settings.batch_size // 2)} and resume=true",
            )
    rows = callbacks.read_history(run_dir / "history.csv")
    if len(rows) < settings.epochs or not math.isfinite(float(rows[-1]["loss"])):
        raise TrainingError(
            "the loss is no number any more", run_dir, "lower optimizer.learning_rate or raise fit.margin_full"
        )
    save_backbone(run_dir, network, backbone, head, source.subjects, described)
    return TrainResult(network, rows, settings.epochs)


def describe(backbone: dict[str, Any], head: CosineHead, settings: FitSettings, manifest: Manifest) -> dict[str, Any]:
    """Return what has to be equal for a checkpoint to be resumed; epochs too, as the learning rate's schedule ends there."""
    augmentation = settings.augmentation
    return {
        "backbone": dict(sorted(backbone.items())),
        "loss": {
            "name": type(head).__name__,
            "classes": head.classes,
            "scale": head.scale,
            "margin": head.final_margin,
        },
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "images_per_epoch": settings.images_per_epoch,
        "seed": settings.seed,
        "augmentation": None if augmentation is None else dict(vars(augmentation)),
        "data_set": manifest.fingerprint,
    }


def save_backbone(
    run_dir: Path,
    network: keras.Model,
    backbone: dict[str, Any],
    head: CosineHead,
    subjects: tuple[str, ...],
    described: dict[str, Any],
) -> None:
    """Write the weights, and ``model.json`` with all that is needed to build the network around them again.

    Raises:
        TrainingError: The run directory cannot be written.
    """
    folder = run_dir / "checkpoints"
    temporary = folder / "tmp-backbone.weights.h5"
    try:
        network.save_weights(temporary)
        digest = sha256_file(temporary)
        temporary.replace(folder / WEIGHTS)
        write_json(
            run_dir / "model.json",
            {
                "schema": SCHEMA,
                "backbone": backbone,
                "weights": {"file": f"checkpoints/{WEIGHTS}", "sha256": digest},
                "input": {"size": int(network.input_shape[1]), "colour": "RGB", "mean": 127.5, "divisor": 128.0},
                "embedding": int(network.output_shape[-1]),
                "loss": described["loss"],
                "subjects": list(subjects),
                "data_set": described["data_set"],
            },
        )
    except OSError as error:
        raise TrainingError(f"cannot be written ({error.strerror or error})", run_dir, "make room and add resume=true")


def load_backbone(run_dir: Path) -> keras.Model:
    """Build a trained run's network again.

    Raises:
        TrainingError: The run has not been trained to its end, or its files are damaged.
    """
    path = run_dir / "model.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        weights = run_dir / described["weights"]["file"]
        digest = described["weights"]["sha256"]
        arguments = dict(described["backbone"])
        schema = described["schema"]
    except OSError:
        raise TrainingError("holds no trained network", run_dir, "train it to its end: make train ... resume=true")
    except (ValueError, KeyError, TypeError):
        raise TrainingError("is damaged", path, "train again")
    if schema != SCHEMA:
        raise TrainingError(f"has schema version {schema} instead of {SCHEMA}", path, "train again")
    if not weights.is_file() or sha256_file(weights) != digest:
        raise TrainingError("is missing or damaged (its SHA-256 differs)", weights, "train again")
    network = backbones.build(**arguments)
    network.load_weights(weights)
    return network


class Embedder:
    """Maps aligned faces to embeddings with a Keras network.

    Args:
        backbone: float32 (n, h, w, 3) -> (n, d).
        batch_size: Images at a time.
        mirror: Add the embedding of the mirrored image; twice the work.
    """

    def __init__(self, backbone: keras.Model, batch_size: int = 64, mirror: bool = False) -> None:
        self.backbone = backbone
        self.batch_size = batch_size
        self.mirror = mirror
        self._call = tf.function(
            lambda batch: backbone((batch - 127.5) / 128.0, training=False),
            input_signature=[tf.TensorSpec((None, *backbone.input_shape[1:]), tf.float32)],
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (n, d), L2-normalised, of uint8 (n, h, w, 3), RGB."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size].astype(np.float32)
            values = self._call(batch).numpy()
            if self.mirror:
                values = values + self._call(np.ascontiguousarray(batch[:, :, ::-1])).numpy()
            parts.append(values)
        if not parts:
            return np.zeros((0, int(self.backbone.output_shape[-1])), np.float32)
        embeddings = np.concatenate(parts)
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return (embeddings / np.maximum(norms, 1e-12)).astype(np.float32)
