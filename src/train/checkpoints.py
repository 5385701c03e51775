"""Checkpoints: the complete state of a run after an epoch, written atomically, without pickles."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras

from kface.errors import TrainingError
from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields
from kface.files import sha256_file, write_json
from train import previous, resuming, weights
from train.registry import Json

STATE = "state.json"
SCHEMA = 3
READABLE = (previous.STATE_SCHEMA, SCHEMA)
#: Epochs whose state is kept.
KEPT = 2
#: The form of a checkpoint's file name; it has no directories, so a damaged state cannot point elsewhere.
NAME = re.compile(r"epoch-\d{4,9}\.weights\.h5")
AGAIN = "leave resume out to start again"


class SavedCheckpoint(NamedTuple):
    """A checkpoint: the number of finished epochs, and its file's name and hash."""

    epoch: int
    file: str
    sha256: str


class RunState(NamedTuple):
    """What a run can be resumed from.

    Attributes:
        saved: Its checkpoints, the newest first.
        run: What decides its weights, see :func:`train.fit.describe`.
        partial: Whether an earlier version wrote it, which described less.
    """

    saved: tuple[SavedCheckpoint, ...]
    run: dict[str, Json]
    partial: bool = False


def save(directory: Path, model: keras.Model, epoch: int, described: Mapping[str, Json]) -> None:
    """Save weights and optimizer after an epoch.

    Args:
        directory: The run's ``checkpoints``.
        model: The compiled model.
        epoch: Number of finished epochs.
        described: What decides the run's weights; compared on resuming.

    Raises:
        TrainingError: The directory cannot be written.
    """
    name = f"epoch-{epoch:04d}.weights.h5"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        older = [one for one in _older(directory) if one.epoch < epoch][: KEPT - 1]
        with weights.temporary(directory) as temporary:
            model.save_weights(temporary)
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
            digest = sha256_file(temporary)
            os.replace(temporary, directory / name)
        kept = [SavedCheckpoint(epoch, name, digest), *older]
        # The state is written last, so the files that it names are complete.
        write_json(
            directory / STATE,
            {
                "schema": SCHEMA,
                **kept[0]._asdict(),
                "older": [one._asdict() for one in older],
                "run": dict(described),
            },
        )
        for old in directory.glob("epoch-*.weights.h5"):
            if old.name not in {one.file for one in kept}:
                old.unlink()
    except OSError as error:
        raise TrainingError(
            f"the checkpoint cannot be written ({error.strerror or error})", directory, "make room and add resume=true"
        )


def _older(directory: Path) -> tuple[SavedCheckpoint, ...]:
    try:
        return read_state(directory).saved
    except TrainingError:
        return ()


def load(directory: Path, model: keras.Model, state: RunState) -> int:
    """Load a run's newest intact checkpoint into a compiled model; return the number of finished epochs.

    Each damaged checkpoint is reported in a line on standard error.

    Raises:
        TrainingError: All checkpoints are damaged, or do not fit the network.
    """
    model.optimizer.build(model.trainable_variables)
    faults = []
    for one in state.saved:
        try:
            weights.load(model, directory / one.file, one.sha256, AGAIN)
        except TrainingError as error:
            faults.append(error)
            continue
        for fault in faults:
            print(f"train: {fault.where}: {fault.what}; continuing from epoch {one.epoch}", file=sys.stderr)
        return one.epoch
    raise faults[0]


def read_state(directory: Path) -> RunState:
    """Read what a run can be resumed from.

    Raises:
        TrainingError: It does not exist, or is damaged or of another version.
    """
    path = directory / STATE
    if not path.exists():
        raise TrainingError("holds no checkpoint to resume from", directory, "leave resume out to start a run")
    value = read_json(path, AGAIN)
    if value.get("schema") not in READABLE or type(value.get("schema")) is not int:
        check_schema(value, SCHEMA, path, AGAIN)
    state = parse(_state, value, path, AGAIN)
    if value["schema"] == SCHEMA:
        return RunState(state.saved, previous.renamed(state.run))
    return RunState(state.saved, previous.renamed(previous.state(state.run)), partial=True)


def _state(fields: Fields) -> RunState:
    saved = [_saved(one) for one in (fields, *fields.objects("older"))]
    return RunState(tuple(sorted(saved, reverse=True)), fields.json("run"))


def _saved(fields: Fields) -> SavedCheckpoint:
    file = fields.text("file", pattern=NAME.pattern)
    return SavedCheckpoint(fields.whole("epoch", 1), file, fields.text("sha256", pattern="[0-9a-f]{64}"))


def epochs_of(state: RunState) -> int | None:
    """Return the number of epochs that a run was started for, or None where its state does not contain it."""
    fit = state.run.get("fit")
    epochs = fit.get("epochs") if isinstance(fit, dict) else None
    return epochs if type(epochs) is int else None


def compare(directory: Path, state: RunState, described: Mapping[str, Json]) -> None:
    """Raise TrainingError where what decides a run's weights has changed since its checkpoint was written."""
    if state.partial:
        described = {key: value for key, value in described.items() if key in state.run}
    resuming.refuse(resuming.differences(state.run, described), directory.parent)
