"""Batches over all devices, with Keras on JAX: each device gets its part of a batch, and the weights are on all of them.

What is computed is that of one device with the same batch: normalisations, losses, metrics and gradients are of the complete
batch. Rows of class weights that are sampled (:mod:`train.partial`) are divided among the devices.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from kface.errors import ConfigError

#: The only axis of the devices.
AXIS = "batch"
#: Variables whose first axis is divided among the devices, by their path.
DIVIDED = ".*class_rows.*"


def on_jax() -> bool:
    """Return whether Keras computes with JAX."""
    return bool(keras.backend.backend() == "jax")


def on_cpu() -> bool:
    """Return whether Keras computes with TensorFlow, and on a CPU: nothing is compiled by XLA there."""
    return not on_jax() and not tf.config.list_physical_devices("GPU")


def check_backend() -> None:
    """Raise ConfigError where Keras computes with something that is not supported."""
    name = keras.backend.backend()
    if name not in ("tensorflow", "jax"):
        raise ConfigError(f"must be tensorflow or jax, not {name}", "KERAS_BACKEND")


def count() -> int:
    """Return the number of devices that a training uses, those of all hosts; 1 with TensorFlow."""
    return len(keras.distribution.list_devices()) if on_jax() else 1


def gpus() -> int:
    """Return the number of GPUs that JAX uses, 0 with TensorFlow."""
    # list_devices("gpu") is an error where there are none.
    return sum(name.startswith("gpu") for name in keras.distribution.list_devices()) if on_jax() else 0


def check_batch(batch_size: int, devices: int) -> None:
    """Raise ConfigError where a batch cannot be divided among the devices."""
    if batch_size % devices:
        more = batch_size + devices - batch_size % devices
        raise ConfigError(
            f"must be a multiple of {devices}, the number of devices, not {batch_size}",
            "fit.batch_size",
            f"add fit.batch_size={more}",
        )


@contextmanager
def all_devices() -> Iterator[None]:
    """Use all devices for the models that are built inside; nothing changes where there is one."""
    if count() == 1:
        yield
        return
    names = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((len(names),), [AXIS], names)
    layout = keras.distribution.LayoutMap(mesh)
    layout[DIVIDED] = (AXIS, None)
    distribution = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name=AXIS, auto_shard_dataset=False)
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def divided(value: Any, axis: int) -> Any:
    """Keep a tensor divided among the devices along an axis; nothing changes without a distribution."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return value
    from keras.src.backend.jax.distribution_lib import distribute_tensor

    axes: list[str | None] = [None] * len(value.shape)
    axes[axis] = AXIS
    return distribute_tensor(value, keras.distribution.TensorLayout(axes, distribution.device_mesh))


@contextmanager
def local(variables: list[keras.Variable], parts: bool) -> Iterator[None]:
    """Inside, variables that lie on several hosts hold values of this host alone, so that it can read and compute with them.

    An operation on a value of several hosts has to run on all of them. What is assigned inside is of this host and is forgotten
    afterwards.

    Args:
        variables: Of a model and its optimizer; those without a value are left as they are.
        parts: Whether to fetch the parts that lie on other hosts, which all hosts have to do together; else variables that
            are divided keep their values.
    """
    kept: list[tuple[keras.Variable, Any, Any]] = []
    distribution = keras.distribution.distribution()
    # Keras makes variables where it saves, which the other hosts do not.
    keras.distribution.set_distribution(None)
    try:
        for variable in variables:
            value = variable._value
            if value is None or getattr(value, "is_fully_addressable", True):
                continue
            if value.is_fully_replicated:
                mine = value.addressable_data(0)
            elif parts:
                from jax.experimental import multihost_utils

                mine = multihost_utils.process_allgather(value, tiled=True)
            else:
                continue
            kept.append((variable, value, variable._layout))
            # With its layout, an assignment would go to all hosts.
            variable._value, variable._layout = mine, None
        yield
    finally:
        keras.distribution.set_distribution(distribution)
        for variable, value, layout in kept:
            variable._value, variable._layout = value, layout


def synchronise(model: keras.Model) -> None:
    """Let a model's variables hold their values between two batches, so that they can be read."""
    if on_jax():
        model.jax_state_sync()
