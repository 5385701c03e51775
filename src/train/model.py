"""A backbone and a margin head as one Keras model whose output is the embedding."""

import keras
from keras import ops

from train.heads import CosineHead


class FaceModel(keras.Model):
    """Trains a backbone under a margin head; its output is the embedding, so nothing has to be removed after training.

    The head needs the labels and is therefore part of the loss.

    Args:
        backbone: float32 (n, h, w, 3) -> (n, d).
        head: Turns embeddings and labels into logits.
        label_smoothing: Share of the target spread evenly over all classes.
    """

    def __init__(self, backbone: keras.Model, head: CosineHead, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.label_smoothing = label_smoothing
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        head.build((None, int(backbone.output_shape[-1])))
        # Both parts have their weights now, so a checkpoint can be loaded before the first batch.
        self.built = True

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Return the embeddings, (n, d), not normalised."""
        return self.backbone(inputs, training=training)

    def compute_loss(
        self,
        x: keras.KerasTensor = None,
        y: keras.KerasTensor = None,
        y_pred: keras.KerasTensor = None,
        sample_weight: keras.KerasTensor | None = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """Return the mean cross-entropy of the head's logits plus the loss's penalty; the accuracy is of the plain cosines.

        Args:
            x: Images, unused.
            y: Labels, integers (n,).
            y_pred: Embeddings, (n, d).
            sample_weight: Unused.
            training: Unused.
        """
        batch = self.head.batch(y_pred, y)
        logits = self.head.logits(batch)
        target = ops.one_hot(y, self.head.classes, dtype="float32")
        target = target * (1 - self.label_smoothing) + self.label_smoothing / self.head.classes
        loss = ops.mean(keras.losses.categorical_crossentropy(target, logits, from_logits=True))
        self.accuracy.update_state(y, batch.cosines)
        penalty = self.head.loss.penalty(batch)
        for extra in (*self.losses, *(() if penalty is None else (penalty,))):
            loss = loss + extra
        return loss
