"""The cells of Table 5: a run for each backbone and loss, which is kept where it is finished, else resumed or started.

What a cell has reached is read from its run's files each time; no other record of the grid exists. So a grid may be stopped,
killed or moved at any time, and a run that ``kface train`` made with the same settings is a cell too.
"""

import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf

from kface import workers, yaml_file
from kface.errors import ConfigError, KFaceError
from kface.evaluation import runs
from kface.evaluation.reports import TITLES, read_report
from kface.overrides import split
from train import resuming
from train.registry import Json

#: Groups of settings of which each cell has its own choice.
AXES = ("backbone", "loss")
#: A finished run; one with a checkpoint or a network, whose training or report is not complete.
FINISHED, STARTED = "finished", "started"


class CellRun(NamedTuple):
    """The run of a cell: its directory, and whether it is :data:`FINISHED` or :data:`STARTED`."""

    directory: Path
    state: str


@dataclass(frozen=True)
class Cell:
    """A cell of the grid.

    Attributes:
        backbone: Its choice in ``conf/backbone/``.
        loss: Its choice in ``conf/loss/``.
        settings: All settings of ``conf/train.yaml`` with references resolved.
        data_set: Fingerprint of the data set that it is trained on.
    """

    backbone: str
    loss: str
    settings: dict[str, Json]
    data_set: str

    @property
    def title(self) -> str:
        """Backbone and loss."""
        return f"{self.backbone} + {self.loss}"

    def find(self) -> CellRun | None:
        """Return the cell's run, a finished one before any other, then the newest; None where it must be started.

        A run belongs to the cell where all settings that affect its weights and the data set's content are the same.
        """
        found = list(self._runs())
        return next((one for one in found if one.state == FINISHED), found[0] if found else None)

    def _runs(self) -> Iterator[CellRun]:
        places = Path(str(self.settings["output_dir"])).glob(f"*/*/{runs.CONFIG}")
        for path in sorted(places, key=lambda path: path.stat().st_mtime, reverse=True):
            directory = path.parent
            if not self._made(directory):
                continue
            if (directory / "model.json").is_file() and self._reported(directory / "report.json"):
                yield CellRun(directory, FINISHED)
            elif (directory / "checkpoints" / "state.json").is_file():
                yield CellRun(directory, STARTED)

    def _made(self, directory: Path) -> bool:
        """Return whether a run has this cell's settings and data set; a damaged one has not."""
        try:
            old, _ = yaml_file.read(directory / runs.CONFIG, "is damaged: it holds no settings")
            about = runs.read_about(directory)
            return (
                about.get("data_set_fingerprint") == self.data_set
                and not resuming.changes(old, self.settings)
                and self._teacher(old) == self._teacher(self.settings)
            )
        except (KFaceError, TypeError, ValueError, RecursionError):
            return False

    def _reported(self, path: Path) -> bool:
        """Return whether a report belongs to the weights and has all test sets that the settings name."""
        try:
            report = read_report(path)
        except KFaceError:
            return False
        run, fit = report["run"], self.settings["fit"]
        return (
            isinstance(fit, dict)
            and run.get("epochs") == fit.get("epochs")
            and run.get("data_set_fingerprint") == self.data_set
            and all(report["sets"].get(key) is not None for key in self._asked())
        )

    def _asked(self) -> list[str]:
        evaluate = self.settings["evaluate"]
        assert isinstance(evaluate, dict)
        own = ["kface"] if evaluate.get("pairs") else []
        protocols = evaluate.get("protocols")
        # Recipes older than the list lack it.
        own += [str(name) for name in protocols] if isinstance(protocols, list) else []
        return [key for key in TITLES if key != "kface" and evaluate.get(key)] + own

    def _teacher(self, settings: Mapping[str, Json]) -> Json:
        """Return the teacher's file: a run may be resumed with a copy of it, but another file may be another teacher."""
        fit = settings.get("fit")
        distil = fit.get("distil") if isinstance(fit, dict) else None
        return distil.get("teacher") if isinstance(distil, dict) else None


def settings_of(config: DictConfig) -> dict[str, Json]:
    """Return a composed configuration as a dictionary with references resolved."""
    value = OmegaConf.to_container(config, resolve=True)
    assert isinstance(value, dict)
    return {str(key): item for key, item in value.items()}


def chosen(arguments: Sequence[str], axis: str, default: Sequence[str]) -> list[str]:
    """Return the choices of an axis of the grid: those of ``backbone=a,b`` among the arguments, else the default.

    Raises:
        ConfigError: A choice is empty.
    """
    for argument in arguments:
        parts = split(argument)
        if parts is not None and parts[1] == axis:
            choices = [choice.strip() for choice in parts[2].split(",")]
            if not all(choices):
                raise ConfigError("names an empty choice", argument, f"write {axis}={','.join(default)}")
            return list(dict.fromkeys(choices))
    return list(default)


def without_axes(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of every cell: those that do not choose backbone or loss."""
    return [argument for argument in arguments if (split(argument) or ("", "", ""))[1] not in AXES]


def train_cell(config: DictConfig, cells: Mapping[tuple[str, str], Cell], arguments: Sequence[str], parent: int) -> int:
    """Train the cell of a configuration in a process of its own, unless it is finished; return the exit status.

    It runs where a launcher of Hydra takes it, perhaps on another machine, and decides there what is left to do.

    Args:
        config: Not used: the process composes its own.
        cells: By the choices of backbone and loss.
        arguments: Of ``kface train``, without these choices.
        parent: ID of the process that runs the grid.
    """
    if os.getppid() == parent:
        # A worker of joblib's, which would outlive a grid that is killed.
        workers.end_with(parent)
    from hydra.core.hydra_config import HydraConfig

    choices = HydraConfig.get().runtime.choices
    cell = cells[choices["backbone"], choices["loss"]]
    run = cell.find()
    if run is not None and run.state == FINISHED:
        return 0
    print(f"\ntable5: {cell.title}: {'starting' if run is None else f'continuing {run.directory}'}", flush=True)
    more = [f"backbone={cell.backbone}", f"loss={cell.loss}"]
    if run is not None:
        more.append(f"resume={run.directory}")
    return _process([*arguments, *more])


def _process(arguments: Sequence[str]) -> int:
    """Run ``kface train`` in a process that ends with this one; raises KeyboardInterrupt after a Ctrl-C.

    So each training has the memory of the machine to itself, and one that is killed takes no other with it.
    """
    with subprocess.Popen(command(arguments)) as process, _passing_on(process):
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:
                # The process has received it too, and ends by itself.
                continue
    if status == 130:
        raise KeyboardInterrupt
    if status < 0:
        print(f"table5: killed by {signal.Signals(-status).name}; run again to continue", file=sys.stderr)
        return 128 - status
    return status


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of a training."""
    return [sys.executable, "-m", "train.cells", str(os.getpid()), *arguments]


class _passing_on:  # noqa: N801
    """Passes SIGTERM on to a process for a ``with`` block, and ends this one afterwards."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._received = False
        self._old: object = None

    def __enter__(self) -> None:
        # A launcher may have a handler of its own, or run this outside the main thread, where handlers cannot be set.
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            try:
                self._old = signal.signal(signal.SIGTERM, self._pass)
            except ValueError:
                self._old = None

    def __exit__(self, *_: object) -> None:
        if self._old is not None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self._received:
            sys.exit(128 + signal.SIGTERM)

    def _pass(self, number: int, frame: types.FrameType | None) -> None:
        self._received = True
        self._process.terminate()


def main(arguments: Sequence[str]) -> int:
    """Run ``kface train`` as a child of the process whose ID is the first argument."""
    from kface import commands

    workers.end_with(int(arguments[0]))
    return commands.main(["train", *arguments[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
