"""Decides whose engines are run: an engine is code for the GPU, and anyone who can write it controls what runs."""

import os
import stat
from typing import Union

from kface.errors import ModelError

PathLike = Union[str, "os.PathLike[str]"]

#: Modes of the folder of engines and of an engine, whatever the umask.
FOLDER_MODE = 0o700
FILE_MODE = 0o644
REMEDY = "remove it and build the engine again, in a folder of your own: KFACE_ENGINES=DIR"


def read(path: PathLike) -> bytes:
    """Return the bytes of an engine or its sidecar, after checking that no other user could have written them.

    Raises:
        ModelError: It or its folder belongs to another user or can be written by others, or it cannot be read.
    """
    name = os.fspath(path)
    check_folder(os.path.dirname(name) or ".")
    try:
        # Opening a pipe would block. The file is checked again after opening, since it may have been replaced.
        _check(os.stat(name), name)
        with open(name, "rb") as stream:
            _check(os.fstat(stream.fileno()), name)
            return stream.read()
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), name)


def check_folder(path: PathLike) -> None:
    """Refuse a folder in which another user can put engines; a shared one with the sticky bit, like /tmp, is allowed.

    Raises:
        ModelError: It belongs to another user, can be written by others, or cannot be read.
    """
    name = os.fspath(path)
    try:
        found = os.stat(name)
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), name)
    if not stat.S_ISDIR(found.st_mode):
        raise ModelError("is not a folder", name, REMEDY)
    if not found.st_mode & stat.S_ISVTX:
        _check_owner(found, name)


def _check(found: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ModelError("is not a file", name)
    _check_owner(found, name)


def _check_owner(found: os.stat_result, name: str) -> None:
    # Windows has neither; folders in a user's profile belong to that user alone.
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid not in (0, os.geteuid()):
        raise ModelError("belongs to another user (uid {}), and engines are code".format(found.st_uid), name, REMEDY)
    if found.st_mode & 0o022:
        raise ModelError(
            "can be written by other users (mode {:04o}), and engines are code".format(stat.S_IMODE(found.st_mode)),
            name,
            "make sure that no one has changed it, then: chmod go-w {}".format(name),
        )
