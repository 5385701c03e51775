"""Starts Keras's backend: TensorFlow, or JAX where several hosts or devices train together.

TensorFlow is imported in either case, because it reads the data set.
"""

import importlib.util
import os

from kface.errors import ConfigError
from train.hosts.settings import HostsSettings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def start_quietly(hosts: HostsSettings | None = None) -> None:
    """Import TensorFlow without the lines that it prints before it reads its log settings; call this before others import it.

    Meanwhile, everything written to file descriptor 2 is discarded; exceptions are raised as usual.

    Args:
        hosts: Those that train together; of several, Keras computes with JAX.

    Raises:
        ConfigError: Several hosts train, but Keras computes with something else, or JAX is not installed.
    """
    if hosts is not None and hosts.several:
        _choose_jax()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        import tensorflow
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
    if os.environ.get("KERAS_BACKEND") == "jax":
        # It would take all memory of the GPUs.
        tensorflow.config.set_visible_devices([], "GPU")


def _choose_jax() -> None:
    chosen = os.environ.setdefault("KERAS_BACKEND", "jax")
    if chosen != "jax":
        raise ConfigError(f"must be jax where several hosts train, not {chosen}", "KERAS_BACKEND", "unset it")
    if importlib.util.find_spec("jax") is None:
        raise ConfigError("is not installed, and several hosts need it", "jax", "install the extra: kface[hosts]")
