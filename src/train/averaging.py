"""A moving average of the weights (Polyak and Juditsky, 1992; Tarvainen and Valpola, Mean teachers, 2017).

The average is taken in the optimizer, beside its moments, so checkpoints keep both it and the weights, and a resumed run goes
on as an undisturbed one. After the training the averages take the place of the weights.

The statistics of the BatchNormalizations belong to the weights as they were: those of the averages are measured on training
batches (Izmailov et al., Stochastic weight averaging, 2018, section 3.2).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

#: Batches on which the statistics of the averages are measured.
BATCHES = 64


class _Untracked:
    """Hides variables from Keras, which counts all that are in an optimizer's lists and tuples among the optimizer's own."""

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.variables = variables


class _Averaging:
    """Added in front of an optimizer's class: updates an average of the weights after every step.

    After step t, counted from 0, it is d average + (1 - d) weight with d = min(momentum, t / (t + 9)), so that the weights at
    the beginning are soon forgotten; TensorFlow's ExponentialMovingAverage counts alike.
    """

    average_momentum = 0.0
    averages: Sequence[keras.Variable] = ()
    _weights = _Untracked(())

    @property
    def averaged_weights(self) -> Sequence[keras.Variable]:
        """The weights, in the order of their averages."""
        return self._weights.variables

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the averages."""
        super().build(variables)  # type: ignore[misc]
        if not self.averages:
            self._weights = _Untracked(list(variables))
            made: Any = self
            self.averages = [made.add_variable_from_reference(one, name="average") for one in variables]

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the weights, then the averages."""
        super().apply(grads, trainable_variables)  # type: ignore[misc]
        made: Any = self
        step = ops.cast(made.iterations, "float32") - 1
        momentum = ops.minimum(self.average_momentum, step / (step + 9))
        for average, weight in zip(self.averages, self.averaged_weights, strict=True):
            average.assign(average + ops.cast(1 - momentum, average.dtype) * (ops.convert_to_tensor(weight) - average))


def with_average(kind: type[keras.optimizers.Optimizer], momentum: float) -> type[keras.optimizers.Optimizer]:
    """Return a class of optimizers that keeps a moving average of the weights; the class itself where the momentum is 0."""
    return type(f"Averaged{kind.__name__}", (_Averaging, kind), {"average_momentum": momentum}) if momentum else kind


def _averaging(model: keras.Model) -> Any:
    """Return a model's optimizer where it has averages, or None."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return optimizer if isinstance(optimizer, _Averaging) and optimizer.averages else None


def _of(network: keras.Model, optimizer: Any) -> Iterator[tuple[keras.Variable, keras.Variable]]:
    """Yield (average, weight) of a network that is a part of what the optimizer trains."""
    own = {id(one) for one in network.variables}
    for average, weight in zip(optimizer.averages, optimizer.averaged_weights, strict=True):
        if id(weight) in own:
            yield average, weight


def is_averaged(model: keras.Model) -> bool:
    """Return whether a model's optimizer keeps averages, and has begun to."""
    return _averaging(model) is not None


def put_in_place(model: keras.Model, network: keras.Model, batches: Iterable[Any]) -> None:
    """Replace a network's weights by their averages, and measure the statistics of its BatchNormalizations.

    Args:
        model: What was trained.
        network: Its part without the head.
        batches: Images, float32 (n, h, w, 3), as in the training; not drawn where there are no averages.
    """
    optimizer = _averaging(model)
    if optimizer is None:
        return
    for average, weight in _of(network, optimizer):
        weight.assign(average)
    measure_statistics(network, batches)


@contextmanager
def averaged(model: keras.Model, network: keras.Model, batches: Iterable[Any]) -> Iterator[None]:
    """Put the averages in place for a while, for instance to validate; the training then goes on undisturbed."""
    optimizer = _averaging(model)
    if optimizer is None:
        yield
        return
    kept = [(one, ops.convert_to_numpy(one)) for one in network.variables]
    put_in_place(model, network, batches)
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def measure_statistics(network: keras.Model, batches: Iterable[Any]) -> None:
    """Set the means and variances of all BatchNormalizations to their averages over batches.

    Args:
        network: In training mode, it normalises by the statistics of the batch.
        batches: Images, float32 (n, h, w, 3).
    """
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    try:
        for number, images in enumerate(batches):
            for layer in layers:
                # The moving average with these momenta is the mean.
                layer.momentum = number / (number + 1)
            network(images, training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
