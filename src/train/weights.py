"""Weights in HDF5: written under another name first, and read without trusting the file."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras

from kface.errors import TrainingError
from kface.files import sha256_file

#: Weights that are being written, by the process of the number.
TEMPORARY = re.compile(r"tmp-(\d+)(?:-\w+)?\.weights\.h5")


@contextmanager
def temporary(directory: Path, name: str = "") -> Iterator[Path]:
    """Give the path that weights are written to before they get their name; what is left there at the end is removed."""
    path = directory / f"tmp-{os.getpid()}{'-' if name else ''}{name}.weights.h5"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def remove_left_over(directory: Path) -> list[Path]:
    """Remove what processes left that were killed while they wrote weights, and return what was removed.

    Files of a process that is still there stay, and so do files that cannot be removed.
    """
    removed = []
    for path in sorted(directory.glob("tmp-*.weights.h5")):
        matched = TEMPORARY.fullmatch(path.name)
        if matched is None or _alive(int(matched[1])):
            continue
        try:
            path.unlink()
        except OSError:
            continue
        removed.append(path)
    return removed


def clean(outputs: Path) -> None:
    """Remove what killed processes left in the runs of an output directory, and say so."""
    for directory in sorted(outputs.glob("*/*/checkpoints")):
        for path in remove_left_over(directory):
            print(f"removed {path}, which a killed process had left")


def _alive(process: int) -> bool:
    # A number that this process got after a crash is not the one that wrote the file.
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def load(model: keras.Model, path: Path, sha256: str, remedy: str) -> None:
    """Load a model's weights from a file of numbers.

    Args:
        model: Built, and compiled where the file holds an optimizer's state.
        path: The file.
        sha256: Its hash, as it was when it was written.
        remedy: What to do where it cannot be loaded.

    Raises:
        TrainingError: It is absent or has another hash, holds anything but numbers, reaches out of itself for them, or does
            not fit the model.
    """
    check(path, sha256, remedy)
    try:
        model.load_weights(path)
    # Keras and h5py raise nearly anything where names or shapes do not fit.
    except Exception:
        raise TrainingError("does not fit the network", path, remedy)


def check(path: Path, sha256: str, remedy: str) -> None:
    """Check a file of weights: there, of this hash, and nothing but numbers inside; raises TrainingError."""
    try:
        if not path.is_file() or sha256_file(path) != sha256:
            raise TrainingError("is missing or damaged (its SHA-256 differs)", path, remedy)
    except OSError as error:
        raise TrainingError(f"cannot be read ({error.strerror or error})", path, remedy)
    try:
        with h5py.File(path, "r") as file:
            fault = _fault(file)
    except Exception:
        raise TrainingError("is not a file of weights", path, remedy)
    if fault:
        raise TrainingError(f"{fault}, which no file of weights needs", path, "do not trust this file")


def _fault(group: Any) -> str | None:
    """Return what in a group is not a plain array of numbers, or None: links, external and virtual data read other files."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return "holds a link"
        item = group[name]
        if isinstance(item, h5py.Group):
            fault = _fault(item)
            if fault:
                return fault
            continue
        if item.external or item.is_virtual:
            return "takes numbers from another file"
        # Keras keeps names as text beside the numbers.
        if item.dtype.kind not in "fiub" and h5py.check_string_dtype(item.dtype) is None:
            return f"holds values of type {item.dtype}"
    return None
