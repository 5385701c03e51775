"""Optimizers with the field's schedule: a linear warm-up, then half a cosine down to (almost) nothing."""

import keras

from kface.checks import number
from kface.errors import ConfigError

#: Parts of the names of the weights that must not decay: normalisations' and biases'.
NO_DECAY = ["gamma", "beta", "bias"]


def schedule(
    learning_rate: float, steps_per_epoch: int, epochs: int, warmup_epochs: float, final: float = 0.01
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate by step.

    Args:
        learning_rate: The highest.
        steps_per_epoch: Batches an epoch.
        epochs: Of the whole run.
        warmup_epochs: How long it rises linearly from (almost) 0.
        final: The last one, as a share of the highest.

    Raises:
        ConfigError: A value is out of its range.
    """
    number("optimizer.learning_rate", learning_rate, 0, 1e38, open_below=True)
    number("optimizer.warmup_epochs", warmup_epochs, 0)
    if not warmup_epochs < max(epochs, 1e-9):
        raise ConfigError(f"must be less than fit.epochs ({epochs}), not {warmup_epochs}", "optimizer.warmup_epochs")
    warmup = int(warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate * 1e-3 if warmup else learning_rate,
        decay_steps=max(1, steps_per_epoch * epochs - warmup),
        alpha=final,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def adamw(
    steps_per_epoch: int,
    epochs: int,
    batch_size: int,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.05,
    warmup_epochs: float = 0.5,
    clip_norm: float | None = 5.0,
) -> keras.optimizers.Optimizer:
    """AdamW: the one for short runs. The learning rate is taken as it is, whatever the batch size."""
    del batch_size
    _check(weight_decay, clip_norm)
    optimizer = keras.optimizers.AdamW(
        schedule(learning_rate, steps_per_epoch, epochs, warmup_epochs),
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
    return optimizer


def sgd(
    steps_per_epoch: int,
    epochs: int,
    batch_size: int,
    learning_rate: float = 0.1,
    weight_decay: float = 5e-4,
    momentum: float = 0.9,
    warmup_epochs: float = 1.0,
    clip_norm: float | None = None,
) -> keras.optimizers.Optimizer:
    """SGD with momentum: the field's choice for long runs. The learning rate is that of a batch of 512."""
    _check(weight_decay, clip_norm)
    number("optimizer.momentum", momentum, 0, 1, open_above=True)
    number("optimizer.learning_rate", learning_rate, 0, 1e38, open_below=True)
    optimizer = keras.optimizers.SGD(
        schedule(learning_rate * batch_size / 512, steps_per_epoch, epochs, warmup_epochs),
        momentum=momentum,
        nesterov=False,
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=NO_DECAY)
    return optimizer


def _check(weight_decay: float, clip_norm: float | None) -> None:
    number("optimizer.weight_decay", weight_decay, 0)
    if clip_norm is not None:
        number("optimizer.clip_norm", clip_norm, 0, open_below=True)


OPTIMIZERS = {"adamw": adamw, "sgd": sgd}
