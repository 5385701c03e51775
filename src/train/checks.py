"""What can be wrong with a training is found out before it, so that hours are not spent on a run that cannot end."""

import importlib.util
import shutil
import tempfile
from typing import Any

import keras
from omegaconf import DictConfig

from kface.data.dataset import DatasetManifest as Manifest
from kface.data.dataset.stage import DatasetJob
from kface.errors import ConfigError, TrainingError
from kface.evaluation import runs
from train import backbones, checkpoints, resuming, stages
from train.fit import check_fits
from train.job import TrainJob
from train.pipeline import Source

#: Bytes that a run's logs, reports and plots take at most, beside its weights.
SMALL_FILES = 50 << 20


def check_settings(config: DictConfig, data: DatasetJob | None = None) -> tuple[TrainJob, keras.Model]:
    """Make everything that a configuration names; return the job and its untrained network.

    Raises:
        ConfigError: A value has the wrong type, is out of its range or contradicts another.
    """
    job = TrainJob.of(config, data)
    return job, backbones.build(**job.backbone)


def check_packages(tensorboard: bool) -> None:
    """Raise ConfigError where a package is not installed that is imported after the training only."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("is not installed here, and the plots need it", "matplotlib", "run: make setup")
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("is not installed here", "tensorboard", "run make setup, or add fit.tensorboard=false")


def check_resume(job: TrainJob) -> runs.Resumed | None:
    """Return the run that is to be resumed, or None for a new one.

    Raises:
        TrainingError: There is no such run, its files are damaged, or what decides its weights has changed.
    """
    if not job.resume:
        return None
    run_dir = runs.find_run(job.output_dir, job.resume, job.backbone["name"], job.loss)
    state = checkpoints.read_state(run_dir / "checkpoints")
    changed = resuming.check(run_dir, job.settings)
    return runs.Resumed(run_dir, state.saved[0].epoch, changed)


def check_places(job: TrainJob, network: keras.Model) -> None:
    """Find out whether the run can be written.

    Raises:
        TrainingError: A directory cannot be made or written, or the disk is too small for the checkpoints.
    """
    for key, path in (("output_dir", job.output_dir), ("data_dir", job.data.data_dir)):
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise TrainingError(f"cannot be written ({error.strerror or error})", path, f"add {key}=DIR")
    # Weights and two moments for each checkpoint, one more of them while it is written, and the weights at the end.
    need = (3 * (checkpoints.KEPT + 1) + 1) * 4 * network.count_params() + SMALL_FILES
    free = shutil.disk_usage(job.output_dir).free
    if free < need:
        raise TrainingError(
            f"the run needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            job.output_dir,
            "make room or add output_dir=DIR",
        )


def check_data_set(job: TrainJob, network: keras.Model, manifest: Manifest) -> None:
    """Find out whether a data set can be trained on and verified afterwards.

    Raises:
        ConfigError: A batch is larger than an epoch, or the people who test make no pairs.
        ProtocolError: A file of pairs names images that are not there.
        TrainingError: There are too few people, or a batch does not fit into the memory.
    """
    source = Source.of(manifest)
    check_fits(network, source, job.fit)
    job.head(len(source.subjects))
    stages.check_own_set(job.evaluation, manifest)


def about(job: TrainJob, manifest: Manifest) -> dict[str, Any]:
    """Return what ``run.json`` says of a run."""
    return {
        "backbone": job.backbone["name"],
        "loss": job.loss,
        "trained_on": "the synthetic sample" if manifest.source.get("synthetic") else manifest.source["name"],
        "protocol": job.data.settings.protocol,
        "images": manifest.images("train"),
        "people": len(manifest.subjects("train")),
        "epochs": job.fit.epochs,
        "seed": job.fit.seed,
        "data_set": str(manifest.directory),
        "data_set_fingerprint": manifest.fingerprint,
        "backbone_arguments": job.backbone,
    }


def title(job: TrainJob, manifest: Manifest) -> str:
    """Return a line about a training."""
    people = len(manifest.subjects("train"))
    scale = job.head(people).scale
    return f"{job.backbone['name']} with {job.loss} (scale {scale:.1f}), {people} people"
