"""Where the figures of a training are logged, beside ``history.csv``: the loggers of ``conf/logger/``; several can be chosen.

A logger does not change the weights, so a resumed run may use another one.
"""

from train.loggers.base import LOGGERS, LoggerSettings, NoLogger
from train.loggers.mlflow_runs import MLflow
from train.loggers.steps import Csv
from train.loggers.tensorboard_events import TensorBoard

__all__ = ["LOGGERS", "Csv", "LoggerSettings", "MLflow", "NoLogger", "TensorBoard"]
