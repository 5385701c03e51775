"""A training that takes seconds, of a tiny backbone, which :func:`register` gives a name for as long as a test wants it."""

from pathlib import Path

import keras

from train import backbones, optimizers
from train.fit import FitSettings, train_run
from train.heads import ArcFace

TINY = {"name": "tiny", "embedding": 16}


def tiny(embedding):
    """A network whose training step compiles in a second, with all kinds of weights the real ones have."""
    image = keras.Input((112, 112, 3))
    x = keras.layers.AveragePooling2D(8)(image)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Dense(embedding, use_bias=False)(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.BatchNormalization(momentum=0.9)(x))


def register(setitem):
    """Let ``backbones.build`` know the network as "tiny"; `setitem` is a MonkeyPatch's, which forgets it in the end."""
    setitem(backbones.BACKBONES, "tiny", tiny)


#: The loss of the tiny trainings.
HEAD = ArcFace()


def small_adamw(steps, epochs, batch_size):
    return optimizers.AdamW(learning_rate=5e-3, warmup_epochs=0.2)(steps, epochs, batch_size)


def run(manifest, directory, epochs=3, resume=False, head=HEAD, **more):
    settings = FitSettings(epochs=epochs, batch_size=8, tensorboard=False, **more)
    return train_run(manifest, Path(directory), TINY, head, small_adamw, settings, resume=resume, quiet=True)
