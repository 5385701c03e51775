"""Callbacks of trainings on several devices and hosts."""

from collections.abc import Mapping

import keras

from train.hosts import devices


class SynchroniseForRamp(keras.callbacks.Callback):
    """Lets the callbacks after it change the head's margin between two batches, also with JAX, until the ramp has ended.

    JAX's training holds the values of variables outside of them, so an assignment between two batches would be lost.

    Args:
        full: Epochs after which the margin no longer changes.
        steps_per_epoch: Batches per epoch.
    """

    def __init__(self, full: float, steps_per_epoch: int) -> None:
        super().__init__()
        self.full = full
        self.steps_per_epoch = steps_per_epoch
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Synchronise; one batch more than the ramp has, because the last one sets the final values."""
        if self._epoch + (batch - 1) / self.steps_per_epoch <= self.full:
            devices.synchronise(self.model)


class OnEveryHost(keras.callbacks.Callback):
    """Runs a callback that saves on the first host; the others lend it their parts of the weights meanwhile.

    Args:
        saver: Saves at the end of an epoch.
        first: Whether this is the first host.
    """

    def __init__(self, saver: keras.callbacks.Callback, first: bool) -> None:
        super().__init__()
        self.saver = saver
        self.first = first

    def set_model(self, model: keras.Model) -> None:
        """Take the model."""
        super().set_model(model)
        self.saver.set_model(model)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Gather and save."""
        with devices.gathered([*self.model.variables, *self.model.optimizer.variables]):
            if self.first:
                self.saver.on_epoch_end(epoch, logs)
