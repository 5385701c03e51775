"""Files: written atomically, read up to a limit, and hashed."""

import codecs
import errno
import hashlib
import json
import math
import os
import re
import stat
import tempfile
from typing import IO, Any, List, Optional, Union

from kface.strict_json import decode

PathLike = Union[str, "os.PathLike[str]"]


def write_atomic(path: PathLike, data: bytes, mode: Optional[int] = None) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one, never a part of it.

    Args:
        path: The file.
        data: Its content.
        mode: Its permissions, from the moment it exists; 0666 less the umask where None.

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
        # Until here only the owner may read the temporary file.
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def write_json(path: PathLike, value: Any, mode: Optional[int] = None) -> None:
    """Write JSON atomically, with sorted keys, so that equal values make equal files; see :func:`write_atomic`.

    JSON has neither NaN nor infinities, which :func:`read_json` refuses: they become null.
    """
    try:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    # A file name that is not UTF-8 holds lone surrogates, which JSON writes as \\udcxx, and so does this.
    write_atomic(path, (text + "\n").encode("utf-8", "backslashreplace"), mode)


def _finite(value: Any) -> Any:
    """Return a value with None in place of all numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value


def read_json(path: PathLike, limit: int = 1 << 28) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        limit: Maximum size in bytes.

    Raises:
        OSError: It cannot be read, is not a regular file, or is larger.
        ValueError: As :func:`kface.strict_json.decode` raises it; lone surrogates are accepted.
    """
    return decode(read_regular(path, limit), surrogates=True)


def read_lines(path: PathLike, limit: int = 1 << 28) -> List[str]:
    """Read a text file of unknown encoding, such as one that an editor on Windows wrote.

    Known are UTF-8, UTF-16 and UTF-32, each with a byte order mark or without, and CP949 (Korean Windows).

    Args:
        path: The file.
        limit: Maximum size in bytes.

    Returns:
        The lines without their line ends, which may be LF, CR LF or CR.

    Raises:
        OSError: It cannot be read, is not a regular file, or is larger.
        ValueError: It is not text in one of these encodings.
    """
    return re.split("\r\n|\r|\n", decoded(read_regular(path, limit)))


def decoded(data: bytes) -> str:
    """Return a text whose encoding is unknown; see :func:`read_lines`.

    Raises:
        ValueError: It is not text in one of these encodings.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    # In UTF-16 every other byte of ASCII text is 0; text in the other encodings has no 0 byte.
    even, odd = data[:4096:2], data[1:4096:2]
    if b"\0" in even or b"\0" in odd:
        return data.decode("utf-16-be" if even.count(b"\0") > odd.count(b"\0") else "utf-16-le")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp949")
    # Bytes of yet another encoding may happen to decode.
    if not any("\uac00" <= sign <= "\ud7a3" for sign in text):
        raise ValueError("neither UTF-8 nor Korean")
    return text


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def open_regular(path: PathLike) -> IO[bytes]:
    """Open a regular file for reading; a pipe or a device is refused at once, without waiting for it.

    Args:
        path: The file, or a link to one.

    Raises:
        OSError: It cannot be opened, or is a directory, pipe, socket or device; see `strerror`.
    """
    try:
        # Opening some devices has side effects, so the path is checked first; the open file once more, as it may be another.
        _refuse_special(os.stat(os.fspath(path)))
        # Without O_NONBLOCK, opening a pipe without a writer blocks for ever.
        flags = os.O_RDONLY
        for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
            flags |= getattr(os, name, 0)
        handle = os.open(os.fspath(path), flags)
    except ValueError as error:  # a NUL in the name, or a character that no file name can have
        raise OSError(errno.EINVAL, str(error))
    try:
        _refuse_special(os.fstat(handle))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: PathLike, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Args:
        path: The file, or a link to one.
        limit: Maximum size in bytes.

    Raises:
        OSError: As :func:`open_regular` raises, or the file is larger (EFBIG); see `strerror`.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        parts: List[bytes] = []
        # One byte more than the size: files that grow, and those of /proc, whose size is 0, are read to their end.
        step, left = size + 1, limit + 1
        while size <= limit and left > 0:
            part = stream.read(min(step, left))
            if not part:
                return b"".join(parts)
            parts.append(part)
            left -= len(part)
            step = 1 << 20
    raise OSError(errno.EFBIG, "larger than {:,} bytes".format(limit))


def _refuse_special(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


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
