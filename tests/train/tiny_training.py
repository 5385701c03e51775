"""A training that takes seconds, of a tiny backbone that :func:`register` adds to the registry for the duration of a test."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras

from train.backbones import BACKBONES, Backbone
from train.callbacks import StopAtNaN
from train.fit import FitSettings, train_run
from train.losses import ArcFace
from train.optimizers import AdamW


@dataclass(frozen=True)
class Tiny(Backbone):
    """A network whose training step compiles in a second, with all kinds of weights the real ones have."""

    name: ClassVar[str] = "tiny"

    embedding: int = 16

    def __call__(self):
        image = keras.Input((112, 112, 3))
        x = keras.layers.AveragePooling2D(8)(image)
        x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.Dense(self.embedding, use_bias=False)(keras.layers.Flatten()(x))
        return keras.Model(image, keras.layers.BatchNormalization(momentum=0.9)(x))


TINY = Tiny()
#: The loss and the optimizer of the tiny trainings.
HEAD = ArcFace()
SMALL_ADAMW = AdamW(learning_rate=5e-3, warmup_epochs=0.2)


STOPPING_AT_NAN = (StopAtNaN(),)


def register(setitem):
    """Register the backbone as "tiny"; `setitem` is that of a MonkeyPatch, which removes it after the test."""
    setitem(BACKBONES.members, "tiny", Tiny)


def run(manifest, directory, epochs=3, resume=False, loss=HEAD, loggers=(), callbacks=STOPPING_AT_NAN, **more):
    settings = FitSettings(epochs=epochs, batch_size=8, **more)
    directory = Path(directory)
    return train_run(manifest, directory, TINY, loss, SMALL_ADAMW, settings, callbacks, loggers, resume=resume)
