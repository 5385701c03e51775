"""A backbone and a head as one Keras model whose output is the embedding."""

from typing import Any

import keras
from keras import ops

from train.heads import CosineHead


class FaceModel(keras.Model):
    """Trains a backbone under a head; ``call`` returns the embedding, so that there is nothing to strip afterwards.

    The head needs the labels and therefore sits in the loss.

    Args:
        backbone: float32 (n, h, w, 3) -> (n, d).
        head: Turns embeddings and labels into logits.
        label_smoothing: Share of the target spread evenly over all classes.
    """

    def __init__(self, backbone: keras.Model, head: CosineHead, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backbone = backbone
        self.head = head
        self.label_smoothing = label_smoothing
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        head.build((None, int(backbone.output_shape[-1])))
        # Both parts have their weights now; a checkpoint can be loaded before the first batch.
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the embeddings, (n, d), not normalised."""
        return self.backbone(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the mean cross-entropy of the head's logits; the accuracy beside it is that of the plain cosines."""
        logits = self.head(y_pred, y)
        target = ops.one_hot(y, self.head.classes, dtype="float32")
        target = target * (1 - self.label_smoothing) + self.label_smoothing / self.head.classes
        loss = ops.mean(keras.losses.categorical_crossentropy(target, logits, from_logits=True))
        self.accuracy.update_state(y, self.head.cosines(y_pred))
        for extra in self.losses:
            loss = loss + extra
        return loss

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, with both parts serialised."""
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "head": keras.saving.serialize_keras_object(self.head),
            "label_smoothing": self.label_smoothing,
        }
