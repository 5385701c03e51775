"""Checkpoints: the complete state of a run, after an epoch or within one, written atomically, without pickles."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras

from kface.errors import TrainingError
from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields
from kface.files import sha256_file, write_json
from train import previous, resuming, weights
from train.position import Position
from train.registry import Json

#: In a run's directory.
FOLDER = "checkpoints"
STATE = "state.json"
#: Version 3 knew no positions within an epoch, and no best weights.
SCHEMA = 4
READABLE = (previous.STATE_SCHEMA, 3, SCHEMA)
#: Checkpoints that are kept.
KEPT = 2
#: The form of a checkpoint's file name; it has no directories, so a damaged state cannot point elsewhere.
NAME = re.compile(r"epoch-\d{4,9}(?:-step-\d{6,9})?\.weights\.h5")
#: The same of the network that was best on the people of the validation.
BEST = re.compile(r"best-\d{4,9}\.weights\.h5")
AGAIN = "leave resume out to start again"


class SavedCheckpoint(NamedTuple):
    """A checkpoint: where the run stood, and its file's name and hash."""

    position: Position
    file: str
    sha256: str

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.position.epoch

    @property
    def place(self) -> tuple[int, int]:
        """Number of finished epochs, and of steps of the next one."""
        return self.position.epoch, self.position.step

    def as_json(self) -> dict[str, Json]:
        """Return what ``state.json`` says of it."""
        epoch, step = self.place
        return {
            "epoch": epoch,
            "step": step,
            "file": self.file,
            "sha256": self.sha256,
            "position": self.position.as_json(),
        }


class Best(NamedTuple):
    """The network that was best on the people of the validation: after which epoch, with which EER; its file, and its hash."""

    epoch: int
    eer: float
    file: str
    sha256: str


class RunState(NamedTuple):
    """What a run can be resumed from.

    Attributes:
        saved: Its checkpoints, the newest first.
        run: What decides its weights, see :func:`train.fit.describe_run`.
        partial: Whether an earlier version wrote it, which described less.
        best: The best network so far, where the run is validated.
        ended: Whether the training was ended before its last epoch, by a callback.
    """

    saved: tuple[SavedCheckpoint, ...]
    run: dict[str, Json]
    partial: bool = False
    best: Best | None = None
    ended: bool = False


@dataclass
class RunMemory:
    """What a run's state holds beside the weights and the position; it changes as the training goes on.

    Attributes:
        best: The best network so far, where the run is validated.
        ended: Whether a callback has ended the training before its last epoch.
    """

    best: Best | None = None
    ended: bool = False


def save(
    directory: Path,
    model: keras.Model,
    position: Position,
    described: Mapping[str, Json],
    memory: RunMemory | None = None,
) -> None:
    """Save weights and optimizer.

    Args:
        directory: The run's ``checkpoints``.
        model: The compiled model.
        position: Where the run stands.
        described: What decides the run's weights; compared on resuming.
        memory: What the state holds beside them.

    Raises:
        TrainingError: The directory cannot be written.
    """
    step = f"-step-{position.step:06d}" if position.step else ""
    name = f"epoch-{position.epoch:04d}{step}.weights.h5"
    place = (position.epoch, position.step)
    best, ended = (None, False) if memory is None else (memory.best, memory.ended)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        older = [one for one in _older(directory) if one.place < place][: KEPT - 1]
        digest = _write(directory, model, name)
        kept = [SavedCheckpoint(position, name, digest), *older]
        # The state is written last, so the files that it names are complete.
        write_json(
            directory / STATE,
            {
                "schema": SCHEMA,
                **kept[0].as_json(),
                "older": [one.as_json() for one in older],
                "run": dict(described),
                "best": None if best is None else best._asdict(),
                "ended": ended,
            },
        )
        files = {one.file for one in kept} | ({best.file} if best else set())
        for pattern in ("epoch-*.weights.h5", "best-*.weights.h5"):
            for old in directory.glob(pattern):
                if old.name not in files:
                    old.unlink()
    except OSError as error:
        raise _full(directory, error)


def save_best(directory: Path, network: keras.Model, epoch: int, eer: float) -> Best:
    """Save the network's weights as the best so far; raises TrainingError where the directory cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        name = f"best-{epoch:04d}.weights.h5"
        return Best(epoch, eer, name, _write(directory, network, name))
    except OSError as error:
        raise _full(directory, error)


def end(directory: Path) -> None:
    """Note in the state of a run that its training ends here, before its last epoch; raises TrainingError."""
    path = directory / STATE
    value = read_json(path, AGAIN)
    try:
        write_json(path, {**value, "ended": True})
    except OSError as error:
        raise _full(directory, error)


def _write(directory: Path, model: keras.Model, name: str) -> str:
    with weights.temporary(directory) as temporary:
        model.save_weights(temporary)
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        digest = sha256_file(temporary)
        os.replace(temporary, directory / name)
    return digest


def _full(directory: Path, error: OSError) -> TrainingError:
    return TrainingError(
        f"the checkpoint cannot be written ({error.strerror or error})", directory, "make room and add resume=true"
    )


def _older(directory: Path) -> tuple[SavedCheckpoint, ...]:
    try:
        return read_state(directory).saved
    except TrainingError:
        return ()


def build_optimizer(model: keras.Model) -> None:
    """Make the optimizer's variables, unless it has them: an optimizer that scales the loss would make some twice."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def load(directory: Path, model: keras.Model, state: RunState) -> Position:
    """Load a run's newest intact checkpoint into a compiled model; return where the run stands.

    Each damaged checkpoint is reported in a line on standard error.

    Raises:
        TrainingError: All checkpoints are damaged, or do not fit the network.
    """
    build_optimizer(model)
    faults = []
    for one in state.saved:
        try:
            weights.load(model, directory / one.file, one.sha256, AGAIN)
        except TrainingError as error:
            faults.append(error)
            continue
        for fault in faults:
            print(f"train: {fault.where}: {fault.what}; continuing from epoch {one.epoch}", file=sys.stderr)
        return one.position
    raise faults[0]


def load_best(directory: Path, network: keras.Model, best: Best) -> None:
    """Load the best weights; raises TrainingError where they are damaged."""
    weights.load(network, directory / best.file, best.sha256, AGAIN)


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
    if value["schema"] != previous.STATE_SCHEMA:
        return state._replace(run=previous.renamed(state.run))
    return RunState(state.saved, previous.renamed(previous.state(state.run)), partial=True)


def _state(fields: Fields) -> RunState:
    current = fields.whole("schema") == SCHEMA
    saved = [_saved(one, current) for one in (fields, *fields.objects("older"))]
    newest_first = tuple(sorted(saved, key=lambda one: one.place, reverse=True))
    if not current:
        return RunState(newest_first, fields.json("run"))
    best = fields.value("best")
    return RunState(
        newest_first,
        fields.json("run"),
        best=None if best is None else _best(fields.object("best")),
        ended=fields.flag("ended"),
    )


def _saved(fields: Fields, current: bool) -> SavedCheckpoint:
    file = fields.text("file", pattern=NAME.pattern)
    step = fields.whole("step") if current else 0
    # Before the first epoch has ended there are only checkpoints within it.
    epoch = fields.whole("epoch", 0 if step else 1)
    position = Position.read(epoch, step, fields.json("position")) if current else Position(epoch)
    return SavedCheckpoint(position, file, fields.text("sha256", pattern="[0-9a-f]{64}"))


def _best(fields: Fields) -> Best:
    file = fields.text("file", pattern=BEST.pattern)
    digest = fields.text("sha256", pattern="[0-9a-f]{64}")
    return Best(fields.whole("epoch", 1), fields.number("eer", 0, 1), file, digest)


def epochs_of(state: RunState) -> int | None:
    """Return the number of epochs that a run was started for, or None where its state does not contain it."""
    fit = state.run.get("fit")
    epochs = fit.get("epochs") if isinstance(fit, dict) else None
    return epochs if type(epochs) is int else None


def compare(directory: Path, state: RunState, described: Mapping[str, Json]) -> None:
    """Raise TrainingError where what decides a run's weights has changed since its checkpoint was written."""
    if state.partial:
        described = {key: value for key, value in described.items() if key in state.run}
    resuming.refuse(resuming.differences(resuming.completed(state.run), described), directory.parent)
