"""The annotated video."""

import os
from typing import NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from deploy.events import Event
from deploy.labels import Labels
from deploy.outputs.base import Output, OutputStream, open_private, register
from deploy.view import annotate
from kface.errors import ConfigError, KFaceError
from kface.fields import Settings
from kface.images import reverse_channels
from kface.recognizer import Result

#: What OpenCV's own FFmpeg, and GStreamer's, can write everywhere, by the file's ending.
CODECS = {".mp4": "mp4v", ".avi": "MJPG"}


class VideoSettings(NamedTuple):
    """Settings of the annotated video; see ``conf/deploy.yaml``."""

    video: Optional[str] = None


@register
class VideoOutput(Output):
    """Writes each frame with boxes and names.

    Frames of a live stream arrive at irregular intervals: a frame is repeated or dropped so that the video plays at the
    original speed. Gaps of more than :attr:`LONGEST_GAP` seconds (a lost camera) are shortened to that.

    Args:
        path: The file, ending in .mp4 or .avi; replaced where it is there.
        fps: Frames a second.
        live: Whether times count; otherwise each result is one frame of the video.

    Raises:
        ConfigError: The file cannot be written.
    """

    #: Seconds.
    LONGEST_GAP = 2.0
    options = VideoSettings

    @classmethod
    def read(cls, section: Settings) -> VideoSettings:
        """See :meth:`Output.read`."""
        video = section.name("video")
        if video is not None and not video.lower().endswith(tuple(CODECS)):
            raise ConfigError("must end in {}, not {}".format(" or ".join(CODECS), video), "outputs.video")
        return VideoSettings(video)

    @classmethod
    def open(cls, options: VideoSettings, stream: OutputStream) -> "VideoOutput":
        """See :meth:`Output.open`."""
        return cls(str(options.video), stream.fps, stream.live)

    @classmethod
    def file(cls, options: VideoSettings) -> Optional[str]:
        """See :meth:`Output.file`."""
        return options.video

    def __init__(self, path: str, fps: float, live: bool) -> None:
        self.name = path
        self._fps = fps
        self._live = live
        self._labels = Labels()
        self._writer: Optional[cv2.VideoWriter] = None
        self._size: Optional[Tuple[int, int]] = None
        self._next = 0.0
        ending = os.path.splitext(path)[1].lower()
        if ending not in CODECS:
            raise ConfigError("must end in .mp4 or .avi", path)
        self._codec = cv2.VideoWriter.fourcc(*CODECS[ending])
        try:
            # OpenCV only prints why it cannot write. A video of people is its owner's alone.
            os.close(open_private(path, os.O_TRUNC))
        except OSError as error:
            raise ConfigError("cannot be written ({})".format(error.strerror), path, "choose another outputs.video")

    def write(self, result: Result, events: Sequence[Event]) -> None:
        """Write a frame."""
        picture = annotate(result, self._labels)
        writer = self._writer
        if writer is None:
            writer = self._open(picture.shape[1], picture.shape[0])
            self._next = result.frame.time_monotonic
        bgr = reverse_channels(_letterbox(picture, self._size))
        for _ in range(self._repeats(result.frame.time_monotonic) if self._live else 1):
            writer.write(bgr)

    def finish(self, events: Sequence[Event]) -> None:
        """Finish the file; one without any frame is removed."""
        if self._writer is None:
            os.remove(self.name)
            return
        self._writer.release()
        if not os.path.getsize(self.name):
            raise KFaceError("nothing was written", self.name, "free some space, or choose another outputs.video")

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        # Codecs of halved colour take even sides only.
        self._size = (width - width % 2, height - height % 2)
        writer = cv2.VideoWriter(self.name, self._codec, self._fps, self._size)
        if not writer.isOpened():
            raise KFaceError("this OpenCV cannot write this video format", self.name, "use a name ending in .avi")
        self._writer = writer
        return writer

    def _repeats(self, captured: float) -> int:
        """Return how often a frame is written so that the video keeps up with the frames' own time."""
        self._next = max(self._next, captured - self.LONGEST_GAP)
        count = 0
        while self._next <= captured + 0.5 / self._fps:
            self._next += 1.0 / self._fps
            count += 1
        return count


def _letterbox(rgb: np.ndarray, size: Optional[Tuple[int, int]]) -> np.ndarray:
    """Return a picture of a size, with black bars where its shape is another: a camera may change it on reconnection."""
    if size is None or (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    if 0 <= rgb.shape[1] - size[0] <= 1 and 0 <= rgb.shape[0] - size[1] <= 1:
        return rgb[: size[1], : size[0]]
    scale = min(size[0] / float(rgb.shape[1]), size[1] / float(rgb.shape[0]))
    width, height = min(int(rgb.shape[1] * scale), size[0]), min(int(rgb.shape[0] * scale), size[1])
    made = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    made[top : top + height, left : left + width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    return made
