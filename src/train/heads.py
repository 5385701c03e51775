"""Heads: what turns embeddings and labels into logits while training.

All work on the cosines between the L2-normalised embedding and L2-normalised class weights, in float32, times a scale.
They are written in ``keras.ops`` alone, so that every Keras backend runs them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from kface.checks import number
from kface.errors import ConfigError

#: Cosines are kept this far from +-1, where the derivative of the angle has no bound.
EPSILON = 1e-3


def default_scale(classes: int) -> float:
    """Return the scale that suits a number of classes.

    Twice AdaCos' fixed scale sqrt(2) ln(C - 1) (Zhang et al., 2019), kept between 8 and 64: AdaCos' own leaves no room for a
    margin, and with 64 hundreds of identities do not train at all. 370 identities get 16.7, where mixface found 16
    to be the only one that trains; 10,000 get 26, 85,000 (MS1M) get 32.
    """
    return min(64.0, max(8.0, 2 * math.sqrt(2) * math.log(max(classes - 1, 2))))


@dataclass(frozen=True)
class Loss:
    """A margin head's settings, and what its margin does; called with the number of identities it makes the head.

    A new one adds its fields and overrides :meth:`check` and :meth:`with_margin`; a run's description lists all fields.

    Args:
        scale: Multiplies the cosines; by default :func:`default_scale` of the number of identities.
        margin: The margin that the training ends with.

    Raises:
        ConfigError: A value is out of its range.
    """

    scale: float | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.scale is not None:
            number("loss.scale", self.scale, 0, 1e38, open_below=True)
        number("loss.margin", self.margin)
        self.check()

    def check(self) -> None:
        """Raise ConfigError where a value is out of the range of this loss."""

    def with_margin(self, cosines: keras.KerasTensor, margin: keras.KerasTensor) -> keras.KerasTensor:
        """Return what stands in the true class's place.

        Args:
            cosines: (n, classes).
            margin: The margin in force, a scalar.
        """
        raise NotImplementedError

    def __call__(self, classes: int) -> "CosineHead":
        """Return a head for a number of identities."""
        return CosineHead(classes, self)


@dataclass(frozen=True)
class Softmax(Loss):
    """Normalised Softmax (Wang et al., NormFace, 2017): scaled cosines without a margin."""

    def check(self) -> None:
        """Refuse a margin."""
        if self.margin != 0:
            raise ConfigError("softmax has no margin", "loss.margin", "use loss=arcface or loss=cosface")

    def with_margin(self, cosines: keras.KerasTensor, margin: keras.KerasTensor) -> keras.KerasTensor:
        """Return the cosines as they are."""
        return cosines


@dataclass(frozen=True)
class CosFace(Loss):
    """CosFace (Wang et al., 2018, equation 4): cos(theta) - m for the true class."""

    margin: float = 0.2

    def check(self) -> None:
        """Refuse a margin that is not in [0, 1)."""
        if not 0 <= self.margin < 1:
            raise ConfigError(f"must be at least 0 and less than 1, not {self.margin}", "loss.margin")

    def with_margin(self, cosines: keras.KerasTensor, margin: keras.KerasTensor) -> keras.KerasTensor:
        """Return cos(theta) - m."""
        return cosines - margin


@dataclass(frozen=True)
class ArcFace(Loss):
    """ArcFace (Deng et al., 2019, equation 3): cos(theta + m) for the true class, m in radians.

    Where theta + m would pass pi, cos(theta + m) would rise again and reward the wrong direction; there it goes on as the
    line cos(theta) - (1 - cos(m)), which meets it at theta = pi - m.
    """

    margin: float = 0.25

    def check(self) -> None:
        """Refuse a margin that is not in [0, pi / 2)."""
        if not 0 <= self.margin < math.pi / 2:
            raise ConfigError(f"must be at least 0 and less than pi / 2, not {self.margin}", "loss.margin")

    def with_margin(self, cosines: keras.KerasTensor, margin: keras.KerasTensor) -> keras.KerasTensor:
        """Return cos(theta + m), or its continuation beyond theta = pi - m."""
        sines = ops.sqrt(1 - ops.square(cosines))
        inside = cosines * ops.cos(margin) - sines * ops.sin(margin)
        beyond = cosines - (1 - ops.cos(margin))
        return ops.where(cosines > -ops.cos(margin), inside, beyond)


class CosineHead(keras.layers.Layer):
    """Scaled cosines, the true class's changed by a loss's margin.

    Args:
        classes: Number of identities.
        loss: Scale and margin.
    """

    def __init__(self, classes: int, loss: Loss, **kwargs: Any) -> None:
        super().__init__(**{"name": "head", **kwargs, "dtype": "float32"})
        if classes < 2:
            raise ConfigError(f"at least two identities are needed to train, not {classes}", "corpus")
        self.classes = int(classes)
        self.loss = loss
        self.scale = default_scale(classes) if loss.scale is None else float(loss.scale)
        self.final_margin = float(loss.margin)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the class weights, (embedding, classes), and the margin in force, which a callback may ramp."""
        self.kernel = self.add_weight(
            name="kernel", shape=(int(input_shape[-1] or 0), self.classes), initializer="glorot_uniform"
        )
        self.margin = self.add_weight(
            name="margin", shape=(), initializer=keras.initializers.Constant(self.final_margin), trainable=False
        )
        super().build(input_shape)

    def cosines(self, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """Return float32 (n, classes), the cosines, kept inside +-(1 - :data:`EPSILON`)."""
        embeddings = normalise(ops.cast(embeddings, "float32"), axis=-1)
        cosines = ops.matmul(embeddings, normalise(self.kernel, axis=0))
        return ops.clip(cosines, -1 + EPSILON, 1 - EPSILON)

    def call(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits.

        Args:
            embeddings: (n, d), of any length.
            labels: Integers (n,), from 0 to classes - 1.

        Returns:
            float32 (n, classes).
        """
        cosines = self.cosines(embeddings)
        true = ops.one_hot(labels, self.classes, dtype="float32")
        return self.scale * (cosines + true * (self.loss.with_margin(cosines, self.margin) - cosines))

    def get_config(self) -> dict[str, Any]:
        """Return what decides the head: all fields of its loss, the scale as it follows from the number of identities."""
        return {
            **super().get_config(),
            **asdict(self.loss),
            "classes": self.classes,
            "scale": self.scale,
            "margin": self.final_margin,
        }


def normalise(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Divide by the L2 norm along an axis; a vector of zeros stays one, with a finite gradient."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))
