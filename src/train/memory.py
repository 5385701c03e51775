"""How much memory a training step takes, and which batch fits."""

import keras
import numpy as np

from kface.errors import TrainingError

#: Outputs of these layers share the memory of their input, or are not kept.
_FREE = (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)
#: Activations are kept for the backward pass, whose gradients need about as much memory at the peak.
_PASSES = 2.0


def bytes_per_image(backbone: keras.Model) -> int:
    """Estimate the memory of one image in a training step, in bytes, from the outputs of all layers."""
    numbers = 0
    for layer in backbone.layers:
        if isinstance(layer, _FREE):
            continue
        shape = layer.output.shape[1:]
        numbers += int(np.prod([side or 1 for side in shape]))
    return int(numbers * 4 * _PASSES)


def bytes_fixed(backbone: keras.Model, classes: int) -> int:
    """Estimate the memory that does not grow with the batch: weights, gradients and two moments, in bytes."""
    parameters = backbone.count_params() + int(backbone.output_shape[-1]) * classes
    return parameters * 4 * 4


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


def fitting_batch(backbone: keras.Model, classes: int, memory: int) -> int:
    """Return the largest power of two that fits as a batch into ``memory`` bytes, or 0."""
    room = memory - bytes_fixed(backbone, classes)
    images = room // bytes_per_image(backbone) if room > 0 else 0
    return 1 << (int(images).bit_length() - 1) if images else 0


def too_large(backbone: keras.Model, classes: int, batch_size: int, memory: int | None) -> TrainingError | None:
    """Return the error for a batch that does not fit into ``memory`` bytes, or None."""
    if memory is None:
        return None
    need = bytes_fixed(backbone, classes) + batch_size * bytes_per_image(backbone)
    if need <= memory:
        return None
    fits = fitting_batch(backbone, classes, memory)
    remedy = f"add fit.batch_size={fits}" if fits else "choose a smaller backbone"
    return TrainingError(
        f"a batch of {batch_size} needs about {need / 2**30:.1f} GiB, but {memory / 2**30:.1f} GiB are free",
        "memory",
        remedy,
    )
