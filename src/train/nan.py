"""What is kept where a loss or a gradient is not finite: the batch, and which part of the network it comes from.

With TensorFlow a step whose gradients are not finite changes no weights, so that they can still be looked at; this costs one
sum over all gradients.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kface.errors import TrainingError
from kface.files import write_atomic, write_json
from kface.images import encode_png
from train import pictures, usage
from train.context import ClosingCallback, TrainingContext
from train.hosts.devices import synchronise
from train.registry import Json

FOLDER = "nan"
REMEDY = "start a new run with a lower optimizer.learning_rate or a higher fit.margin_full"
#: Layers that are named in the report.
SHOWN = 50


class Guard:
    """Keeps an optimizer from applying gradients that are not finite.

    Args:
        optimizer: Built. Its method ``apply`` is replaced.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        self._optimizer = optimizer
        self._apply = optimizer.apply
        self._failed = tf.Variable(False, trainable=False)
        optimizer.apply = self._guarded

    @classmethod
    def of(cls, optimizer: keras.optimizers.Optimizer) -> "Guard | None":
        """Return the guard of an optimizer, or None where Keras applies gradients in another way."""
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if keras.backend.backend() != "tensorflow" or tf.distribute.has_strategy() or scaled:
            return None
        return cls(optimizer)

    @property
    def failed(self) -> bool:
        """Whether there were gradients that are not finite."""
        return bool(self._failed.numpy())

    def remove(self) -> None:
        """Give the optimizer its own method back; may be called more than once."""
        if self._optimizer.__dict__.get("apply") is not None:
            self._optimizer.apply = self._apply

    def _guarded(self, grads: Sequence[tf.Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        # Half the sum of all squares; unlike a square and a sum, one pass over a gradient.
        squares = tf.add_n([tf.nn.l2_loss(grad) for grad in grads if grad is not None])

        def apply() -> tf.Tensor:
            self._apply(grads, trainable_variables)
            return tf.constant(False)

        def note() -> tf.Tensor:
            self._failed.assign(True)
            return tf.constant(True)

        tf.cond(tf.math.is_finite(squares), apply, note)


class NanWatch(ClosingCallback):
    """Ends the training at the step whose loss or gradients are not finite, and keeps what explains it.

    Args:
        training: The training.
    """

    def __init__(self, training: TrainingContext) -> None:
        super().__init__()
        self.training = training
        self.guard: Guard | None = None
        self._epoch = training.first_epoch

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Guard the optimizer."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self.guard = Guard.of(self.model.optimizer)

    def close(self) -> None:
        """Give the optimizer back as it was."""
        if self.guard is not None:
            self.guard.remove()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Look at the step; raises TrainingError."""
        # The mean over the epoch is not finite from the first loss on that is not.
        loss = float((logs or {}).get("loss", 0.0))
        if math.isfinite(loss) and not (self.guard is not None and self.guard.failed):
            return
        step = self.training.step(self._epoch, batch)
        what = "the gradients are" if math.isfinite(loss) else "the loss is"
        kept = ""
        # What cannot be kept must not hide what has happened.
        with contextlib.suppress(Exception):
            synchronise(self.model)
            if self.training.writes:
                kept = f" (kept in {keep(self.training, self.model, self._epoch, step)})"
        where = f"step {step + 1} of epoch {self._epoch + 1}"
        raise TrainingError(f"{what} not finite in {where}{kept}", self.training.run_dir, REMEDY)


def keep(training: TrainingContext, model: keras.Model, epoch: int, step: int) -> Path:
    """Write what explains a step to the run's ``nan/``: ``report.json``, ``batch.npz`` and ``batch.png``.

    Args:
        training: The training.
        model: With the weights of the step.
        epoch: Number of finished epochs.
        step: Number of finished steps before this one.

    Returns:
        The directory.
    """
    folder = training.run_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Json] = {
        "epoch": epoch + 1,
        "step": step + 1,
        "learning_rate": usage.learning_rate(model),
        "margin": float(training.head.margin),
        "weights_not_finite": _not_finite(model.variables),
    }
    if training.batches is not None:
        images, labels = training.batches.again(epoch, step)
        names = [training.subjects[label] if label >= 0 else "" for label in labels]
        np.savez_compressed(folder / "batch.npz", images=images, labels=labels, names=np.array(names))
        columns = math.ceil(math.sqrt(len(images)))
        write_atomic(folder / "batch.png", encode_png(pictures.grid(pictures.pixels(images), columns)))
        # Models differ in what they need to compute a loss.
        with contextlib.suppress(Exception):
            report.update(_explained(model, *training.batches.seen(epoch, step), names))
    # Numbers that are not finite are texts: JSON has none.
    write_json(folder / "report.json", _plain(report))
    return folder


def _explained(model: keras.Model, x: tf.Tensor, y: object, names: Sequence[str]) -> dict[str, Json]:
    """Return the terms of the loss, the gradients, and each image's part in them.

    Args:
        model: The model.
        x: Images, normalised.
        y: What the model takes for labels.
        names: Those of the labels.
    """
    images = np.asarray(x)
    labels = np.asarray(y[0] if isinstance(y, tuple) else y)
    made: dict[str, Json] = {"first_layer_not_finite": _first_layer(model.backbone, images)}
    weights = model.trainable_variables
    if keras.backend.backend() == "tensorflow":
        with tf.GradientTape() as tape:
            embeddings = model(x, training=True)
            loss = model.compute_loss(y=y, y_pred=embeddings)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        made["gradients_not_finite"] = _not_finite(weights, gradients)
    else:
        embeddings = model(images, training=True)
        loss = model.compute_loss(y=keras.tree.map_structure(np.asarray, y), y_pred=embeddings)
    made["loss"] = float(np.asarray(loss))
    made["penalties"] = [float(np.asarray(one)) for one in model.losses]
    vectors = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(vectors, axis=1)
    terms = np.full(len(labels), np.nan)
    # The parts of a head differ from one kind to the other.
    with contextlib.suppress(Exception):
        batch = model.head.batch(embeddings, labels)
        terms = np.asarray(model.head.loss.rows(batch, model.label_smoothing))
        logits = np.asarray(model.head.logits(batch))
        made["logits"] = [float(logits.min()), float(logits.max())]
        penalty = model.head.loss.penalty(batch)
        made["penalty"] = None if penalty is None else float(np.asarray(penalty))
    made["images"] = [
        {
            "label": int(label),
            "name": name,
            "pixels_finite": bool(np.isfinite(image).all()),
            "norm": float(norm),
            "loss": float(term),
        }
        for image, label, name, norm, term in zip(images, labels, names, norms, terms, strict=True)
    ]
    return made


def _not_finite(variables: Sequence[keras.Variable], values: Sequence[object] | None = None) -> list[Json]:
    """Return which variables, or values that belong to them, are not finite: path, and how many of how many numbers."""
    found: list[Json] = []
    for variable, value in zip(variables, variables if values is None else values, strict=True):
        if value is None:
            continue
        numbers = np.asarray(value)
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            wrong = int((~np.isfinite(numbers)).sum())
            found.append({"variable": variable.path, "not_finite": wrong, "of": int(numbers.size)})
    return found[:SHOWN]


def _first_layer(backbone: keras.Model, images: np.ndarray) -> str | None:
    """Return the name of the first layer whose output is not finite, or None."""
    with contextlib.suppress(Exception):
        layers = [layer for layer in backbone.layers if not isinstance(layer, keras.layers.InputLayer)]
        outputs = keras.Model(backbone.input, [layer.output for layer in layers])(images, training=True)
        for layer, output in zip(layers, outputs, strict=True):
            if not np.isfinite(np.asarray(output)).all():
                return str(layer.name)
    return None


def _plain(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
