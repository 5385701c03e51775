"""Finds pictures that the decoder did not make: FFmpeg failed to convert them, and OpenCV returns old memory as a success.

OpenCV ignores whether libswscale converted a picture. From 4.13 to 5.0 it cannot convert interlaced ones, before that not those
that became larger: ``retrieve()`` then returns True with whatever its memory held, black or an earlier picture. Such memory
never changes, so only the first picture and one that equals the picture before are suspects. A suspect is converted again while
FFmpeg's messages are listened to: an error from this thread means that it was not converted. FFmpeg is found among the
libraries of this process; where it is linked statically, or this is not Linux, nothing is checked.
"""

import ctypes
import re
import threading
from typing import Any, List, Optional

import numpy as np

#: FFmpeg's level of errors (libavutil/log.h); lower ones are worse.
_ERROR = 16
#: Of so many rows one is compared before the whole picture is.
_SAMPLE = 16

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_listening = threading.Lock()
_listener = 0
_errors: List[int] = []


def _heard(_: Any, level: int, text: Any, arguments: Any) -> None:
    # Decoding threads speak of other pictures, and damage there is no matter of conversion.
    if level <= _ERROR and threading.get_ident() == _listener:
        _errors.append(level)


# FFmpeg may still be about to call it when it is replaced: it lives as long as the process.
_CALLBACK = _Callback(_heard)
_libraries: Optional[List[Any]] = None


class ConversionCheck(object):
    """Tells of each picture of one capture whether the decoder made it; called by the thread that reads the capture."""

    def __init__(self) -> None:
        self._before: Optional[np.ndarray] = None

    def made(self, capture: Any, image: np.ndarray) -> bool:
        """Return whether the picture that was retrieved just now is the one that was grabbed.

        Args:
            capture: Its ``retrieve()`` may be called once more.
            image: What ``retrieve()`` returned; kept to be compared with the next, so it must not be changed.
        """
        before, self._before = self._before, image
        if before is not None and not _equal(before, image):
            return True
        return _converts(capture)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    # Moving pictures differ in the first rows that are looked at.
    return np.array_equal(one[::_SAMPLE], other[::_SAMPLE]) and np.array_equal(one, other)


def _converts(capture: Any) -> bool:
    global _listener
    libraries = _ffmpeg()
    if not libraries or getattr(capture, "getBackendName", lambda: "")() != "FFMPEG":
        return True
    with _listening:
        del _errors[:]
        _listener = threading.get_ident()
        try:
            for library in libraries:
                library.av_log_set_callback(_CALLBACK)
            capture.retrieve()
        finally:
            for library in libraries:
                library.av_log_set_callback(library.av_log_default_callback)
            _listener = 0
        return not _errors


def _ffmpeg() -> List[Any]:
    """Return the FFmpeg libraries that hold the log of this process's decoders; several where other packages bring theirs."""
    global _libraries
    if _libraries is None:
        try:
            with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as stream:
                paths = {
                    match.group(1)
                    for match in re.finditer(r"(/[^\n]*/libavutil[^/\n]*\.so[^/\n]*)$", stream.read(), re.M)
                }
            _libraries = [ctypes.CDLL(path) for path in sorted(paths)]
        except OSError:
            _libraries = []
    return _libraries
