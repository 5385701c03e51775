"""Checkpoints: the whole state of a run after an epoch, whole or not at all, and never a pickle."""

import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kface.errors import TrainingError
from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields
from kface.files import sha256_file, write_json
from train import resuming, weights

STATE = "state.json"
SCHEMA = 2
#: Epochs whose state is kept.
KEPT = 2
#: What a checkpoint's file may be called: a name alone, so that a damaged state leads nowhere else.
NAME = re.compile(r"epoch-\d{4,9}\.weights\.h5")
AGAIN = "leave resume out to start again"


class Saved(NamedTuple):
    """A checkpoint: how many epochs are done, its file's name and hash."""

    epoch: int
    file: str
    sha256: str


class State(NamedTuple):
    """What a run can go on from: its checkpoints, the newest first, and what decides its weights."""

    saved: tuple[Saved, ...]
    run: dict[str, Any]


def save(directory: Path, model: keras.Model, epoch: int, described: dict[str, Any]) -> None:
    """Save weights and optimizer after an epoch.

    Args:
        directory: The run's ``checkpoints``.
        model: The compiled model.
        epoch: How many epochs are done.
        described: What decides the run's weights, compared on resuming.

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
        kept = [Saved(epoch, name, digest), *older]
        # The state comes last: what it names is whole.
        write_json(
            directory / STATE,
            {
                "schema": SCHEMA,
                **kept[0]._asdict(),
                "older": [one._asdict() for one in older],
                "run": described,
            },
        )
        for old in directory.glob("epoch-*.weights.h5"):
            if old.name not in {one.file for one in kept}:
                old.unlink()
    except OSError as error:
        raise TrainingError(
            f"the checkpoint cannot be written ({error.strerror or error})", directory, "make room and add resume=true"
        )


def _older(directory: Path) -> tuple[Saved, ...]:
    try:
        return read_state(directory).saved
    except TrainingError:
        return ()


def load(directory: Path, model: keras.Model, state: State) -> int:
    """Bring a compiled model back to a run's newest checkpoint that is not damaged; return how many epochs are done.

    Of each damaged one a line on standard error tells.

    Raises:
        TrainingError: All of them are damaged, or do not fit the network.
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
            print(f"train: {fault.where}: {fault.what}; going on from epoch {one.epoch}", file=sys.stderr)
        return one.epoch
    raise faults[0]


def read_state(directory: Path) -> State:
    """Read what a run can go on from.

    Raises:
        TrainingError: There is none, or it is damaged.
    """
    path = directory / STATE
    if not path.exists():
        raise TrainingError("there is no checkpoint to resume from", directory, "leave resume out to start a run")
    value = read_json(path, AGAIN)
    check_schema(value, SCHEMA, path, AGAIN)
    return parse(_state, value, path, AGAIN)


def _state(fields: Fields) -> State:
    saved = [_saved(one) for one in (fields, *fields.objects("older"))]
    return State(tuple(sorted(saved, reverse=True)), fields.json("run"))


def _saved(fields: Fields) -> Saved:
    file = fields.text("file", pattern=NAME.pattern)
    return Saved(fields.whole("epoch", 1), file, fields.text("sha256", pattern="[0-9a-f]{64}"))


def epochs_of(state: State) -> int | None:
    """Return how many epochs a run was to have, or None where its state does not say."""
    fit = state.run.get("fit")
    epochs = fit.get("epochs") if isinstance(fit, dict) else None
    return epochs if type(epochs) is int else None


def compare(directory: Path, state: State, described: dict[str, Any]) -> None:
    """Raise TrainingError where what decides a run's weights has changed since its checkpoint was written."""
    resuming.refuse(resuming.differences(state.run, described), directory.parent)
