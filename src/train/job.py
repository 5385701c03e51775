"""The settings of one training, ``conf/train.yaml``, made into typed objects once where the command starts."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from kface import stage
from kface.checks import text
from kface.data.dataset.stage import DatasetJob
from kface.errors import ConfigError
from kface.evaluation.settings import EvaluateSettings
from train import reproducing
from train.backbones import BACKBONES, Backbone
from train.callbacks import CALLBACKS, CallbackSettings
from train.fit import FitSettings
from train.loggers import LOGGERS, LoggerSettings
from train.losses import LOSSES, Loss
from train.optimizers import OPTIMIZERS, Optimizer
from train.partial import Sampling
from train.registry import Json
from train.samplers import SAMPLERS, Sampler


@dataclass(frozen=True)
class TrainJob:
    """The settings of one training.

    Attributes:
        data: The data set to train on.
        evaluation: What the network is verified on, and how.
        backbone: Makes the network.
        loss_name: The choice of ``conf/loss/``, which names the run's directory.
        loss: Makes the margin head.
        optimizer: Makes the optimizer.
        sampling: How many identities a step computes.
        callbacks: Run between batches and epochs.
        loggers: Log the training.
        fit: How long, and on what.
        sampler: Draws the images of each epoch.
        output_dir: Directory of the runs.
        resume: Whether to continue the newest run of this backbone and loss; or a run's directory.
        settings: All settings with references resolved, compared when the run is resumed.
        recipe: The same as YAML, for the run's ``config.yaml``, without logins.
    """

    data: DatasetJob
    evaluation: EvaluateSettings
    backbone: Backbone
    loss_name: str
    loss: Loss
    optimizer: Optimizer
    sampling: Sampling
    callbacks: tuple[CallbackSettings, ...]
    loggers: tuple[LoggerSettings, ...]
    fit: FitSettings
    sampler: Sampler
    output_dir: Path
    resume: bool | str
    settings: dict[str, Json]
    recipe: str

    @classmethod
    def of(cls, config: DictConfig, data: DatasetJob | None = None) -> "TrainJob":
        """Make everything that a configuration names.

        Args:
            config: The composed configuration.
            data: The data set's settings, where they have been read already.

        Raises:
            ConfigError: A value has the wrong type, is out of its range or contradicts another.
        """
        output_dir = Path(text("output_dir", config["output_dir"]))
        resume = config["resume"]
        if not isinstance(resume, (bool, str)):
            raise ConfigError(f"must be true, false or a run's directory, not {resume!r}", "resume")
        loss = LOSSES.instantiate(config["loss"])
        job = cls(
            data=DatasetJob.of(config) if data is None else data,
            evaluation=EvaluateSettings.of(config),
            backbone=BACKBONES.instantiate(config["backbone"]),
            loss_name=_choice_of_loss(loss),
            loss=loss,
            optimizer=OPTIMIZERS.instantiate(config["optimizer"]),
            sampling=stage.instantiate(config["head"], "head"),
            callbacks=_callbacks(config["callbacks"]),
            loggers=_loggers(config["logger"]),
            fit=stage.instantiate(config["fit"], "fit"),
            sampler=SAMPLERS.instantiate(config["sampler"]),
            output_dir=output_dir,
            resume=resume,
            settings=plain(config),
            recipe=reproducing.redacted(config),
        )
        job.optimizer.check_epochs(job.fit.epochs)
        return job


def _callbacks(group: DictConfig | None) -> tuple[CallbackSettings, ...]:
    """Make the callbacks of a group; one that is null is left out."""
    nodes = {} if group is None else {str(name): node for name, node in group.items() if node is not None}
    return tuple(CALLBACKS.instantiate(node, f"callbacks.{name}") for name, node in nodes.items())


def _loggers(group: DictConfig | None) -> tuple[LoggerSettings, ...]:
    """Make the loggers of a group; one that is null is left out. Recipes of earlier versions hold a single one."""
    if group is not None and "_target_" in group:
        return (LOGGERS.instantiate(group),)
    nodes = {} if group is None else {str(name): node for name, node in group.items() if node is not None}
    return tuple(LOGGERS.instantiate(node, f"logger.{name}") for name, node in nodes.items())


def _choice_of_loss(loss: Loss) -> str:
    """Return the choice of the group, which may be a user's own file; outside a command, the loss's own name."""
    from hydra.core.hydra_config import HydraConfig

    if HydraConfig.initialized():
        return str(HydraConfig.get().runtime.choices["loss"])
    return loss.name


def plain(node: DictConfig) -> dict[str, Json]:
    """Return a configuration node as a dictionary with references resolved."""
    value = OmegaConf.to_container(node, resolve=True)
    if not isinstance(value, dict):
        raise ConfigError("must be a group of settings", str(node))
    return {str(key): item for key, item in value.items()}
