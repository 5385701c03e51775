"""Heads: what turns embeddings and labels into logits while training.

All three work on the cosines between the L2-normalised embedding and L2-normalised class weights, in float32, times a scale.
They are written in ``keras.ops`` alone, so that every Keras backend runs them.
"""

import math
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


class CosineHead(keras.layers.Layer):
    """Normalised Softmax: scaled cosines, no margin. The margin heads change the true class's cosine only.

    Args:
        classes: Number of identities.
        scale: Multiplies the cosines; by default :func:`default_scale`.
        margin: The margin that the head ends with; 0 here.
    """

    default_margin = 0.0

    def __init__(self, classes: int, scale: float | None = None, margin: float | None = None, **kwargs: Any) -> None:
        super().__init__(**{"name": "head", **kwargs, "dtype": "float32"})
        if classes < 2:
            raise ConfigError(f"at least two identities are needed to train, not {classes}", "corpus")
        self.classes = int(classes)
        self.scale = default_scale(classes) if scale is None else number("loss.scale", scale, 0, 1e38, open_below=True)
        self.final_margin = number("loss.margin", self.default_margin if margin is None else margin)
        self._check_margin()

    def _check_margin(self) -> None:
        if self.final_margin != 0:
            raise ConfigError("softmax has no margin", "loss.margin", "use loss=arcface or loss=cosface")

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

    def with_margin(self, cosines: keras.KerasTensor) -> keras.KerasTensor:
        """Return what stands in the true class's place; softmax leaves it as it is."""
        return cosines

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
        return self.scale * (cosines + true * (self.with_margin(cosines) - cosines))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal head."""
        return {
            **super().get_config(),
            "classes": self.classes,
            "scale": self.scale,
            "margin": self.final_margin,
        }


class Softmax(CosineHead):
    """Normalised Softmax (Wang et al., NormFace, 2017): scaled cosines without a margin."""


class CosFace(CosineHead):
    """CosFace (Wang et al., 2018, equation 4): cos(theta) - m for the true class."""

    default_margin = 0.2

    def _check_margin(self) -> None:
        if not 0 <= self.final_margin < 1:
            raise ConfigError(f"must be at least 0 and less than 1, not {self.final_margin}", "loss.margin")

    def with_margin(self, cosines: keras.KerasTensor) -> keras.KerasTensor:
        """Return cos(theta) - m."""
        return cosines - self.margin


class ArcFace(CosineHead):
    """ArcFace (Deng et al., 2019, equation 3): cos(theta + m) for the true class, m in radians.

    Where theta + m would pass pi, cos(theta + m) would rise again and reward the wrong direction; there it goes on as the
    line cos(theta) - (1 - cos(m)), which meets it at theta = pi - m.
    """

    default_margin = 0.25

    def _check_margin(self) -> None:
        if not 0 <= self.final_margin < math.pi / 2:
            raise ConfigError(f"must be at least 0 and less than pi / 2, not {self.final_margin}", "loss.margin")

    def with_margin(self, cosines: keras.KerasTensor) -> keras.KerasTensor:
        """Return cos(theta + m), or its continuation beyond theta = pi - m."""
        sines = ops.sqrt(1 - ops.square(cosines))
        inside = cosines * ops.cos(self.margin) - sines * ops.sin(self.margin)
        beyond = cosines - (1 - ops.cos(self.margin))
        return ops.where(cosines > -ops.cos(self.margin), inside, beyond)


HEADS: dict[str, type[CosineHead]] = {"arcface": ArcFace, "cosface": CosFace, "softmax": Softmax}


def normalise(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Divide by the L2 norm along an axis; a vector of zeros stays one, with a finite gradient."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))
