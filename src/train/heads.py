"""The head: the class weights, and the cosines between them and embeddings, in training.

The L2-normalised embeddings and class weights are multiplied in float32; :mod:`train.losses` takes the cosines from there. It
is written in ``keras.ops`` alone, so that every Keras backend runs it.
"""

import keras
from keras import ops

from kface.errors import ConfigError
from train.losses.base import EPSILON, HeadBatch, Loss
from train.registry import Json, fields_of


class CosineHead(keras.layers.Layer):
    """Cosines between embeddings and the weights of their classes, for a loss.

    Args:
        classes: Number of identities.
        loss: Scale, margin and the formulas.
        name: The layer's.
    """

    def __init__(self, classes: int, loss: Loss, name: str = "head") -> None:
        super().__init__(name=name, dtype="float32")
        if classes < 2:
            raise ConfigError(f"at least two identities are needed to train, not {classes}", "corpus")
        self.classes = int(classes)
        self.loss = loss
        self.scale = loss.scale_for(classes) if loss.scale is None else float(loss.scale)
        self.final_margin = float(loss.margin)
        self._ramped: tuple[float, float] | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the class weights, the margin in force and the loss's own variables."""
        self.make_weights(int(input_shape[-1] or 0))
        self.margin = self._scalar("margin", self.final_margin)
        self.loss_state = {name: self._scalar(name, value) for name, value in self.loss.state().items()}
        # Only where it changes, so that checkpoints of runs with a constant scale have no variable for it.
        self.ramped_scale = None if self.loss.scale_start is None else self._scalar("scale", self.scale)
        super().build(input_shape)

    def make_weights(self, embedding: int) -> None:
        """Make the class weights.

        They are (embedding, classes * sub-centres); those of class c are the columns from c * sub-centres.
        """
        self.kernel = self.add_weight(
            name="kernel", shape=(embedding, self.classes * self.loss.sub_centres), initializer="glorot_uniform"
        )

    def _scalar(self, name: str, value: float) -> keras.Variable:
        return self.add_weight(name=name, shape=(), initializer=keras.initializers.Constant(value), trainable=False)

    def ramp(self, margin_share: float, scale_share: float) -> None:
        """Set the margin and the scale in force.

        Args:
            margin_share: Share of the final margin, 0 to 1.
            scale_share: Share, 0 to 1, of the way from ``loss.scale_start`` to the scale, at equal ratios.
        """
        if (margin_share, scale_share) == self._ramped:
            # With several hosts, an assignment is an exchange between them.
            return
        self._ramped = (margin_share, scale_share)
        self.margin.assign(margin_share * self.final_margin)
        start = self.loss.scale_start
        if self.ramped_scale is not None and start is not None:
            self.ramped_scale.assign(start * (self.scale / start) ** scale_share)

    def cosines(self, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """Return float32 (n, classes), the cosines, of the nearest sub-centre, kept inside +-(1 - :data:`EPSILON`)."""
        embeddings = normalise(ops.cast(embeddings, "float32"), axis=-1)
        cosines = ops.matmul(embeddings, normalise(self.kernel, axis=0))
        if self.loss.sub_centres > 1:
            cosines = ops.max(ops.reshape(cosines, (-1, self.classes, self.loss.sub_centres)), axis=-1)
        return ops.clip(cosines, -1 + EPSILON, 1 - EPSILON)

    def batch(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> HeadBatch:
        """Return what the loss sees of embeddings, (n, d) of any length and precision, and labels, integers (n,)."""
        embeddings = ops.cast(embeddings, "float32")
        squares = ops.sum(ops.square(embeddings), axis=-1, keepdims=True)
        # At 0 the square root has no finite derivative.
        norms = ops.sqrt(ops.maximum(squares, 1e-12))
        return HeadBatch(
            cosines=self.cosines(embeddings),
            labels=self.columns_of(labels),
            embeddings=normalise(embeddings, axis=-1),
            norms=norms,
            margin=self.margin,
            scale=self.scale if self.ramped_scale is None else self.ramped_scale,
            state=self.loss_state,
        )

    def columns_of(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the columns of identities, integers (n,)."""
        return labels

    def logits(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return float32 (n, classes), the scaled cosines, those of the true classes with the margin."""
        return self.loss.logits(batch)

    def call(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits, float32 (n, classes), of embeddings (n, d) and labels, integers (n,)."""
        return self.logits(self.batch(embeddings, labels))

    def described(self) -> dict[str, Json]:
        """Return what decides the head: the number of identities, and all fields of its loss with the scale in use."""
        return {**fields_of(self.loss), "classes": self.classes, "scale": self.scale}


def normalise(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Divide by the L2 norm along an axis; a vector shorter than 1e-6 becomes zero, with a gradient of zero.

    The true gradient of a vector so short would be too large for half precision.
    """
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12)) * ops.cast(squares >= 1e-12, x.dtype)
