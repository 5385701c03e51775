"""Margin heads: they turn embeddings and labels into logits in training.

All work in float32 on the cosines between the L2-normalised embeddings and the L2-normalised class weights, times a scale.
They are written in ``keras.ops`` alone, so that every Keras backend runs them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import keras
from keras import ops

from kface.checks import number
from kface.errors import ConfigError
from train.registry import Json, Registry, fields_of

#: Cosines are kept this far from +-1, where the derivative of the angle is unbounded.
EPSILON = 1e-3


def default_scale(classes: int) -> float:
    """Return the scale for a number of classes.

    Twice AdaCos' fixed scale sqrt(2) ln(C - 1) (Zhang et al., 2019), kept between 8 and 64: AdaCos' own leaves no room for a
    margin, and with 64 hundreds of identities do not train at all. 370 identities get 16.7, where mixface found 16
    to be the only one that trains; 10,000 get 26, 85,000 (MS1M) get 32.
    """
    return min(64.0, max(8.0, 2 * math.sqrt(2) * math.log(max(classes - 1, 2))))


class HeadBatch(NamedTuple):
    """What a loss sees of a batch.

    Attributes:
        cosines: float32 (n, classes), inside +-(1 - :data:`EPSILON`).
        labels: Integers (n,), from 0 to classes - 1.
        norms: float32 (n, 1), the L2 norms of the embeddings before they were normalised,
            at least 1e-6.
        margin: The margin in force, a float32 scalar, which :class:`train.callbacks.MarginRamp` raises.
        state: The variables that :meth:`Loss.state` names, float32 scalars; assign to them to update them.
    """

    cosines: keras.KerasTensor
    labels: keras.KerasTensor
    norms: keras.KerasTensor
    margin: keras.KerasTensor
    state: Mapping[str, keras.Variable]


@dataclass(frozen=True)
class Loss:
    """Settings of a loss, and its margin; called with the number of identities, it makes the margin head.

    A new loss adds its fields and overrides :meth:`check` and :meth:`target`. AdaFace's margin depends on the norms and on
    running averages of them (:meth:`state`); MagFace's as well, and it adds a term (:meth:`penalty`).

    Args:
        scale: Factor on the cosines; by default :func:`default_scale` of the number of identities.
        margin: The margin at the end of the ramp.

    Raises:
        ConfigError: A value is out of its range.
    """

    #: Its name in conf/loss/.
    name: ClassVar[str]

    scale: float | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.scale is not None:
            number("loss.scale", self.scale, 0, 1e38, open_below=True)
        number("loss.margin", self.margin)
        self.check()

    def check(self) -> None:
        """Raise ConfigError where a value is out of the range of this loss."""

    def state(self) -> dict[str, float]:
        """Return names and initial values of scalars that the loss updates in training; checkpoints keep them."""
        return {}

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return float32 (n, classes), the cosines with the margin applied; only those of the true classes are used."""
        raise NotImplementedError

    def penalty(self, batch: HeadBatch) -> keras.KerasTensor | None:
        """Return a scalar that is added to the mean cross-entropy, or None."""
        return None

    def __call__(self, classes: int) -> "CosineHead":
        """Return a head for a number of identities."""
        return CosineHead(classes, self)


LOSSES: Registry[Loss] = Registry("loss", Loss)


@LOSSES.register
@dataclass(frozen=True)
class Softmax(Loss):
    """Normalised Softmax (Wang et al., NormFace, 2017): scaled cosines without a margin."""

    name: ClassVar[str] = "softmax"

    def check(self) -> None:
        """Refuse a margin."""
        if self.margin != 0:
            raise ConfigError("softmax has no margin", "loss.margin", "use loss=arcface or loss=cosface")

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return the cosines unchanged."""
        return batch.cosines


@LOSSES.register
@dataclass(frozen=True)
class CosFace(Loss):
    """CosFace (Wang et al., 2018, equation 4): cos(theta) - m for the true class."""

    name: ClassVar[str] = "cosface"

    margin: float = 0.2

    def check(self) -> None:
        """Refuse a margin that is not in [0, 1)."""
        if not 0 <= self.margin < 1:
            raise ConfigError(f"must be at least 0 and less than 1, not {self.margin}", "loss.margin")

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return cos(theta) - m."""
        return batch.cosines - batch.margin


@LOSSES.register
@dataclass(frozen=True)
class ArcFace(Loss):
    """ArcFace (Deng et al., 2019, equation 3): cos(theta + m) for the true class, m in radians.

    Beyond theta + m = pi, cos(theta + m) would rise again and reward the wrong direction; from there it continues as the line
    cos(theta) - (1 - cos(m)), which meets it at theta = pi - m.
    """

    name: ClassVar[str] = "arcface"

    margin: float = 0.25

    def check(self) -> None:
        """Refuse a margin that is not in [0, pi / 2)."""
        if not 0 <= self.margin < math.pi / 2:
            raise ConfigError(f"must be at least 0 and less than pi / 2, not {self.margin}", "loss.margin")

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return cos(theta + m), or its continuation beyond theta = pi - m."""
        cosines, margin = batch.cosines, batch.margin
        sines = ops.sqrt(1 - ops.square(cosines))
        inside = cosines * ops.cos(margin) - sines * ops.sin(margin)
        beyond = cosines - (1 - ops.cos(margin))
        return ops.where(cosines > -ops.cos(margin), inside, beyond)


class CosineHead(keras.layers.Layer):
    """Scaled cosines, with a loss's margin on those of the true classes.

    Args:
        classes: Number of identities.
        loss: Scale and margin.
        name: The layer's.
    """

    def __init__(self, classes: int, loss: Loss, name: str = "head") -> None:
        super().__init__(name=name, dtype="float32")
        if classes < 2:
            raise ConfigError(f"at least two identities are needed to train, not {classes}", "corpus")
        self.classes = int(classes)
        self.loss = loss
        self.scale = default_scale(classes) if loss.scale is None else float(loss.scale)
        self.final_margin = float(loss.margin)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the class weights, (embedding, classes), the margin in force and the loss's own variables."""
        self.kernel = self.add_weight(
            name="kernel", shape=(int(input_shape[-1] or 0), self.classes), initializer="glorot_uniform"
        )
        self.margin = self._scalar("margin", self.final_margin)
        self.loss_state = {name: self._scalar(name, value) for name, value in self.loss.state().items()}
        super().build(input_shape)

    def _scalar(self, name: str, value: float) -> keras.Variable:
        return self.add_weight(name=name, shape=(), initializer=keras.initializers.Constant(value), trainable=False)

    def cosines(self, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """Return float32 (n, classes), the cosines, kept inside +-(1 - :data:`EPSILON`)."""
        embeddings = normalise(ops.cast(embeddings, "float32"), axis=-1)
        cosines = ops.matmul(embeddings, normalise(self.kernel, axis=0))
        return ops.clip(cosines, -1 + EPSILON, 1 - EPSILON)

    def batch(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> HeadBatch:
        """Return what the loss sees of embeddings, (n, d) of any length and precision, and labels, integers (n,)."""
        squares = ops.sum(ops.square(ops.cast(embeddings, "float32")), axis=-1, keepdims=True)
        # At 0 the square root has no finite derivative.
        norms = ops.sqrt(ops.maximum(squares, 1e-12))
        return HeadBatch(self.cosines(embeddings), labels, norms, self.margin, self.loss_state)

    def logits(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return float32 (n, classes), the scaled cosines, those of the true classes with the margin."""
        true = ops.one_hot(batch.labels, self.classes, dtype="float32")
        return self.scale * (batch.cosines + true * (self.loss.target(batch) - batch.cosines))

    def call(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits, float32 (n, classes), of embeddings (n, d) and labels, integers (n,)."""
        return self.logits(self.batch(embeddings, labels))

    def described(self) -> dict[str, Json]:
        """Return what decides the head: the number of identities, and all fields of its loss with the scale in use."""
        return {**fields_of(self.loss), "classes": self.classes, "scale": self.scale}


def normalise(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Divide by the L2 norm along an axis; a zero vector stays zero, with a finite gradient."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))
