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
from typing import Any, Callable, List, Optional

import numpy as np

#: FFmpeg's level of errors (libavutil/log.h); lower ones are worse.
_ERROR = 16
#: One in this number of rows is compared before the complete picture is.
_SAMPLE = 16

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class _FFmpegLog(object):
    """FFmpeg's log of this process: one for all captures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = 0
        self._errors = 0
        self._libraries: Optional[List[Any]] = None
        # FFmpeg may still be about to call it when it is replaced: it lives as long as the process.
        self._callback = _Callback(self._heard)

    def libraries(self) -> List[Any]:
        """Return the libraries that hold a log; several where other packages bring an FFmpeg of their own."""
        if self._libraries is None:
            try:
                with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as stream:
                    found = re.finditer(r"(/[^\n]*/libavutil[^/\n]*\.so[^/\n]*)$", stream.read(), re.MULTILINE)
                    self._libraries = [ctypes.CDLL(path) for path in sorted({match.group(1) for match in found})]
            except OSError:
                self._libraries = []
        return self._libraries

    def errors(self, step: Callable[[], object]) -> int:
        """Return how many errors FFmpeg reports in this thread while it takes a step."""
        with self._lock:
            self._thread, self._errors = threading.get_ident(), 0
            try:
                for library in self.libraries():
                    library.av_log_set_callback(self._callback)
                step()
            finally:
                for library in self.libraries():
                    library.av_log_set_callback(library.av_log_default_callback)
                self._thread = 0
            return self._errors

    def _heard(self, _: Any, level: int, text: Any, arguments: Any) -> None:
        # Decoding threads report other pictures, whose damage has nothing to do with conversion.
        if level <= _ERROR and threading.get_ident() == self._thread:
            self._errors += 1


LOG = _FFmpegLog()


class ConversionCheck(object):
    """Reports for each picture of one capture whether it was decoded; called by the thread that reads the capture."""

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
    if not LOG.libraries() or getattr(capture, "getBackendName", str)() != "FFMPEG":
        return True
    return not LOG.errors(capture.retrieve)
