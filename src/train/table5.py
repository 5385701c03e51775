"""``kface table5``: print the table of all runs; ``kface table5 run``: train the grid of Table 5 and write its table."""

import functools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kface import overrides, stage
from kface.commands.ending import exit_status
from kface.commands.parser import Parser, SettingsParser
from kface.data.dataset.stage import DatasetJob, prepare, summary
from kface.errors import ConfigError
from kface.evaluation import table5, table5_files, test_sets
from kface.evaluation.settings import EvaluateSettings
from kface.locks import lock
from kface.text import first_line
from train import backend
from train.cells import FINISHED, Cell, chosen, settings_of, train_cell, without_axes

BACKBONES = list(dict.fromkeys(backbone for backbone, _ in table5.PAPER))
LOSSES = list(dict.fromkeys(loss for _, loss in table5.PAPER))
NAME = "table5"
STOPPED = "stopped; finished cells and checkpoints are kept; run again to continue"


def parser() -> Parser:
    """Return what reads the arguments of ``kface table5 [DIR ...]``."""
    return table5.parser()


def run_parser() -> Parser:
    """Return what reads the arguments of ``kface table5 run``."""
    return SettingsParser(
        "train",
        prog="kface table5 run",
        description="train Table 5's grid, two backbones with three losses, and write the table beside the paper's; finished "
        "cells are kept, others are resumed from their checkpoint",
        examples=(
            "kface table5 run evaluate.lfw=DIR evaluate.cfp_fp=DIR",
            "kface table5 run corpus=kface corpus.root=DIR experiment=paper",
            "kface table5 run backbone=mobilenetv2 loss=arcface,softmax    (a part of the grid)",
            "kface table5 run hydra/launcher=joblib hydra.launcher.n_jobs=2 progress=false",
        ),
    )


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table, or run the grid, and return the exit status."""
    if list(arguments[:1]) != ["run"]:
        return table5.main(arguments)
    given = list(arguments[1:])
    if set(stage.HELP) & set(given):
        run_parser().parse_args(["--help"])
    return exit_status(NAME, lambda: run_grid(given), STOPPED)


def run_grid(arguments: Sequence[str]) -> int:
    """Train what is missing of the grid and write its table.

    Args:
        arguments: Settings of ``kface train``; ``backbone`` and ``loss`` may list several choices.

    Returns:
        0 where all cells are finished; 1 where some have failed.

    Raises:
        KFaceError: A setting is wrong, the data set cannot be built, or another process is at work on the grid.
    """
    own, words = stage.own_configuration(arguments)
    _check(words)
    axes = {"backbone": chosen(words, "backbone", BACKBONES), "loss": chosen(words, "loss", LOSSES)}
    rest = without_axes(words)
    configs = {
        (backbone, loss): stage.compose("train", [*rest, f"backbone={backbone}", f"loss={loss}"], own)
        for backbone in axes["backbone"]
        for loss in axes["loss"]
    }
    config = next(iter(configs.values()))
    evaluation = EvaluateSettings.of(config)
    jobs = {key: DatasetJob.of(one) for key, one in configs.items()}
    folder = Path(str(config["output_dir"])) / "table5"
    handle = _locked(folder)
    try:
        prints: dict[Path, str] = {}
        for job in jobs.values():
            # Once for all cells, which otherwise would build it at the same time where a launcher runs several.
            if job.directory not in prints:
                report = prepare(job)
                print(summary(report), flush=True)
                prints[job.directory] = report.manifest.fingerprint
        # A run's settings are completed by the defaults of the training's classes, which import TensorFlow.
        backend.start_quietly()
        cells = {key: Cell(*key, settings_of(configs[key]), prints[jobs[key].directory]) for key in configs}
        missing = _missing(cells)
        if missing:
            # The faces of the photographs are found once and cached, and a wrong set is reported before the first training.
            test_sets.check_testsets(evaluation)
            status = _launch(missing, cells, words, rest, arguments, own)
            if status == 130:
                return 130
        return _write(cells, folder)
    finally:
        os.close(handle)


def _check(words: Sequence[str]) -> None:
    """Refuse options, and what the grid decides itself; raises ConfigError."""
    for word in words:
        if word.startswith("-"):
            raise ConfigError("unknown option", word, "see kface table5 run --help")
        parts = overrides.split(word)
        if parts is not None and parts[1] == "resume":
            raise ConfigError("is decided for each cell", word, "remove it")
    # A comma in a path does not separate values.
    for word in overrides.literal(without_axes(words), stage.parses):
        if stage.sweeps(word):
            raise ConfigError("lists several values", word, "only backbone and loss may; run this once for each value")


def _locked(folder: Path) -> int:
    """Make the directory of the table, and lock it so that no cell is trained twice at the same time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(f"cannot be made ({error.strerror})", folder, "add output_dir=DIR")
    try:
        free = lock(handle, wait=False)
    except OSError:
        # A file system without locks.
        free = True
    if not free:
        os.close(handle)
        raise ConfigError("another kface table5 run is at work here", folder, "wait for it, or add output_dir=DIR")
    return handle


def _missing(cells: dict[tuple[str, str], Cell]) -> list[tuple[str, str]]:
    """Return the cells that are not finished; report what is kept."""
    missing = []
    for key, cell in cells.items():
        found = cell.find()
        if found is not None and found.state == FINISHED:
            print(f"table5: {cell.title}: kept, {found.directory}", flush=True)
        else:
            missing.append(key)
    return missing


def _launch(
    missing: list[tuple[str, str]],
    cells: dict[tuple[str, str], Cell],
    words: Sequence[str],
    rest: Sequence[str],
    arguments: Sequence[str],
    own: Path | None,
) -> int:
    """Run the missing cells by Hydra's sweeper and the chosen launcher; return the largest exit status."""
    backbones, losses = (list(dict.fromkeys(key[number] for key in missing)) for number in (0, 1))
    mine = [] if own is None else ["--config", str(own)]
    # Hydra's own settings choose the launcher; they are no settings of a training.
    settings = [word for word in rest if not word.lstrip("+~").startswith(("hydra.", "hydra/"))]
    task = functools.partial(train_cell, cells=cells, arguments=[*mine, *settings], parent=os.getpid())
    swept = overrides.literal(rest, stage.parses)
    swept += [f"backbone={','.join(backbones)}", f"loss={','.join(losses)}"]
    try:
        return stage.run("train", task, [*mine, "--multirun", *swept], name=NAME, extra="train")
    except Exception as error:
        # A cell reports its own failure; this is the launcher's, such as a worker that was killed.
        print(f"{NAME}: the launcher failed ({type(error).__name__}: {first_line(error)})", file=sys.stderr)
        return 1


def _write(cells: dict[tuple[str, str], Cell], folder: Path) -> int:
    """Write the table of the finished cells, print it, and name those that are not."""
    found = {key: cell.find() for key, cell in cells.items()}
    done = {key: run.directory for key, run in found.items() if run is not None and run.state == FINISHED}
    unfinished = [cells[key].title for key in cells if key not in done]
    reports = table5_files.read(done.values())
    if reports:
        for path in table5_files.write(folder, reports, unfinished):
            print(path)
        print("\n" + table5_files.markdown(reports, unfinished))
    if unfinished:
        print(
            f"{NAME}: not finished: {', '.join(unfinished)}; the lines above say why; run again to try only these",
            file=sys.stderr,
        )
        return 1
    return 0
