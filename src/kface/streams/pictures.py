"""Reads the pictures of one capture: passes over damaged ones, counts them, and takes none that is not the source's."""

import time
from typing import Any, NamedTuple, Optional

import cv2
import numpy as np

from kface.streams.container import Container, inspect
from kface.streams.conversion import ConversionCheck
from kface.streams.frame import StreamError, UnusableStreamError, to_rgb
from kface.streams.settings import StreamSettings

#: Consecutive failures that mean a file's end where its container does not promise more frames.
LEAST_TRIES = 200
#: Consecutive failures, and their seconds, where it does.
MOST_TRIES = 100000
TRYING_SECONDS = 5.0
#: Pixels may be this many times as wide as they are high, or the reverse; no camera has more.
LARGEST_ASPECT = 4.0
#: cv2.CAP_PROP_SAR_NUM, SAR_DEN and ORIENTATION_AUTO, which OpenCV 4.1 has no names for.
_SAR_NUM, _SAR_DEN, _ORIENTATION_AUTO = 40, 41, 49


class Shortfall(NamedTuple):
    """What a video file should have held and did not.

    Attributes:
        read: Pictures that were read.
        lost: Pictures that are damaged or missing; 0 where the file ends before its time and does not say how many it had.
        cut: Whether its end is missing.
    """

    read: int
    lost: int
    cut: bool

    def __str__(self) -> str:
        parts = []
        if self.lost:
            parts.append("{} of {} frames lost (damaged or missing)".format(self.lost, self.read + self.lost))
        if self.cut:
            parts.append("the file is truncated" + ("" if self.lost else " after frame {}".format(self.read)))
        return ", ".join(parts)


class Pictures(object):
    """The pictures of a capture, in order.

    Args:
        capture: What was opened; see :data:`kface.streams.backends.Capture`.
        settings: What it was opened with.

    Attributes:
        number: The place in the source of the picture that was grabbed last, from 0; damaged ones count.
    """

    def __init__(self, capture: Any, settings: StreamSettings) -> None:
        self._capture = capture
        self._settings = settings
        self._file = settings.kind == "file"
        self._backend = str(getattr(capture, "getBackendName", str)())
        self._container = inspect(settings.file) if self._file else Container()
        self._check = ConversionCheck()
        self._converts = False
        self._shortfall: Optional[Shortfall] = None
        self.number = -1
        self._read = 0

    def grab(self) -> bool:
        """Go on to the next picture; returns whether there is one. A file's damaged pictures are passed over."""
        failures, begun = 0, 0.0
        while not self._capture.grab():
            begun = begun or time.monotonic()
            failures += 1
            # GStreamer waits for ever behind the end of some files.
            again = self._file and self._backend in ("", "FFMPEG")
            if not again or failures >= self._tries() or time.monotonic() - begun > TRYING_SECONDS:
                self._end()
                return False
        self.number += 1 + failures
        self._read += 1
        return True

    def retrieve(self) -> np.ndarray:
        """Return the picture, uint8 (h, w, 3) RGB: upright, of square pixels, and as large as the settings want it.

        Raises:
            UnusableStreamError: OpenCV cannot convert the source's pictures.
            StreamError: This one cannot be decoded.
        """
        got, image = self._capture.retrieve()
        if not got:
            raise StreamError("cannot be decoded at frame {}".format(self.number), self._settings.uri)
        if image is not None and not self._check.made(self._capture, image):
            self._refuse()
        self._converts = True
        if self._container.turned and not self._turns():
            turns = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
            image = cv2.rotate(image, turns[self._container.turned])
        aspect = self._aspect() if self._settings.square_pixels else 1.0
        return to_rgb(image, self._settings.resolution, aspect)

    @property
    def shortfall(self) -> Optional[Shortfall]:
        """What the file should have held; None before its end, and where it was all there."""
        return self._shortfall

    def _end(self) -> None:
        lost = self.number + 1 - self._read
        expected = self._container.pictures
        # Of a file whose end is missing the index may be missing too: the decoder's estimate is better than nothing.
        if expected is None and self._container.cut:
            expected = _count(self._capture)
        lost = max(lost, (expected or 0) - self._read)
        if self._file and (lost or self._container.cut):
            self._shortfall = Shortfall(self._read, lost, self._container.cut)

    def _tries(self) -> int:
        if self._container.pictures is not None:
            left = self._container.pictures - self._read
        else:
            left = _count(self._capture) - self._read
        return min(max(left, LEAST_TRIES), MOST_TRIES)

    def _refuse(self) -> None:
        what = "OpenCV {} cannot convert its frames, most likely because they are interlaced"
        remedy = (
            "convert it: ffmpeg -i FILE -vf yadif new.mp4"
            if self._file
            else "set the camera to progressive video, or use OpenCV 4.12"
        )
        if not self._converts:
            raise UnusableStreamError(what.format(cv2.__version__), self._settings.uri, remedy)
        # In the middle a camera may have been set to another size: another attempt finds out.
        raise StreamError(
            "OpenCV {1} cannot convert frame {0}: it is interlaced, or its size has changed".format(
                self.number, cv2.__version__
            ),
            self._settings.uri,
            remedy if self._file else None,
        )

    def _turns(self) -> bool:
        """Return whether OpenCV has turned the picture already."""
        return self._backend == "FFMPEG" and bool(self._capture.get(_ORIENTATION_AUTO))

    def _aspect(self) -> float:
        """Return how wide a pixel of the upright picture is, its height being 1; 1 where the source does not say."""
        across, down = float(self._capture.get(_SAR_NUM) or 0), float(self._capture.get(_SAR_DEN) or 0)
        if not (across > 0 and down > 0 and 1 / LARGEST_ASPECT <= across / down <= LARGEST_ASPECT):
            return 1.0
        return down / across if self._container.turned % 180 else across / down


def _count(capture: Any) -> int:
    count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT) or 0)
    return int(round(count)) if 0 < count < 1e7 else 0
