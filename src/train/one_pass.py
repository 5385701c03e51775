"""Keras's AdamW and SGD, whose updates TensorFlow computes in one pass over each weight on a CPU.

Keras makes an update of some fifteen operations, each of which reads and writes arrays of the size of the weights; on a CPU
these are memory traffic and nothing else. Variables, their names and the arithmetic are Keras's: checkpoints of one are
continued by the other.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from train.hosts import devices


class _OnePass:
    """Added in front of an optimizer's class: clips by the norm of all gradients, and decays, with the fewest passes."""

    def _clip_gradients(self, grads: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        limit = self.global_clipnorm  # type: ignore[attr-defined]
        if not limit or not devices.on_cpu():
            return super()._clip_gradients(grads)  # type: ignore[misc]
        return tf.clip_by_global_norm(grads, limit)[0]

    def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
        if self.weight_decay is None or not devices.on_cpu():  # type: ignore[attr-defined]
            super()._apply_weight_decay(variables)  # type: ignore[misc]
            return
        share = self.weight_decay * tf.convert_to_tensor(self.learning_rate)  # type: ignore[attr-defined]
        for variable in variables:
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                variable.value.assign_sub(variable.value * share)


class AdamW(_OnePass, keras.optimizers.AdamW):
    """Keras's AdamW."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a weight and its moments."""
        if not devices.on_cpu():
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class SGD(_OnePass, keras.optimizers.SGD):
    """Keras's SGD."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a weight and its momentum."""
        if not self.momentum or self.nesterov or not devices.on_cpu():
            super().update_step(gradient, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=learning_rate,
            grad=gradient,
            momentum=self.momentum,
        )
