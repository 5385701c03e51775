"""Batch normalisation that TensorFlow computes as one operation in training on a CPU."""

import keras
import tensorflow as tf

from train.hosts import devices


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, with the same weights and, up to rounding, the same values, in a third of the time.

    Keras computes it from means, differences and products, each of which reads and writes the complete feature map; TensorFlow
    has one operation for all of them, and one for their gradients. Inference and all other inputs are Keras's own, so the
    exporter sees the same graph. It has the name of Keras's class because files of weights hold the names of classes.
    """

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Return the normalised inputs, of the same shape; in training, the moving averages follow the batch."""
        if not (training and self.trainable and mask is None and self._is_one_operation(inputs)):
            return super().call(inputs, training=training, mask=mask)
        none = tf.zeros((0,))
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=none,
            variance=none,
            epsilon=self.epsilon,
            is_training=True,
        )
        # It returns the unbiased estimate, Keras averages the variance of the batch.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance = variance * (tf.maximum(count - 1, 1) / count)
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        return outputs

    def _is_one_operation(self, inputs: keras.KerasTensor) -> bool:
        """Return whether the inputs are feature maps (n, h, w, c) of 32 bits, and TensorFlow computes on a CPU."""
        return (
            devices.on_cpu() and len(inputs.shape) == 4 and self.axis in (-1, 3) and self.dtype_policy.name == "float32"
        )
