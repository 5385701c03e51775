"""MLflow: one run for each run of the training, with its settings, figures and files."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from kface import yaml_file
from kface.checks import text, whole
from kface.data.dataset import DatasetManifest
from kface.errors import ConfigError, KFaceError
from kface.evaluation import runs
from kface.evaluation.reports import read_report
from kface.files import read_json, write_json
from kface.redaction import redact
from kface.text import first_line
from train import usage
from train.context import ClosingCallback, TrainingContext
from train.loggers.base import LOGGERS, LoggerSettings, need
from train.resuming import flat

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: In a run's directory: which run of MLflow it is.
FILE = "mlflow.json"
#: MLflow takes as many parameters and figures at once.
BATCH = 100
#: Longest value of a parameter.
LONGEST = 500
#: A run's files that MLflow keeps.
FILES = ("report.json", "roc.png", "det.png", "history.csv", "config.yaml", "run.json", "model.json")
SERVER = "http://HOST:5000"


@LOGGERS.register
@dataclass(frozen=True)
class MLflow(LoggerSettings):
    """Logs to MLflow: the settings as parameters, the figures by step, the report and the plots as artifacts.

    A resumed run continues its run of MLflow. A server that fails during a training is reported once; the training goes on.

    Args:
        tracking_uri: The server, or ``file:`` and a folder; None for the environment's MLFLOW_TRACKING_URI, or `folder`.
        folder: Where runs are kept without a server.
        experiment: Name of the experiment.
        every: Steps between two figures within an epoch.
    """

    name: ClassVar[str] = "mlflow"

    tracking_uri: str | None = None
    folder: str = "outputs/mlruns"
    experiment: str = "kface"
    every: int = 50

    def __post_init__(self) -> None:
        if self.tracking_uri is not None:
            text("logger.mlflow.tracking_uri", self.tracking_uri)
        text("logger.mlflow.folder", self.folder)
        text("logger.mlflow.experiment", self.experiment)
        whole("logger.mlflow.every", self.every, 1)

    @property
    def uri(self) -> str:
        """Where MLflow keeps its runs; may hold a login."""
        return self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or Path(self.folder).resolve().as_uri()

    def client(self) -> "MlflowClient":
        """Return a client; raises ConfigError where the place cannot be reached."""
        # A training must not wait for minutes for a server that is away.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        if self.uri.startswith("file:") or "://" not in self.uri:
            # From MLflow 3.7 on a folder has to be asked for.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient

        try:
            client = MlflowClient(tracking_uri=self.uri)
            client.search_experiments(max_results=1)
        # MLflow raises exceptions of many packages.
        except Exception as error:
            raise ConfigError(
                f"cannot be used by MLflow ({first_line(error)})",
                redact(self.uri),
                f"correct logger.mlflow.tracking_uri, such as {SERVER}, or leave mlflow out of logger",
            )
        return client

    def check(self) -> None:
        """Raise ConfigError where MLflow is not installed, or its place cannot be reached."""
        need("mlflow", "run make setup EXTRAS=train,mlflow,dev, or leave mlflow out of logger")
        self.client()

    def __call__(self, training: TrainingContext) -> list[keras.callbacks.Callback]:
        """Return the callback."""
        return [MLflowLog(training, self)]

    def finish(self, run_dir: Path, manifest: DatasetManifest, network: keras.Model) -> None:
        """Log the figures of the verification and the run's files, and end the run of MLflow."""

        def log() -> None:
            run_id = known(run_dir)
            if run_id is None:
                return
            client = self.client()
            for path in (run_dir / name for name in FILES):
                if path.is_file():
                    client.log_artifact(run_id, str(path))
            if (run_dir / "report.json").is_file():
                for key, value in verified(read_report(run_dir / "report.json")).items():
                    client.log_metric(run_id, key, value)
            client.set_terminated(run_id, "FINISHED")

        reported(log)


def verified(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a ``report.json`` by name, such as ``test.lfw.eer``."""
    figures: dict[str, float] = {}
    for name, result in report["sets"].items():
        if result is None:
            continue
        figures[f"test.{name}.accuracy"] = result["accuracy"]["value"]
        figures[f"test.{name}.eer"] = result["eer"]["value"]
        for far, rate in result["tar_at_far"].items():
            if rate is not None:
                figures[f"test.{name}.tar_at_far_{far}"] = rate["value"]
    return figures


def known(run_dir: Path) -> str | None:
    """Return the id of a run's run of MLflow, or None."""
    try:
        run_id = read_json(run_dir / FILE)["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return run_id if isinstance(run_id, str) else None


def reported(work: Callable[[], None]) -> bool:
    """Do what needs MLflow; return whether it succeeded, otherwise print one line."""
    try:
        work()
    # The training is worth more than its log; MLflow raises exceptions of many packages.
    except Exception as error:
        line = str(error) if isinstance(error, KFaceError) else redact(first_line(error))
        print(f"train: MLflow: {line}; the training goes on without it", file=sys.stderr)
        return False
    return True


class MLflowLog(ClosingCallback):
    """Logs the figures of a training.

    Args:
        training: The training.
        settings: Where, and how often.
    """

    def __init__(self, training: TrainingContext, settings: MLflow) -> None:
        super().__init__()
        self.training = training
        self.settings = settings
        self.run_id = ""
        self.working = True
        self.succeeded = False
        self._client: MlflowClient | None = None
        self._epoch = training.first_epoch

    def _log(self, work: Callable[["MlflowClient"], None]) -> None:
        if self.working and self._client is not None:
            client = self._client
            self.working = reported(lambda: work(client))

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Begin the run of MLflow, or continue the one that was begun before."""

        def begin() -> None:
            self._client = self.settings.client()
            self.run_id = self._resumed(self._client) or self._begun(self._client)

        self.working = reported(begin)

    def _resumed(self, client: "MlflowClient") -> str | None:
        from mlflow.exceptions import MlflowException

        run_id = known(self.training.run_dir)
        if run_id is None:
            return None
        try:
            client.update_run(run_id, "RUNNING")
        except MlflowException:
            # Another server, or the run was deleted there.
            return None
        client.set_tag(run_id, "kface.resumed_after_epoch", self.training.first_epoch)
        return run_id

    def _begun(self, client: "MlflowClient") -> str:
        from mlflow.entities import Param

        name = self.settings.experiment
        found = client.get_experiment_by_name(name)
        experiment = client.create_experiment(name) if found is None else found.experiment_id
        run_dir = self.training.run_dir
        run_id = client.create_run(experiment, run_name=f"{run_dir.parent.name}/{run_dir.name}").info.run_id
        write_json(run_dir / FILE, {"run_id": run_id})
        params = [Param(key, value[:LONGEST]) for key, value in parameters(self.training).items()]
        for start in range(0, len(params), BATCH):
            client.log_batch(run_id, params=params[start : start + BATCH])
        client.set_tag(run_id, "kface.run", str(run_dir))
        return str(run_id)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Log the figures of a step."""
        step = self.training.step(self._epoch, batch) + 1
        if step % self.settings.every:
            return
        figures = {f"step.{name}": float(value) for name, value in (logs or {}).items()}
        figures["step.learning_rate"] = usage.learning_rate(self.model)
        figures["step.margin"] = float(self.training.head.margin)
        self._figures(figures, self._epoch * self.training.steps_per_epoch + step)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Log the figures of the epoch."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._figures({**figures, "epoch": float(epoch + 1)}, (epoch + 1) * self.training.steps_per_epoch)

    def _figures(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in figures.items() if math.isfinite(value)]
        self._log(lambda client: client.log_batch(self.run_id, metrics=metrics))

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Note that the training has succeeded."""
        self.succeeded = True

    def close(self) -> None:
        """End the run of MLflow where the training has failed or was stopped; may be called more than once."""
        if not self.succeeded:
            self._log(lambda client: client.set_terminated(self.run_id, "KILLED"))
        self._client = None


def parameters(training: TrainingContext) -> dict[str, str]:
    """Return the settings of a run as texts by their keys with dots, without logins: those of its ``config.yaml``."""
    path = training.run_dir / runs.CONFIG
    settings: Mapping[str, Any] = yaml_file.read(path, "is damaged")[0] if path.is_file() else training.described
    return {
        key: redact(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for key, value in flat(settings)
    }
