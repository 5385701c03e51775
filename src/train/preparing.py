"""What a training is made of, and whether its parts suit each other."""

from collections.abc import Mapping, Sequence

import keras

from kface.alignment import SIZE
from kface.data.dataset import DatasetManifest
from kface.errors import ConfigError
from train import memory
from train.backbones import Backbone
from train.callbacks import CallbackSettings
from train.distil import Distillation, StudentModel, Targets, open_teacher, targets
from train.fit_settings import FitSettings
from train.heads import CosineHead
from train.hosts import devices
from train.losses import Loss
from train.model import FaceModel
from train.optimizers import Optimizer
from train.partial import Sampling
from train.pipeline import TrainingSplit
from train.registry import Json, describe, fields_of
from train.samplers import Natural, Sampler


def training_split(manifest: DatasetManifest, settings: FitSettings) -> TrainingSplit:
    """Return what is trained on; raises TrainingError where the labels count and there are fewer than two identities."""
    unlabelled = settings.distil is not None and settings.distil.unlabelled
    return TrainingSplit.of(manifest, labelled=not unlabelled)


def learnt_targets(manifest: DatasetManifest, distil: Distillation) -> Targets:
    """Return the teacher's embeddings of the training crops."""
    teacher = open_teacher(distil)
    try:
        return targets(manifest, teacher)
    finally:
        teacher.close()


def checked_head(split: TrainingSplit, loss: Loss, settings: FitSettings, sampling: Sampling) -> CosineHead:
    """Return the margin head; raises ConfigError where identities, batch, devices and settings do not suit."""
    if sampling.used and settings.distil is not None:
        raise ConfigError("does not work with a teacher", "head.sample_rate", "add head.sample_rate=1")
    # A head of one class has nothing to tell apart; it is not trained where the labels do not count.
    classes = max(2, len(split.subjects))
    sampling.check(classes, settings.batch_size, devices.count())
    return sampling.head(loss, classes, settings.batch_size, settings.seed)


def model_of(
    network: keras.Model, head: CosineHead, settings: FitSettings, sampling: Sampling, learnt: Targets | None
) -> FaceModel:
    """Return the network with its head, ready to be compiled; with a teacher's targets, a student."""
    if settings.distil is None or learnt is None:
        return sampling.model(network, head, settings.label_smoothing)
    return StudentModel(network, head, learnt.values.shape[1], settings.distil.weight, settings.label_smoothing)


def check_fits(
    network: keras.Model,
    split: TrainingSplit,
    settings: FitSettings,
    head: memory.HeadSize | None = None,
    hosts: int = 1,
    sampler: Sampler | None = None,
) -> int:
    """Check whether a network can be trained on a data set with these settings; return the number of images per epoch.

    Args:
        network: The backbone.
        split: What it is trained on.
        settings: How long, and on what.
        head: The size of the head; None for one weight for each identity.
        hosts: Number of hosts that share a batch.
        sampler: Draws the images of each epoch; None for each image once.

    Raises:
        ConfigError: The devices cannot share a batch evenly, a batch is larger than an epoch, the network takes images of
            another size than the crops, or the sampler cannot fill an epoch.
        TrainingError: A batch does not fit into the memory.
    """
    if int(network.input_shape[1]) != SIZE:
        raise ConfigError(f"must be {SIZE}, the side of the crops, not {network.input_shape[1]}", "backbone.size")
    images = (sampler or Natural()).images(split.population, settings.images_per_epoch, settings.batch_size)
    if images < settings.batch_size:
        fits = 1 << (images.bit_length() - 1)
        raise ConfigError(
            f"is {settings.batch_size}, more than the {images} images of an epoch",
            "fit.batch_size",
            f"add fit.batch_size={fits}" if fits > 1 else "give more images",
        )
    devices.check_batch(settings.batch_size, devices.count())
    head = head or memory.HeadSize(len(split.subjects), len(split.subjects))
    error = memory.too_large(network, head, settings.batch_size, memory.available(), hosts)
    if error is not None:
        raise error
    return images


def describe_run(
    backbone: Backbone,
    head: CosineHead,
    optimizer: Optimizer,
    settings: FitSettings,
    callbacks: Sequence[CallbackSettings],
    manifest: DatasetManifest,
    sampling: Sampling,
    learnt: Targets | None = None,
    sampler: Sampler | None = None,
) -> Mapping[str, Json]:
    """Return everything that decides a run's weights; it must not change between a checkpoint and its resumption.

    It follows from the dataclasses, with all their fields, so that a setting added later is compared as well;
    :mod:`train.resuming` lists what may change.
    """
    described: dict[str, Json] = {
        "backbone": backbone.described(),
        "loss": {**describe(head.loss), **head.described()},
        "optimizer": describe(optimizer),
        "fit": fields_of(settings),
        "callbacks": {callback.name: describe(callback) for callback in callbacks},
        "data_set": manifest.fingerprint,
        **sampling.described(),
    }
    if learnt is not None:
        described["teacher"] = learnt.teacher
    # Runs of earlier versions, which had no samplers, do not name this one.
    if sampler is not None and sampler != Natural():
        described["sampler"] = describe(sampler)
    return described
