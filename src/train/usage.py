"""What a training uses: images per second, learning rate and memory, added to the figures of every epoch."""

import os
import resource
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from train.heads import CosineHead
from train.position import Position


class Memory(NamedTuple):
    """The memory in use, in bytes: of the process, and the peak on the first GPU; None without one."""

    process: int
    gpu: int | None

    def __str__(self) -> str:
        gpu = "" if self.gpu is None else f" + GPU {self.gpu / 2**30:.1f} GiB"
        return f"{self.process / 2**30:.1f} GiB{gpu}"


def memory() -> Memory:
    """Return the memory in use."""
    return Memory(_resident(), _gpu())


def _resident() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        # The peak, in KiB on Linux and in bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _gpu() -> int | None:
    if keras.backend.backend() == "jax":
        import jax

        peaks = [device.memory_stats() for device in jax.local_devices() if device.platform == "gpu"]
        return int(peaks[0]["peak_bytes_in_use"]) if peaks and peaks[0] else None
    if not tf.config.list_logical_devices("GPU"):
        return None
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def learning_rate(model: keras.Model) -> float:
    """Return the learning rate of the next step."""
    return float(model.optimizer.learning_rate)


class Measures(keras.callbacks.Callback):
    """Adds to the figures of an epoch what the training used: later callbacks see it.

    Args:
        head: Its margin is added.
        images: Per step.
        start: Where the training begins.
    """

    def __init__(self, head: CosineHead, images: int, start: Position) -> None:
        super().__init__()
        self.head = head
        self.images = images
        self.start = start
        self._began = 0.0
        self._ended = 0.0
        self._steps = 0
        self._epoch = start.epoch

    @property
    def step(self) -> int:
        """Number of steps of this epoch that are done, those before a resume included."""
        return self._steps + (self.start.step if self._epoch == self.start.epoch else 0)

    @property
    def seconds(self) -> float:
        """What they took."""
        return self._ended - self._began + (self.start.seconds if self._epoch == self.start.epoch else 0.0)

    @property
    def images_per_second(self) -> float:
        """The throughput of this epoch so far."""
        return self.step * self.images / max(self.seconds, 1e-9)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the time."""
        self._epoch = epoch
        self._steps = 0
        self._began = self._ended = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Count the step."""
        self._steps += 1
        self._ended = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the figures."""
        if logs is None:
            return
        used = memory()
        logs["learning_rate"] = learning_rate(self.model)
        logs["margin"] = float(self.head.margin)
        logs["images_per_second"] = self.images_per_second
        logs["seconds"] = self.seconds
        logs["memory_mib"] = used.process / 2**20
        if used.gpu is not None:
            logs["gpu_memory_mib"] = used.gpu / 2**20
