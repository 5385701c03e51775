"""Files that appear whole or not at all, and their hashes."""

import hashlib
import json
import os
import tempfile
from typing import Any, Optional, Union

PathLike = Union[str, "os.PathLike[str]"]


def write_atomic(path: PathLike, data: bytes, mode: Optional[int] = None) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Args:
        path: The file.
        data: Its content.
        mode: Its permissions, which it has from the first moment; what the umask leaves of 0666 where None.

    Raises:
        OSError: The disk is full, the directory is read-only, and so on; nothing is left behind.
    """
    target = os.fspath(path)
    handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=os.path.dirname(target) or ".")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is None:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        # A temporary file is its owner's alone until here.
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def write_json(path: PathLike, value: Any, mode: Optional[int] = None) -> None:
    """Write JSON atomically, with sorted keys, so that equal values make equal files; see :func:`write_atomic`."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomic(path, (text + "\n").encode("utf-8"), mode)


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: PathLike) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(os.fspath(path), "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
