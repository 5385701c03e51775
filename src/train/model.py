"""A backbone and a margin head as one Keras model whose output is the embedding."""

import keras

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
        """Return the value of the head's loss plus those of the backbone's layers; the accuracy is of the plain cosines.

        Args:
            x: Images, unused.
            y: Labels, integers (n,).
            y_pred: Embeddings, (n, d).
            sample_weight: Unused.
            training: Whether the loss updates its variables.
        """
        batch = self.head.batch(y_pred, y)
        if training:
            self.head.loss.update(batch)
        loss = self.head.loss.value(batch, self.label_smoothing)
        self.accuracy.update_state(batch.labels, batch.cosines)
        for extra in self.losses:
            loss = loss + extra
        return loss
