"""How much memory a training step takes, and which batch fits."""

from typing import NamedTuple

import keras
import numpy as np

from kface.errors import TrainingError
from train.heads import CosineHead
from train.partial import PartialHead

#: Outputs of these layers share the memory of their input, or are not kept.
_FREE = (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)
#: Activations are kept for the backward pass, whose gradients need about as much memory at the peak.
_PASSES = 2.0
#: Arrays of the size of the logits that a step holds at its peak.
_LOGITS = 6


def bytes_per_image(backbone: keras.Model) -> int:
    """Estimate the memory of one image in a training step, in bytes, from the outputs of all layers."""
    numbers = 0
    for layer in backbone.layers:
        if isinstance(layer, _FREE):
            continue
        shape = layer.output.shape[1:]
        numbers += int(np.prod([side or 1 for side in shape]))
    return int(numbers * 4 * _PASSES)


class HeadSize(NamedTuple):
    """What decides the memory of a head.

    Attributes:
        classes: Identities, times the sub-centres.
        drawn: Of them, those that a step computes.
        devices: On which the rows of sampled classes are divided.
    """

    classes: int
    drawn: int
    devices: int = 1

    @classmethod
    def of(cls, head: CosineHead, devices: int = 1) -> "HeadSize":
        """Return the size of a head."""
        columns = head.columns if isinstance(head, PartialHead) else head.classes
        centres = head.loss.sub_centres
        return cls(head.classes * centres, columns * centres, devices)

    def bytes_fixed(self, embedding: int) -> int:
        """Estimate the bytes of one device that do not grow with the batch.

        All rows have weights and two moments. Those that are computed have a gradient and its update and, normalised, a
        copy and its gradient; where they are a sample, they are themselves copies with two moments. Measured by
        ``benchmarks/partial_fc.py``.
        """
        copies = 4 if self.drawn == self.classes else 6
        return (3 * self.classes + copies * self.drawn) * embedding * 4 // self.devices

    def bytes_per_image(self) -> int:
        """Estimate the bytes of one image: the cosines, the logits and what their gradients need."""
        return _LOGITS * self.drawn * 4 // self.devices


def bytes_fixed(backbone: keras.Model, head: HeadSize) -> int:
    """Estimate the memory that does not grow with the batch: weights, gradients and two moments, in bytes."""
    return backbone.count_params() * 4 * 4 + head.bytes_fixed(int(backbone.output_shape[-1]))


def available() -> int | None:
    """Return the free memory in bytes, within the container's limit, or None where it is unknown."""
    free: list[int] = []
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            free += [int(line.split()[1]) * 1024 for line in stream if line.startswith("MemAvailable:")]
    except OSError:
        pass
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as limit:
            text = limit.read().strip()
        if text.isdigit():
            with open("/sys/fs/cgroup/memory.current", encoding="ascii") as current:
                free.append(int(text) - int(current.read()))
    except (OSError, ValueError):
        pass
    return min(free) if free else None


def fitting_batch(backbone: keras.Model, head: HeadSize, memory: int, hosts: int = 1) -> int:
    """Return the largest power of two that fits as a batch into ``memory`` bytes, or 0."""
    room = memory - bytes_fixed(backbone, head)
    images = room // (bytes_per_image(backbone) // hosts + head.bytes_per_image()) if room > 0 else 0
    return 1 << (int(images).bit_length() - 1) if images else 0


def too_large(
    backbone: keras.Model, head: HeadSize, batch_size: int, memory: int | None, hosts: int = 1
) -> TrainingError | None:
    """Return the error for a batch that does not fit into ``memory`` bytes, or None.

    Args:
        backbone: The network.
        head: The size of its head.
        batch_size: Images of a step.
        memory: Free bytes, or None where that is unknown.
        hosts: Number of hosts that share the images.
    """
    if memory is None:
        return None
    # Each host has the cosines of all images with its rows.
    need = bytes_fixed(backbone, head) + batch_size * (bytes_per_image(backbone) // hosts + head.bytes_per_image())
    if need <= memory:
        return None
    fits = fitting_batch(backbone, head, memory, hosts)
    remedy = f"add fit.batch_size={fits}" if fits else _smaller(backbone, head)
    return TrainingError(
        f"a batch of {batch_size} needs about {need / 2**30:.1f} GiB, but {memory / 2**30:.1f} GiB are free",
        "memory",
        remedy,
    )


def _smaller(backbone: keras.Model, head: HeadSize) -> str:
    mostly_head = head.bytes_fixed(int(backbone.output_shape[-1])) > backbone.count_params() * 16
    if mostly_head and head.drawn == head.classes:
        return "add head.sample_rate=0.1, or choose a smaller backbone.embedding"
    return "choose a smaller backbone" + (".embedding, or more hosts" if mostly_head else "")
