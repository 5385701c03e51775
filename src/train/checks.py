"""What can be wrong with a training is found out before it, so that hours are not spent on a run that cannot end."""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from kface import stage
from kface.data.dataset import Manifest
from kface.errors import ConfigError, TrainingError
from kface.evaluation import runs
from train import backbones, checkpoints, resuming, stages
from train.fit import FitSettings, check_fits
from train.heads import CosineHead, default_scale
from train.pipeline import Source
from train.settings import flag, text, whole

#: Bytes that a run's logs, reports and plots take at most, beside its weights.
SMALL_FILES = 50 << 20


@dataclass(frozen=True)
class Job:
    """A training as its configuration describes it.

    Attributes:
        backbone: Arguments of :func:`train.backbones.build`.
        loss: The loss's name.
        head: Makes the head for a number of identities.
        optimizer: Makes the optimizer for steps an epoch, epochs and batch size.
        fit: How long and with what.
    """

    backbone: dict[str, Any]
    loss: str
    head: Callable[[int], CosineHead]
    optimizer: Callable[[int, int, int], keras.optimizers.Optimizer]
    fit: FitSettings


def check_settings(config: Any) -> tuple[Job, keras.Model]:
    """Make everything that a configuration names; return the job and its untrained network.

    Raises:
        ConfigError: A value has the wrong type, is out of its range or contradicts another.
    """
    for key in ("data_dir", "output_dir"):
        text(key, config[key])
    flag("progress", config.progress)
    # It seeds the data set, the training and the draws of the evaluation alike.
    whole("seed", config.seed, 0, 2**32 - 1)
    if isinstance(config.jobs, bool) or not isinstance(config.jobs, int) or config.jobs == 0:
        raise ConfigError(f"must be a number of processes, or -1 for one a core, not {config.jobs!r}", "jobs")
    if not isinstance(config.resume, (bool, str)):
        raise ConfigError(f"must be true, false or a run's directory, not {config.resume!r}", "resume")
    stages.check_evaluation(config.evaluate)
    job = Job(
        stages.plain(config.backbone),
        _loss(config),
        lambda classes: stage.instantiate(config.loss, "loss", classes=classes),
        lambda steps, epochs, batch: stage.instantiate(
            config.optimizer, "optimizer", steps_per_epoch=steps, epochs=epochs, batch_size=batch
        ),
        stage.instantiate(config.fit, "fit"),
    )
    job.head(2)
    job.optimizer(1, job.fit.epochs, job.fit.batch_size)
    return job, backbones.build(**job.backbone)


def _loss(config: Any) -> str:
    from hydra.core.hydra_config import HydraConfig

    if HydraConfig.initialized():
        return str(HydraConfig.get().runtime.choices["loss"])
    return str(config.loss._target_).rpartition(".")[2].lower()


def check_packages(tensorboard: bool) -> None:
    """Raise ConfigError where a package is not installed that is imported after the training only."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("is not installed here, and the plots need it", "matplotlib", "run: make setup")
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("is not installed here", "tensorboard", "run make setup, or add fit.tensorboard=false")


def check_resume(config: Any, job: Job) -> runs.Resumed | None:
    """Return the run that is to be resumed, or None for a new one.

    Raises:
        TrainingError: There is no such run, its files are damaged, or what decides its weights has changed.
    """
    if not config.resume:
        return None
    run_dir = runs.find_run(Path(config.output_dir), config.resume, job.backbone["name"], job.loss)
    state = checkpoints.read_state(run_dir / "checkpoints")
    changed = resuming.check(run_dir, stages.plain(config))
    return runs.Resumed(run_dir, state.saved[0].epoch, changed)


def check_places(config: Any, network: keras.Model) -> None:
    """Find out whether the run can be written.

    Raises:
        TrainingError: A directory cannot be made or written, or the disk is too small for the checkpoints.
    """
    for key in ("output_dir", "data_dir"):
        path = Path(config[key])
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise TrainingError(f"cannot be written ({error.strerror or error})", path, f"add {key}=DIR")
    # Weights and two moments for each checkpoint, one more of them while it is written, and the weights at the end.
    need = (3 * (checkpoints.KEPT + 1) + 1) * 4 * network.count_params() + SMALL_FILES
    free = shutil.disk_usage(config.output_dir).free
    if free < need:
        raise TrainingError(
            f"the run needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            config.output_dir,
            "make room or add output_dir=DIR",
        )


def check_data_set(config: Any, job: Job, network: keras.Model, manifest: Manifest) -> None:
    """Find out whether a data set can be trained on and verified afterwards.

    Raises:
        ConfigError: A batch is larger than an epoch, or the people who test make no pairs.
        ProtocolError: A file of pairs names images that are not there.
        TrainingError: There are too few people, or a batch does not fit into the memory.
    """
    source = Source.of(manifest)
    check_fits(network, source, job.fit)
    job.head(len(source.subjects))
    stages.check_own_set(config, manifest)


def about(config: Any, job: Job, manifest: Manifest) -> dict[str, Any]:
    """Return what ``run.json`` says of a run."""
    return {
        "backbone": job.backbone["name"],
        "loss": job.loss,
        "trained_on": "the synthetic sample" if manifest.source.get("synthetic") else manifest.source["name"],
        "protocol": config.protocol.name,
        "images": manifest.images("train"),
        "people": len(manifest.subjects("train")),
        "epochs": job.fit.epochs,
        "seed": job.fit.seed,
        "data_set": str(manifest.directory),
        "data_set_fingerprint": manifest.fingerprint,
        "backbone_arguments": job.backbone,
    }


def title(config: Any, job: Job, manifest: Manifest) -> str:
    """Return a line about a training."""
    people = len(manifest.subjects("train"))
    scale = config.loss.scale or default_scale(people)
    return f"{job.backbone['name']} with {job.loss} (scale {scale:.1f}), {people} people"
