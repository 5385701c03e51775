"""The student: a face model whose loss has the teacher's part."""

import keras
from keras import ops

from train.heads import CosineHead, normalise
from train.model import FaceModel


class StudentModel(FaceModel):
    """Trains a backbone under a margin head and towards a teacher's embeddings.

    The loss is (1 - weight) L + weight (1 - cos(W e, t)), where L is the margin loss, e the embedding, t the teacher's centred
    embedding, and W a linear projection where their lengths differ, which is not exported. It is the angular distillation
    of ShrinkTeaNet (Duong et al., 2019), whose weight 1 needs no labels; distillation itself is Hinton et al. (2015).

    Labels are tuples: integers (n,), and the teacher's embeddings, (n, t), of length 1.

    Args:
        backbone: float32 (n, h, w, 3) -> (n, d).
        head: Turns embeddings and labels into logits; unused where ``weight`` is 1.
        size: Length of the teacher's embeddings.
        weight: Of the teacher's part, above 0 and at most 1.
        label_smoothing: Share of the target spread evenly over all classes.

    Attributes:
        accuracy: The margin head's; where ``weight`` is 1, the share of the images whose own teacher's embedding is the closest
            one of the batch.
    """

    def __init__(
        self, backbone: keras.Model, head: CosineHead, size: int, weight: float, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(backbone, head, label_smoothing)
        self.weight = weight
        self.agreement = keras.metrics.Mean(name="teacher_cosine")
        length = int(backbone.output_shape[-1])
        self.projection: keras.layers.Layer | None = None
        if length != size:
            self.projection = keras.layers.Dense(size, use_bias=False, name="projection", dtype="float32")
            self.projection.build((None, length))
        if weight == 1:
            # Nothing reaches its weights.
            head.trainable = False

    def compute_loss(
        self,
        x: keras.KerasTensor = None,
        y: keras.KerasTensor = None,
        y_pred: keras.KerasTensor = None,
        sample_weight: keras.KerasTensor | None = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """Return the weighted sum of both parts.

        Args:
            x: Images, unused.
            y: Labels, integers (n,), and the teacher's embeddings, (n, t).
            y_pred: Embeddings, (n, d).
            sample_weight: Unused.
            training: Passed on to the margin loss.
        """
        labels, teacher = y
        embeddings = ops.cast(y_pred, "float32")
        if self.projection is not None:
            embeddings = self.projection(embeddings)
        cosines = ops.matmul(normalise(embeddings, axis=-1), ops.transpose(ops.cast(teacher, "float32")))
        own = ops.mean(ops.diagonal(cosines))
        self.agreement.update_state(own)
        if self.weight == 1:
            self.accuracy.update_state(ops.arange(ops.shape(cosines)[0]), cosines)
            loss = 1 - own
            for extra in self.losses:
                loss = loss + extra
            return loss
        margin = super().compute_loss(x, labels, y_pred, sample_weight, training)
        return (1 - self.weight) * margin + self.weight * (1 - own)
