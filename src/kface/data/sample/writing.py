"""Writes people into a folder: one task per person, each complete or absent; an interrupted run is continued."""

import os
import shutil
import uuid
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple, Union

from kface.errors import KFaceError
from kface.files import read_json, write_json
from kface.progress import Progress
from kface.workers import backend_of, check_backend, settle

PathLike = Union[str, "os.PathLike[str]"]

#: The arguments of a KFaceError: an exception itself does not survive every way out of a worker.
Refusal = Optional[Tuple[str, str, str]]


def write_people(
    write: Callable[..., Refusal], calls: List[Tuple], jobs: int, what: str, progress: bool, backend: str = "loky"
) -> None:
    """Call a function once per person, in worker processes.

    Args:
        write: Writes one person; returns the arguments of a KFaceError where it could not. It can be pickled.
        calls: Its arguments, one tuple per person; the first one is the folder, which the workers of a cluster must see.
        jobs: Processes; -1 for one per core.
        what: What is written, for the progress bar.
        progress: Whether to show one.
        backend: See :func:`kface.workers.backend_of`.

    Raises:
        ConfigError: The backend cannot be used.
        KFaceError: A person could not be written; finished people are kept.
    """
    with Progress(len(calls), what, "people", enabled=progress) as bar:
        for refusal in _results(write, calls, jobs, backend):
            if refusal is not None:
                raise KFaceError(*refusal)
            bar.update()


def write_complete(folder: str, name: str, parent: int, write: Callable[[str], None]) -> Refusal:
    """Write one person's folder, which is complete or absent afterwards; runs in a worker.

    Args:
        folder: Where the person's folder belongs.
        name: The folder's name.
        parent: The main process, see :func:`kface.workers.settle`.
        write: Writes the content into the temporary folder that it is given.

    Returns:
        The arguments of a KFaceError where the disk is full or read-only.
    """
    settle(parent)
    # Workers of a cluster share the folder: two machines may have a process of the same ID.
    temporary = os.path.join(folder, ".tmp-{}-{}".format(name, uuid.uuid4().hex))
    try:
        os.makedirs(temporary, exist_ok=True)
        write(temporary)
        os.rename(temporary, os.path.join(folder, name))
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if os.path.isdir(os.path.join(folder, name)):
            # A cluster may give the work of a worker that it has lost to another, although the first one finishes it.
            return None
        refused = unwritable(error, folder)
        return refused.what, str(refused.where), str(refused.remedy)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return None


def _results(write: Callable[..., Refusal], calls: List[Tuple], jobs: int, backend: str) -> Iterator[Refusal]:
    check_backend(backend)
    if jobs == 1 and backend == "loky":
        for call in calls:
            yield write(*call)
        return
    import joblib

    with backend_of(backend, jobs, [os.path.abspath(calls[0][0])] if calls else []):
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        for refusal in parallel(joblib.delayed(write)(*call) for call in calls):
            yield refusal


def remove_unfinished(folder: Path) -> None:
    """Remove what an interrupted run left behind; raises OSError."""
    for left in folder.glob(".tmp-*"):
        shutil.rmtree(str(left))


def same_settings(path: Path, settings: Dict[str, object]) -> None:
    """Write a sample's settings, or check that the existing ones are the same.

    Raises:
        KFaceError: They differ.
        OSError: The file cannot be read or written.
    """
    if not path.exists():
        write_json(path, settings)
        return
    try:
        theirs = read_json(path, 1 << 20)
    except ValueError:
        theirs = None
    if theirs != settings:
        other = sorted(key for key in settings if not isinstance(theirs, dict) or theirs.get(key) != settings[key])
        raise KFaceError(
            "holds a sample of other settings ({})".format(", ".join(other)),
            path.parent,
            "give another directory or remove it",
        )


def unwritable(error: OSError, where: PathLike) -> KFaceError:
    """Return the error for a disk that is full, read-only and so on."""
    return KFaceError(
        "the sample cannot be written ({})".format(error.strerror or error),
        where,
        "make room or choose another directory",
    )
