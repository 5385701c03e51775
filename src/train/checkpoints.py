"""Checkpoints: the whole state of a run after an epoch, whole or not at all, and never a pickle."""

import json
import os
from pathlib import Path
from typing import Any

import keras

from kface.errors import TrainingError
from kface.files import sha256_file, write_json

SCHEMA = 1
#: Epochs whose state is kept.
KEPT = 2


def save(directory: Path, model: keras.Model, epoch: int, described: dict[str, Any]) -> None:
    """Save weights and optimizer after an epoch.

    Args:
        directory: The run's ``checkpoints``.
        model: The compiled model.
        epoch: How many epochs are done.
        described: What the run is (backbone, loss, ...), compared on resuming.

    Raises:
        TrainingError: The directory cannot be written.
    """
    name = f"epoch-{epoch:04d}.weights.h5"
    temporary = directory / f"tmp-{os.getpid()}.weights.h5"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        model.save_weights(temporary)
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        digest = sha256_file(temporary)
        os.replace(temporary, directory / name)
        # The state comes last: what it names is whole.
        write_json(
            directory / "state.json",
            {"schema": SCHEMA, "epoch": epoch, "file": name, "sha256": digest, "run": described},
        )
    except OSError as error:
        raise TrainingError(
            f"the checkpoint cannot be written ({error.strerror or error})", directory, "make room and add resume=true"
        )
    finally:
        temporary.unlink(missing_ok=True)
    for old in sorted(directory.glob("epoch-*.weights.h5"))[:-KEPT]:
        old.unlink()


def load(directory: Path, model: keras.Model, described: dict[str, Any]) -> int:
    """Bring a compiled model back to its last checkpoint and return how many epochs are done.

    Raises:
        TrainingError: There is no checkpoint, it is damaged, or it is another run's.
    """
    state = read_state(directory)
    theirs = state["run"]
    for key in sorted(set(described) | set(theirs)):
        if described.get(key) != theirs.get(key):
            raise TrainingError(
                f"was trained with {key} {theirs.get(key)}, not {described.get(key)}",
                directory,
                "give the same settings, or leave resume out",
            )
    path = directory / state["file"]
    model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError):
        raise TrainingError("does not fit the network", path, "leave resume out to start again")
    return int(state["epoch"])


def read_state(directory: Path) -> dict[str, Any]:
    """Return the last checkpoint's description after checking its file's hash; raises TrainingError."""
    path = directory / "state.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        complete = {"schema", "epoch", "file", "sha256", "run"} <= set(state)
    except OSError:
        raise TrainingError("there is no checkpoint to resume from", directory, "leave resume out to start a run")
    except (ValueError, TypeError):
        raise TrainingError("is damaged", path, "leave resume out to start again")
    if not complete or state["schema"] != SCHEMA:
        raise TrainingError("is of another version", path, "leave resume out to start again")
    file = directory / state["file"]
    if not file.is_file() or sha256_file(file) != state["sha256"]:
        raise TrainingError("is missing or damaged (its SHA-256 differs)", file, "leave resume out to start again")
    return dict(state)
