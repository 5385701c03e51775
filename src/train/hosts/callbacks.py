"""Callbacks of trainings on several devices and hosts."""

from collections.abc import Mapping
from typing import Any

import keras

from train.callbacks import ClosingCallback
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


class OnFirstHost(ClosingCallback):
    """Runs callbacks on the first host alone; the others lend it their parts of the weights at the end of an epoch.

    Args:
        callbacks: They read the model's variables, or compute with them, but do not assign to them.
        first: Whether this is the first host.
    """

    def __init__(self, callbacks: list[keras.callbacks.Callback], first: bool) -> None:
        super().__init__()
        self.callbacks = callbacks if first else []

    def set_model(self, model: keras.Model) -> None:
        """Pass the model on."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Pass the parameters on."""
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def close(self) -> None:
        """Close those that are to be closed."""
        for callback in self.callbacks:
            if isinstance(callback, ClosingCallback):
                callback.close()

    def _run(self, hook: str, *arguments: Any, parts: bool = False) -> None:
        if not self.callbacks and not parts:
            return
        with devices.local([*self.model.variables, *self.model.optimizer.variables], parts):
            for callback in self.callbacks:
                getattr(callback, hook)(*arguments)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Pass on."""
        self._run("on_train_begin", logs)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Pass on."""
        self._run("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Pass on."""
        self._run("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Pass on, with the weights of all hosts."""
        self._run("on_epoch_end", epoch, logs, parts=True)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Pass on."""
        self._run("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Pass on."""
        self._run("on_train_batch_end", batch, logs)
