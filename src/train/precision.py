"""The precision of the training: full, or mixed (Micikevicius et al., Mixed precision training, 2018).

In mixed precision the layers compute in 16 bits; weights, the last normalisation, the head, the loss and everything that is
saved have 32. What a run leaves is therefore the same in both.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from kface.errors import ConfigError
from train.hosts import devices

FULL = "float32"
BFLOAT16, FLOAT16 = "mixed_bfloat16", "mixed_float16"
PRECISIONS = ("auto", FULL, BFLOAT16, FLOAT16)
#: Compute capability from which NVIDIA's GPUs have bfloat16.
AMPERE = (8, 0)


def check(key: str, value: object) -> None:
    """Raise ConfigError where a setting is not a precision."""
    if value not in PRECISIONS:
        raise ConfigError(f"unknown precision {value!r}", key, f"choose one of: {', '.join(PRECISIONS)}")


def resolved(precision: str) -> str:
    """Return the precision in use: ``auto`` is full on a CPU, where bfloat16 takes twice the time, and mixed on a GPU."""
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return BFLOAT16 if devices.gpus() else FULL
    capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability")
    return FLOAT16 if capability is not None and capability < AMPERE else BFLOAT16


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """Make layers with this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def scaled(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """Return an optimizer that scales the loss where gradients in 16 bits would vanish."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == FLOAT16 else optimizer
