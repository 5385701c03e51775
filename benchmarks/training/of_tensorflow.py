"""What is measured with TensorFlow: the training, its step alone, and networks of keras.applications."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from benchmarks import pipeline
from benchmarks.training.turns import BATCH, EMBEDDING, IDENTITIES, Turns
from train.backbones import BACKBONES
from train.callbacks import CallbackSettings, ProgressLine, StopAtNaN, StopOnSignal
from train.context import TrainingContext
from train.fit import FitSettings, train_run
from train.hosts import devices
from train.loggers import TensorBoard
from train.losses import ArcFace
from train.model import FaceModel
from train.nan import Guard
from train.optimizers import AdamW

#: keras.applications' own, with the necks of ours.
APPLICATIONS = {"resnet50": "ResNet50", "mobilenetv2": "MobileNetV2"}


def complete(network: str) -> None:
    """Run the main job's training, with its input, callbacks and log."""

    class Counting(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.turns: Turns | None = None

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if self.turns is None:
                self.turns = Turns(facts_of(self.model))
            self.turns.step_done()

    class Counted(CallbackSettings):
        name = "counted"

        def __call__(self, training: TrainingContext) -> keras.callbacks.Callback:
            return Counting()

    with tempfile.TemporaryDirectory() as folder:
        train_run(
            pipeline.data_set(Path(folder)),
            Path(folder) / "run",
            BACKBONES.make(network, {"embedding": EMBEDDING}),
            ArcFace(),
            AdamW(),
            FitSettings(epochs=1, batch_size=BATCH, images_per_epoch=1 << 16),
            (StopAtNaN(), StopOnSignal(), ProgressLine(enabled=False), Counted()),
            (TensorBoard(projector=0),),
        )


def alone(network: str) -> None:
    """Run the training's step again and again on one batch."""
    model = FaceModel(BACKBONES.make(network, {"embedding": EMBEDDING})(), ArcFace()(IDENTITIES))
    model.compile(optimizer=AdamW()(1000, 10, BATCH), jit_compile=False if devices.on_cpu() else "auto")
    model.optimizer.build(model.trainable_variables)
    Guard.of(model.optimizer)
    repeat(model)


def application(network: str) -> None:
    """Train a network of keras.applications as a user would write it, with our neck and head."""
    base = getattr(keras.applications, APPLICATIONS[network])(
        include_top=False, weights=None, input_shape=(112, 112, 3)
    )
    x = base.output
    if network == "resnet50":
        x = layers.Flatten()(layers.BatchNormalization()(x))
    else:
        x = layers.DepthwiseConv2D(x.shape[1:3], use_bias=False)(x)
        x = layers.Flatten()(layers.BatchNormalization()(x))
    x = layers.BatchNormalization()(layers.Dense(EMBEDDING, use_bias=False)(x))
    model = FaceModel(keras.Model(base.input, x), ArcFace()(IDENTITIES))
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.05, global_clipnorm=5.0)
    model.compile(optimizer=optimizer)
    repeat(model)


def repeat(model: FaceModel) -> None:
    """Train a model on one batch until the parent ends it."""
    random = np.random.default_rng(0)
    images = random.normal(size=(BATCH, 112, 112, 3)).astype(np.float32)
    labels = random.integers(0, IDENTITIES, BATCH).astype(np.int32)
    turns = Turns(facts_of(model))
    while True:
        model.train_on_batch(images, labels)
        turns.step_done()


def facts_of(model: FaceModel) -> dict[str, float]:
    """Return the number of parameters that are trained, and of multiplications of an image's forward pass."""
    return {
        "parameters": sum(int(np.prod(one.shape)) for one in model.trainable_variables),
        "multiplications": sum(multiplications(layer) for layer in model.backbone.layers) + EMBEDDING * IDENTITIES,
    }


def multiplications(layer: keras.Layer) -> int:
    """Return those of an image in a convolution or a dense layer; 0 for any other."""
    if not isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
        return 0
    places = 1 if isinstance(layer, layers.Dense) else int(np.prod(layer.output.shape[1:3]))
    return places * int(np.prod(layer.kernel.shape))


CASES: dict[str, Callable[[str], None]] = {
    "training": complete,
    "step": alone,
    "applications": application,
}

if __name__ == "__main__":
    CASES[sys.argv[1]](sys.argv[2])
