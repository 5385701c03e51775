"""Where in a run a training stands: the step of an epoch, and what is needed to go on from it as if nothing had happened.

A checkpoint's weights hold the network, the head and the optimizer. Within an epoch the sums of the metrics belong to the state
as well, and so do the seeds of layers that draw random numbers (dropout), which Keras does not save with the weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from kface.errors import ModelError
from train.registry import Json

#: Makes the batches from a step of an epoch on: (epoch, step) -> data set.
Batches = Callable[[int, int], tf.data.Dataset]


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        epoch: Number of finished epochs.
        step: Number of finished steps of the next one.
        seconds: What these steps took.
        metrics: By name, the sums from which the metrics of the unfinished epoch follow.
        seeds: The states of the generators of random numbers.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    metrics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seeds: Sequence[Sequence[int]] = ()

    @classmethod
    def of(cls, model: keras.Model, epoch: int, step: int = 0, seconds: float = 0.0) -> "Position":
        """Return the position of a model in training; :func:`train.hosts.devices.synchronise` it first."""
        metrics = {
            metric.name: [float(np.asarray(variable)) for variable in metric.variables]
            for metric in (model.metrics if step else ())
        }
        seeds = [[int(value) for value in np.ravel(np.asarray(seed))] for seed in _seeds(model)]
        return cls(epoch, step, seconds, metrics, seeds)

    def as_json(self) -> dict[str, Json]:
        """Return what ``state.json`` holds beside epoch and step."""
        return {
            "seconds": self.seconds,
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "seeds": [list(seed) for seed in self.seeds],
        }

    @classmethod
    def read(cls, epoch: int, step: int, value: Mapping[str, object]) -> "Position":
        """Return a position from what :meth:`as_json` made; raises ModelError where it is of another form."""
        try:
            seconds, metrics, seeds = value["seconds"], value["metrics"], value["seeds"]
            if not isinstance(seconds, (int, float)) or not isinstance(metrics, dict) or not isinstance(seeds, list):
                raise TypeError
            return cls(
                epoch,
                step,
                float(seconds),
                {str(name): [float(one) for one in values] for name, values in metrics.items()},
                [[int(one) for one in seed] for seed in seeds],
            )
        except (KeyError, TypeError, ValueError):
            raise ModelError("its position within the epoch is not one", "state.json")

    def restore_seeds(self, model: keras.Model) -> None:
        """Set the states of the generators of random numbers."""
        for variable, state in zip(_seeds(model), self.seeds, strict=False):
            variable.assign(np.asarray(state, np.uint32).reshape(variable.shape))

    def restore_metrics(self, model: keras.Model) -> None:
        """Set the sums of the metrics; Keras clears them at the beginning of an epoch."""
        for metric in model.metrics:
            values = self.metrics.get(metric.name, ())
            if len(values) == len(metric.variables):
                for variable, value in zip(metric.variables, values, strict=True):
                    variable.assign(value)


def _seeds(model: keras.Model) -> list[keras.Variable]:
    layers = model._flatten_layers(include_self=False)
    return [generator.state for layer in layers for generator in getattr(layer, "_seed_generators", ())]


class _EpochDoneError(Exception):
    """Ends Keras's loop after the epoch that was resumed within; the rest follows in a second one."""


class _FirstEpoch(keras.callbacks.Callback):
    def __init__(self, start: Position, more: bool) -> None:
        super().__init__()
        self.start = start
        self.more = more

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if epoch == self.start.epoch:
            self.start.restore_metrics(self.model)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if epoch == self.start.epoch and self.more and not self.model.stop_training:
            raise _EpochDoneError


class _OneTraining(keras.callbacks.CallbackList):
    """Tells the callbacks once that the training begins, however many loops it has."""

    begun = False

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if not self.begun:
            self.begun = True
            super().on_train_begin(logs)


def fit(
    model: keras.Model,
    batches: Batches,
    hooks: list[keras.callbacks.Callback],
    start: Position,
    epochs: int,
    steps_per_epoch: int,
) -> None:
    """Run Keras's training loop from a position to the end.

    Callbacks count the steps of an epoch that was resumed within from 0; its first step is ``start.step``.

    Args:
        model: Compiled, with the weights of the position.
        batches: Makes the batches.
        hooks: The callbacks.
        start: Where to begin.
        epochs: Of the complete run.
        steps_per_epoch: Batches per epoch.
    """
    start.restore_seeds(model)
    first = _FirstEpoch(start, more=start.epoch + 1 < epochs)
    callbacks = _OneTraining(
        [*hooks, first] if start.step else hooks, add_history=True, model=model, epochs=epochs, steps=steps_per_epoch
    )

    def loop(begin: Position, last: int, steps: int) -> None:
        model.fit(
            batches(begin.epoch, begin.step),
            epochs=last,
            initial_epoch=begin.epoch,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )

    if not start.step:
        loop(start, epochs, steps_per_epoch)
        return
    try:
        # Keras has one number of steps for all epochs, and does what ends a training where its loop ends by itself.
        loop(start, start.epoch + 1, steps_per_epoch - start.step)
    except _EpochDoneError:
        loop(Position(start.epoch + 1), epochs, steps_per_epoch)
