"""Weights in HDF5: written atomically, and read without trusting the file."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import keras

from kface.errors import TrainingError
from kface.files import sha256_file

#: Weights that are being written, with the number of the process.
TEMPORARY = re.compile(r"tmp-(\d+)(?:-\w+)?\.weights\.h5")


@contextmanager
def temporary(directory: Path, name: str = "") -> Iterator[Path]:
    """Yield a temporary path for writing weights; a file that is still there at the end is removed."""
    path = directory / f"tmp-{os.getpid()}{'-' if name else ''}{name}.weights.h5"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def remove_left_over(directory: Path) -> list[Path]:
    """Remove temporary files of processes that were killed while writing weights; return those that were removed.

    Files of running processes stay, and so do files that cannot be removed.
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
    """Remove temporary files of killed processes from all runs of an output directory, and report each."""
    for directory in sorted(outputs.glob("*/*/checkpoints")):
        for path in remove_left_over(directory):
            print(f"removed {path}, left by a killed process")


def _alive(process: int) -> bool:
    # This process has not written the file: it got the number of one that was killed.
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
    """Load a model's weights.

    Args:
        model: Built, and compiled where the file holds an optimizer's state.
        path: The file.
        sha256: Its hash when it was written.
        remedy: For the error: what to do where it cannot be loaded.

    Raises:
        TrainingError: It is absent or has another hash, holds anything but numbers, refers to other files, or does not fit
            the model.
    """
    check(path, sha256, remedy)
    try:
        model.load_weights(path)
    # Keras and h5py raise exceptions of many kinds where names or shapes do not fit.
    except Exception:
        raise TrainingError("does not fit the network", path, remedy)


def check(path: Path, sha256: str, remedy: str) -> None:
    """Raise TrainingError where a file of weights is absent, has another hash or holds anything but numbers."""
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
        raise TrainingError(f"{fault}, which a file of weights never does", path, "do not trust this file")


def _fault(group: h5py.Group) -> str | None:
    """Return what a group contains besides arrays of numbers, or None; links, external and virtual data read other files."""
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
        # Keras also stores names, as text.
        if item.dtype.kind not in "fiub" and h5py.check_string_dtype(item.dtype) is None:
            return f"holds values of type {item.dtype}"
    return None
