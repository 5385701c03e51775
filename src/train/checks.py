"""Checks before a training: settings, packages, disk, memory and data set, so that no run fails after hours."""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterable

import keras
import numpy as np
from omegaconf import DictConfig

from kface.alignment import SIZE
from kface.data.dataset import DatasetManifest
from kface.data.dataset.stage import DatasetJob
from kface.errors import ConfigError, TrainingError
from kface.evaluation import runs, test_sets
from train import checkpoints, memory, reproducing, resuming
from train.callbacks import EarlyStopping
from train.distil import open_teacher
from train.job import TrainJob
from train.loggers import LoggerSettings
from train.preparing import check_fits, checked_head, training_split
from train.validation import validation_set, without

#: Upper limit of the size of a run's logs, reports and plots, in bytes.
SMALL_FILES = 50 << 20


def check_settings(config: DictConfig, data: DatasetJob | None = None) -> tuple[TrainJob, keras.Model]:
    """Make everything that a configuration names; return the settings and the untrained network.

    Raises:
        ConfigError: A value has the wrong type, is out of its range or contradicts another.
    """
    job = TrainJob.of(config, data)
    early = any(isinstance(callback, EarlyStopping) for callback in job.callbacks)
    if early and not job.fit.validation.people:
        raise ConfigError(
            "needs people who are not trained on", "callbacks.early_stopping", "add fit.validation.people=8"
        )
    return job, job.backbone()


def check_packages(loggers: Iterable[LoggerSettings]) -> None:
    """Raise ConfigError where a package is not installed that is needed during or after the training, or a logger fails."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("is not installed, and the plots need it", "matplotlib", "run make setup")
    for logger in loggers:
        logger.check()


def check_teacher(job: TrainJob) -> None:
    """Open the teacher and embed a grey face, where there is a teacher.

    Raises:
        ConfigError: It does not exist, or its preprocessing is not known.
        ModelError: It is damaged, or is not a network that maps faces to embeddings.
    """
    if job.fit.distil is not None:
        teacher = open_teacher(job.fit.distil)
        try:
            teacher.embed(np.full((1, SIZE, SIZE, 3), 128, np.uint8))
        finally:
            teacher.close()


def check_resume(job: TrainJob) -> runs.Resumed | None:
    """Return the run to resume, or None for a new one.

    Raises:
        TrainingError: The run does not exist, its files are damaged, or a setting that affects its weights has changed.
    """
    if not job.resume:
        return None
    run_dir = runs.find_run(job.output_dir, job.resume, job.backbone.name, job.loss_name)
    state = checkpoints.read_state(run_dir / "checkpoints")
    changed = resuming.check(run_dir, job.settings)
    return runs.Resumed(run_dir, state.saved[0].epoch, changed)


def check_places(job: TrainJob, network: keras.Model) -> None:
    """Check whether the run can be written.

    Raises:
        TrainingError: A directory cannot be created or written, or the disk is too full for the checkpoints.
    """
    for key, path in (("output_dir", job.output_dir), ("data_dir", job.data.data_dir)):
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise TrainingError(f"cannot be written ({error.strerror or error})", path, f"add {key}=DIR")
    # Each checkpoint holds weights and two moments; one more exists while it is written. The final weights are added, and the
    # best ones.
    need = (3 * (checkpoints.KEPT + 1) + 2) * 4 * network.count_params() + SMALL_FILES
    free = shutil.disk_usage(job.output_dir).free
    if free < need:
        raise TrainingError(
            f"the run needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            job.output_dir,
            "make room or add output_dir=DIR",
        )


def check_data_set(job: TrainJob, network: keras.Model, manifest: DatasetManifest, hosts: int = 1) -> None:
    """Check whether a data set can be trained on, by a number of hosts together, and verified afterwards.

    Raises:
        ConfigError: A batch is larger than an epoch, or the test people make no pairs.
        ProtocolError: A file of pairs names images that do not exist.
        TrainingError: It has too few people, or a batch does not fit into the memory.
    """
    unseen = job.fit.validation.kept_people(manifest, job.fit.seed)
    split = training_split(without(manifest, unseen), job.fit)
    head = checked_head(split, job.loss, job.fit, job.sampling)
    check_fits(network, split, job.fit, memory.HeadSize.of(head, hosts), hosts, job.sampler)
    if unseen:
        validation_set(manifest, unseen, job.fit.validation, job.fit.seed)
    test_sets.check_own_set(job.evaluation, manifest)


def about(job: TrainJob, manifest: DatasetManifest) -> runs.About:
    """Return the contents of a run's ``run.json``."""
    training = without(manifest, job.fit.validation.kept_people(manifest, job.fit.seed))
    return {
        "backbone": job.backbone.name,
        "loss": job.loss_name,
        "trained_on": manifest.source.get("trained_on")
        or ("the synthetic sample" if manifest.source.get("synthetic") else manifest.source["name"]),
        "protocol": job.data.settings.protocol,
        "images": training.images("train"),
        "people": len(training.subjects("train")),
        "epochs": job.fit.epochs,
        "seed": job.fit.seed,
        "data_set": str(manifest.directory),
        "data_set_fingerprint": manifest.fingerprint,
        "backbone_arguments": job.backbone.described(),
        "environment": reproducing.environment(),
    }


def title(job: TrainJob, manifest: DatasetManifest) -> str:
    """Return the training's title, such as "resnet50 with arcface (scale 11.2), 54 people"."""
    unseen = len(job.fit.validation.kept_people(manifest, job.fit.seed))
    people = len(manifest.subjects("train")) - unseen
    validated = f", validated on {unseen} others" if unseen else ""
    if job.fit.distil is not None and job.fit.distil.unlabelled:
        images = f"{about(job, manifest)['images']} images without labels"
        return f"{job.backbone.name} distilled from {job.fit.distil.teacher}, {images}{validated}"
    scale = job.loss(people).scale
    return f"{job.backbone.name} with {job.loss_name} (scale {scale:.1f}), {people} people{validated}"
