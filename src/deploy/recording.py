"""What a user asks for while looking: a video of what is seen from now on, and a picture of this moment."""

import os
import threading
from typing import Callable, Optional

from deploy.labels import Labels
from deploy.outputs.video import VideoOutput
from deploy.publishing import Publisher
from deploy.view import annotate
from kface.errors import ConfigError, KFaceError
from kface.files import write_atomic
from kface.images import encode_jpeg
from kface.recognizer import Result

#: Frames a second of a video: frames are repeated or left out to keep its time.
FPS = 25.0
#: JPEG quality of a picture.
QUALITY = 92
ENDINGS = (".jpg", ".jpeg")


class Recorder(object):
    """Records a session's annotated frames in their own size. Safe to share between threads.

    Args:
        publisher: The session's.
        newest: Returns the newest result; raises KFaceError where there is no live picture.
    """

    def __init__(self, publisher: Publisher, newest: Callable[[], Result]) -> None:
        self._publisher = publisher
        self._newest = newest
        self._labels = Labels()
        self._lock = threading.Lock()
        self._video: Optional[VideoOutput] = None

    @property
    def file(self) -> Optional[str]:
        """The video that is being written; None where there is none, or its disk was full."""
        video = self._video
        return video.name if video is not None and self._publisher.subscribed(video) else None

    def start(self, path: str) -> None:
        """See :meth:`deploy.session.Session.start_recording`."""
        with self._lock:
            if self.file is not None:
                raise KFaceError("is being recorded already", str(self.file), "stop that first")
            self._video = VideoOutput(str(path), FPS, True)
            self._publisher.subscribe(self._video)

    def stop(self) -> Optional[str]:
        """See :meth:`deploy.session.Session.stop_recording`."""
        with self._lock:
            video, self._video = self._video, None
            if video is None:
                return None
            self._publisher.unsubscribe(video)
            return video.name

    def save_picture(self, path: str) -> None:
        """See :meth:`deploy.session.Session.save_picture`."""
        path = os.fspath(path)
        if not path.lower().endswith(ENDINGS):
            raise ConfigError("must end in .jpg", path)
        with self._lock:
            picture = annotate(self._newest(), self._labels)
        try:
            write_atomic(path, encode_jpeg(picture, QUALITY), mode=0o600)
        except OSError as error:
            raise ConfigError("cannot be written ({})".format(error.strerror or error), path, "choose another path")
