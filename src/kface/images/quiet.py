"""Keeps the messages of image decoders off the terminal: our own error is one line.

libpng, libjpeg and libtiff write to file descriptor 2 from C, bypassing ``sys.stderr``. While a picture is decoded, the
descriptor is a pipe; afterwards the lines that other threads wrote are passed on, and only those that look like a decoder's are
dropped, with whatever was written into the middle of one. A program that another thread starts meanwhile would keep writing
to the pipe: do not start programs while images are decoded.
"""

import contextlib
import os
import re
import threading
from typing import Iterator, List, Optional, Tuple

_NOISE = re.compile(
    rb"\[ ?(?:VERB|DEBUG|INFO|WARN|ERROR|FATAL|WARNING)\b"  # OpenCV, OpenJPEG
    rb"|libpng |imread_|imdecode_|OpenCV(?:\(|:)|(?:_?TIFF|Fax|LZW|ZIP|Deflate|PixarLog|JPEG|OJPEG|WebP)\w*: "
    rb"|(?:Premature end of|Corrupt) JPEG|Warning: unknown JFIF|Invalid SOS parameters|Unknown Adobe color"
    rb"|Inconsistent progression|Application transferred too|jas_|error: (?:no|cannot|not)|cannot (?:get|decode)"
)
#: OpenCV reports an assertion in several lines, with lines of other threads possibly between them.
_MORE = re.compile(rb"(?:> |>$|    '|where$|$)")

_lock = threading.Lock()
_inside = 0
_pipe: Optional[Tuple[int, int]] = None
_saved = -1
_rest = b""
_noisy = False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the decoders; several threads may be inside at once. Does nothing on Windows, or without a standard error."""
    entered = _enter()
    try:
        yield
    finally:
        if entered:
            _leave()


def _enter() -> bool:
    global _inside, _pipe, _saved  # noqa: PLW0603
    if os.name == "nt":
        return False
    with _lock:
        if _inside == 0:
            try:
                if _pipe is None:
                    _pipe = os.pipe()
                    for end in _pipe:
                        # A full pipe must not block the writers.
                        os.set_blocking(end, False)
                _saved = os.dup(2)
                os.dup2(_pipe[1], 2)
            except OSError:
                return False
        _inside += 1
    return True


def _leave() -> None:
    global _inside, _rest, _saved  # noqa: PLW0603
    with _lock:
        _inside -= 1
        if _inside == 0:
            os.dup2(_saved, 2)
        lines = (_rest + _drain()).splitlines(True)
        # An incomplete line is kept for the next thread to leave, which may find its other half.
        _rest = lines.pop() if _inside and lines and not lines[-1].endswith(b"\n") else b""
        kept = _without_noise(lines)
        with contextlib.suppress(OSError):
            if kept:
                os.write(_saved, kept)
        if _inside == 0:
            os.close(_saved)
            _saved = -1


def _without_noise(lines: List[bytes]) -> bytes:
    global _noisy  # noqa: PLW0603
    kept = []
    for line in lines:
        noise = bool(_NOISE.match(line) or (_noisy and _MORE.match(line.rstrip(b"\r\n"))))
        _noisy = _noisy or noise
        if not noise:
            kept.append(line)
    # A report may continue after this thread has read.
    _noisy = _noisy and _inside > 0
    return b"".join(kept)


def _drain() -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while _pipe is not None:
            part = os.read(_pipe[0], 1 << 16)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def _after_fork() -> None:
    """Restore the standard error of a forked child, which lacks the threads that were decoding."""
    global _inside, _lock, _pipe, _rest, _saved  # noqa: PLW0603
    _lock = threading.Lock()
    if _inside:
        os.dup2(_saved, 2)
        os.close(_saved)
    # The pipe belongs to the parent: two readers would take each other's lines.
    for end in _pipe or ():
        os.close(end)
    _inside, _pipe, _saved, _rest = 0, None, -1, b""


# Python 3.6 lacks this hook; a child that is forked there during decoding stays silent.
_register = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(after_in_child=_after_fork)
