"""What leaves a stream: frames, states, and the error that says why there are none."""

import enum
from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np

from kface.errors import KFaceError


class StreamError(KFaceError):
    """A stream that cannot be opened, or that stopped."""


class StreamRefusedError(StreamError):
    """A camera that does not accept the id or the password; trying again soon would only lock the account."""


class UnusableStreamError(StreamError):
    """A stream that plays, and of which this machine's decoder can make nothing; trying again would not mend it."""


class State(enum.Enum):
    """Where a stream stands.

    A stream goes from connecting to live, from there to lost, and round again; ended (a file's last frame, or a file that
    cannot be read) and closed are final.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"
    ENDED = "ended"
    CLOSED = "closed"


#: States that no other state but closed follows.
FINAL = (State.ENDED, State.CLOSED)


class Frame(NamedTuple):
    """A picture of a stream.

    Attributes:
        image: uint8 (h, w, 3), RGB.
        time_monotonic: When the picture arrived, in seconds of ``time.monotonic()``; of a picture that waited in a buffer
            while the line was stuck, when it should have.
        number: Counts the source's pictures from 0, also across reconnections; what is missing was dropped.
    """

    image: np.ndarray
    time_monotonic: float
    number: int


class StateChange(NamedTuple):
    """A stream's new state.

    Attributes:
        state: The state.
        reason: Why, in one line without credentials; empty where nothing is wrong.
        time_monotonic: When, in seconds of ``time.monotonic()``.
    """

    state: State
    reason: str
    time_monotonic: float


def to_rgb(
    image: Optional[np.ndarray], resolution: Optional[Tuple[int, int]] = None, aspect: float = 1.0
) -> np.ndarray:
    """Turn what OpenCV captured into RGB, and resize it.

    Args:
        image: uint8 (h, w, 3) BGR, (h, w, 4) BGRA, or (h, w) or (h, w, 1) grey.
        resolution: (width, height) that the picture is to fit into, aspect kept (a face that is pulled wide is not
            recognised); as it is where None.
        aspect: How wide a pixel is, its height being 1: the picture is stretched until they are square.

    Returns:
        uint8 (h, w, 3), RGB; an array of its own.

    Raises:
        StreamError: It is not such a picture.
    """
    if image is None or image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise StreamError("delivered a frame that is empty or not 8-bit")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels not in (1, 3, 4):
        raise StreamError("delivered a frame with {} channels".format(channels))
    height, width = image.shape[:2]
    # One side grows and none shrinks: no detail is lost.
    wide, high = width * max(aspect, 1.0), height * max(1 / aspect, 1.0)
    scale = 1.0 if resolution is None else min(resolution[0] / wide, resolution[1] / high)
    size = (max(1, int(round(wide * scale))), max(1, int(round(high * scale))))
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    return cv2.cvtColor(image, codes[channels])
