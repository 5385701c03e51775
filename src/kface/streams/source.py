"""The base class of what gives frames: cameras and files."""

import threading
from typing import Iterator, Optional, Tuple

from kface.errors import KFaceError
from kface.streams.frame import FINAL, Frame, State
from kface.streams.pictures import Shortfall


class VideoSource(object):
    """Gives the frames of a camera or a file. Safe to share between threads.

    A source lives once: :meth:`start`, then :meth:`read` until its :attr:`state` is final, then :meth:`close`, which may come
    at any time and from any thread, and wakes up the reader.

    Example:
        >>> with Stream("rtsp://10.0.0.7/live") as source:  # doctest: +SKIP
        ...     frame = source.read(timeout=5)
    """

    def start(self) -> "VideoSource":
        """Begin to play, once; returns itself."""
        raise NotImplementedError

    def read(self, timeout: float = 1.0) -> Optional[Frame]:
        """Wait for the next frame.

        Args:
            timeout: How long to wait, in seconds.

        Returns:
            The frame; None where none came in time, or none will come any more.

        Raises:
            KFaceError: It has failed and will not go on; raised once. A camera that is lost has not failed.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End, and give everything back; may be called twice."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """Where it stands."""
        raise NotImplementedError

    @property
    def reason(self) -> str:
        """Why it is lost or has ended, in one line without credentials; empty where nothing is wrong."""
        return ""

    @property
    def losses(self) -> int:
        """How often it was live and got lost."""
        return 0

    @property
    def captured(self) -> int:
        """How many frames it has had so far."""
        return 0

    @property
    def skipped(self) -> int:
        """How many of these a newer one replaced before they were read."""
        return 0

    @property
    def shortfall(self) -> Optional[Shortfall]:
        """What a file should have held and did not, once its end was reached; None where nothing is lost."""
        return None

    @property
    def refusal(self) -> Optional[KFaceError]:
        """Why it will hardly ever play: refused credentials, what the decoder cannot read. None where it may come yet."""
        return None

    @property
    def threads(self) -> Tuple[threading.Thread, ...]:
        """Those that may still be at work when :meth:`close` has returned, and that are to be waited for."""
        return ()

    def __enter__(self) -> "VideoSource":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as :meth:`read` returns them, through losses, until there are none any more."""
        while True:
            final = self.state in FINAL
            frame = self.read()
            if frame is not None:
                yield frame
            elif final:
                return
