"""Small files that only their owner may read: keys and tokens."""

import contextlib
import errno
import os
import stat
import tempfile
from typing import Type, Union

from kface.errors import KFaceError
from kface.files import open_regular

PathLike = Union[str, "os.PathLike[str]"]

_LARGEST = 4096


def read_private(path: PathLike, what: str, remedy: str, error: Type[KFaceError]) -> bytes:
    """Return the content of a file of at most 4 KiB.

    Args:
        path: The file.
        what: What the file is for, such as "key", for the errors.
        remedy: What to do where other users may read it.
        error: Class of the errors.

    Raises:
        FileNotFoundError: It does not exist.
        KFaceError: An `error`: it is not a regular file, other users may read it, or it cannot be read.
    """
    try:
        # Neither waits for a pipe nor reads a device.
        with open_regular(path) as stream:
            # Of the open file, not of the path, which may have been replaced.
            found = os.fstat(stream.fileno())
            if os.name != "nt" and stat.S_IMODE(found.st_mode) & 0o077:
                raise error(
                    "others than its owner may use this {} (mode {:04o})".format(what, stat.S_IMODE(found.st_mode)),
                    path,
                    remedy,
                )
            data = stream.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise error("contains more than a {}".format(what), path, "give a {} file".format(what))
            return data
    except FileNotFoundError:
        raise
    except OSError as failure:
        if failure.errno in (errno.EISDIR, errno.EINVAL):
            raise error("is not a file", path, "give a {} file".format(what))
        raise error("the {} cannot be read ({})".format(what, failure.strerror or failure), path)


def write_once(path: PathLike, data: bytes) -> None:
    """Write a file of mode 0600, atomically, unless another process wrote it first.

    Raises:
        OSError: It cannot be written.
    """
    folder = os.path.dirname(os.fspath(path)) or "."
    os.makedirs(folder, mode=0o700, exist_ok=True)
    # mkstemp opens with O_EXCL and mode 0600; a link, unlike a rename, does not replace a file that is there.
    handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, os.fspath(path))
    finally:
        os.unlink(temporary)
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
