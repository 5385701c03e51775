"""A training as its configuration describes it; made once, in the door of ``python -m train``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from kface import stage
from kface.checks import text
from kface.data.dataset.stage import DatasetJob
from kface.errors import ConfigError
from kface.evaluation.settings import EvaluateSettings
from train.fit import FitSettings
from train.heads import Loss
from train.optimizers import SGD, AdamW


@dataclass(frozen=True)
class TrainJob:
    """A training as its configuration describes it.

    Attributes:
        data: The data set that is trained on.
        evaluation: What the network is verified on, and how.
        backbone: Arguments of :func:`train.backbones.build`.
        loss: The loss's name.
        head: The loss, which makes the head for a number of identities.
        optimizer: Makes the optimizer for steps an epoch, epochs and batch size.
        fit: How long and with what.
        output_dir: Directory of the runs.
        resume: Whether to go on with the newest run of this backbone and loss; or a run's directory.
        settings: All settings, references resolved: what the next start of the run is compared with.
        recipe: The same as YAML, for the run's ``config.yaml``.
    """

    data: DatasetJob
    evaluation: EvaluateSettings
    backbone: dict[str, Any]
    loss: str
    head: Loss
    optimizer: AdamW | SGD
    fit: FitSettings
    output_dir: Path
    resume: bool | str
    settings: dict[str, Any]
    recipe: str

    @classmethod
    def of(cls, config: DictConfig, data: DatasetJob | None = None) -> "TrainJob":
        """Make everything that ``conf/train.yaml`` names.

        Args:
            config: The composed configuration.
            data: The data set's job, where it was made before.

        Raises:
            ConfigError: A value has the wrong type, is out of its range or contradicts another.
        """
        output_dir = Path(text("output_dir", config["output_dir"]))
        resume = config["resume"]
        if not isinstance(resume, (bool, str)):
            raise ConfigError(f"must be true, false or a run's directory, not {resume!r}", "resume")
        job = cls(
            data=DatasetJob.of(config) if data is None else data,
            evaluation=EvaluateSettings.of(config),
            backbone=plain(config["backbone"]),
            loss=_loss(config),
            head=stage.instantiate(config["loss"], "loss"),
            optimizer=stage.instantiate(config["optimizer"], "optimizer"),
            fit=stage.instantiate(config["fit"], "fit"),
            output_dir=output_dir,
            resume=resume,
            settings=plain(config),
            recipe=OmegaConf.to_yaml(config, resolve=True),
        )
        job.optimizer.check_epochs(job.fit.epochs)
        return job


def _loss(config: DictConfig) -> str:
    from hydra.core.hydra_config import HydraConfig

    if HydraConfig.initialized():
        return str(HydraConfig.get().runtime.choices["loss"])
    return str(config["loss"]["_target_"]).rpartition(".")[2].lower()


def plain(node: DictConfig) -> dict[str, Any]:
    """Return a configuration node as a dictionary, interpolations resolved."""
    value = OmegaConf.to_container(node, resolve=True)
    if not isinstance(value, dict):
        raise ConfigError("must be a group of settings", str(node))
    return {str(key): item for key, item in value.items()}
