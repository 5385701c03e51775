"""A video file frame by frame, without loss."""

import time
from typing import Iterator, Optional, Union

from kface.errors import ConfigError
from kface.streams.backends import open_capture
from kface.streams.clock import EXACT, Limiter
from kface.streams.frame import Frame, StreamError
from kface.streams.pictures import Pictures, Shortfall
from kface.streams.read_ahead import ReadAhead
from kface.streams.settings import StreamSettings
from kface.streams.worker import Opener, native_fps

#: As fast as the consumer takes the frames, or no faster than the file's own frames a second.
PACES = ("fast", "native")


class VideoFile(ReadAhead):
    """Reads a video file: every frame once, in order, however slow the caller is.

    Iterating reads in the caller's thread; once it was started (:meth:`start`, :meth:`read`) a thread reads one frame ahead.
    Damaged frames are passed over; :attr:`shortfall` has them at the end.

    Args:
        source: Settings of the kind "file", or a URI of one. Where the settings limit the frames a second, the frames
            between are left out, by the file's time; a frame's number is still its place in the file.
        pace: One of :data:`PACES`.
        opener: What opens captures, instead of :func:`kface.streams.backends.open_capture`.

    Attributes:
        fps: The file's frames a second.

    Raises:
        ConfigError: It is not a file, does not exist, or the pace is neither.
        StreamError: It cannot be decoded.

    Example:
        >>> with VideoFile("clip.mp4") as video:  # doctest: +SKIP
        ...     faces = [detector.detect(frame.image) for frame in video]
    """

    def __init__(self, source: Union[str, StreamSettings], pace: str = "fast", opener: Optional[Opener] = None) -> None:
        if pace not in PACES:
            raise ConfigError("must be {}, not {!r}".format(" or ".join(PACES), pace), "pace")
        super(VideoFile, self).__init__()
        self.settings = StreamSettings.from_uri(source) if isinstance(source, str) else source
        if self.settings.kind != "file":
            raise ConfigError("is not a video file", self.settings.uri, "open it as a Stream")
        self._pace = pace
        self._capture = (opener or open_capture)(self.settings)
        self._pictures = Pictures(self._capture, self.settings)
        self.fps = native_fps(self._capture)

    def release(self) -> None:
        """Release the file."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    @property
    def shortfall(self) -> Optional[Shortfall]:
        """What the file should have held and did not; None before its last frame, and where nothing is lost."""
        return self._pictures.shortfall

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; once.

        Raises:
            UnusableStreamError: OpenCV cannot convert the frames.
            StreamError: There is no frame, or the decoder failed.
        """
        limiter = Limiter(self.settings.fps, EXACT)
        begun = time.monotonic()
        while self._capture is not None and self._pictures.grab():
            number = self._pictures.number
            if limiter.take(number / self.fps):
                rgb = self._pictures.retrieve()
                if self._pace == "native":
                    # A caller that falls behind is not chased: it gets the rest at the native pace.
                    begun = max(begun, time.monotonic() - (number + 1) / self.fps)
                    time.sleep(max(0.0, begun + number / self.fps - time.monotonic()))
                yield Frame(rgb, time.monotonic(), number)
        if self._pictures.number < 0 and self._capture is not None:
            raise StreamError(
                "has no frame that can be decoded", self.settings.uri, "convert it: ffmpeg -i FILE new.mp4"
            )
