"""What loggers have in common."""

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras

from kface.data.dataset import DatasetManifest
from kface.errors import ConfigError
from train.context import TrainingContext
from train.registry import Registry


@dataclass(frozen=True)
class LoggerSettings(ABC):
    """Settings of a logger; called with the training, they make its Keras callbacks."""

    #: Its name in conf/logger/.
    name: ClassVar[str]

    def check(self) -> None:
        """Raise ConfigError where a package that the logger needs is not installed, or where it cannot write."""
        return

    @abstractmethod
    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return the callbacks."""

    def finish(self, run_dir: Path, manifest: DatasetManifest, network: keras.Model) -> None:
        """Log what there is once the network has been verified; the report and the plots are in the run's directory.

        Args:
            run_dir: The run.
            manifest: The data set.
            network: The trained network.
        """
        return


LOGGERS: Registry[LoggerSettings] = Registry("logger", LoggerSettings)


@LOGGERS.register
@dataclass(frozen=True)
class NoLogger(LoggerSettings):
    """Logs nothing beside ``history.csv``."""

    name: ClassVar[str] = "none"

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return no callback."""
        return []


def need(module: str, remedy: str) -> None:
    """Raise ConfigError where a package is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ConfigError("is not installed", module, remedy)
