"""Views as JPEG: each encoded once for all viewers, at a limited rate, with never more than one in transit."""

import json
import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, NamedTuple, Optional

from deploy.web.api import plain as as_json
from kface.images import encode_jpeg

if TYPE_CHECKING:
    from deploy.session import Session
    from deploy.view import LivePicture

#: A picture is sent again after so long without a new one, so that both sides notice when the other is gone.
HEARTBEAT_S = 2.0
#: How often a client that waits for a picture, and the server's end, are looked at.
LOOK_S = 0.5
#: A client that takes none of a picture for so long is gone.
STALL_S = 10.0
BOUNDARY = "kface"
#: Whether the system reports how much of what was sent has not arrived yet.
REPORTS_QUEUE = sys.platform.startswith("linux")


class Picture(NamedTuple):
    """A view as it is sent.

    Attributes:
        number: The view's.
        jpeg: The encoded image.
        live: Whether it shows what the camera sees now.
        made: ``time.monotonic()`` of the encoding.
        faces: The faces in it as a JSON list in ASCII, where they are not drawn into it.
    """

    number: int
    jpeg: bytes
    live: bool
    made: float
    faces: str = ""


class Pictures(object):
    """Encodes the session's views for the clients that ask for them. Safe to share between threads.

    Args:
        session: Has ``wait_view(after, timeout)``.
        fps: Pictures a second, at most.
        quality: JPEG quality from 1 to 100.
        closing: Set when the server ends.
    """

    def __init__(self, session: "Session", fps: int, quality: int, closing: threading.Event) -> None:
        self._session = session
        self._period = 1.0 / fps
        self._quality = quality
        self._closing = closing
        self._lock = threading.Lock()
        # With annotations and without.
        self._latest: Dict[bool, Picture] = {}

    def wait(self, after: int, timeout: float, plain: bool = False) -> Optional[Picture]:
        """Return the newest picture with a number greater than `after`; None where none comes in time.

        Args:
            after: The number of the picture that is known.
            timeout: Seconds to wait.
            plain: Without annotations, and with :attr:`Picture.faces` instead.
        """
        deadline = time.monotonic() + timeout
        latest = self._latest.get(plain)
        if latest is not None:
            age = time.monotonic() - latest.made
            if latest.number > after and age < self._period:
                return latest
            if age < self._period:
                self._closing.wait(self._period - age)
        view = self._session.wait_view(after, max(deadline - time.monotonic(), 0.0))
        if view is None:
            # A session that has ended does not wait.
            self._closing.wait(max(deadline - time.monotonic(), 0.0))
            return None
        return self._encode(view, plain)

    def newest(self) -> Optional[Picture]:
        """Return the newest picture; None where it has none yet."""
        view = self._session.wait_view(0, 0)
        return None if view is None else self._encode(view, False)

    def _encode(self, view: "LivePicture", plain: bool) -> Picture:
        with self._lock:
            latest = self._latest.get(plain)
            if latest is None or latest.number < view.number:
                image = view.plain if plain and view.plain is not None else view.image
                faces = json.dumps(as_json([face._asdict() for face in view.faces])) if plain else ""
                latest = Picture(
                    view.number, encode_jpeg(image, self._quality), bool(view.live), time.monotonic(), faces
                )
                self._latest[plain] = latest
            return latest


def stream(
    pictures: Pictures,
    connection: socket.socket,
    write: Callable[[bytes], object],
    closing: threading.Event,
    plain: bool = False,
) -> None:
    """Send pictures as ``multipart/x-mixed-replace`` until the client is gone or the server ends.

    Args:
        pictures: Gives them.
        connection: The client's.
        write: Sends bytes; raises OSError where the client is gone.
        closing: Set when the server ends.
        plain: Send pictures without annotations, and the faces in a header of each.
    """
    if not REPORTS_QUEUE:
        # A small queue at least: what the network cannot take now should be dropped here, not be shown late over there.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
    border = "--{}\r\n".format(BOUNDARY).encode("ascii")
    write(border)
    newest: Optional[Picture] = None
    sent = 0.0
    while not closing.is_set():
        if not drained(connection, STALL_S, closing):
            return
        found = pictures.wait(0 if newest is None else newest.number, min(LOOK_S, HEARTBEAT_S), plain)
        if closing.is_set() or gone(connection):
            return
        newest = found or newest
        if newest is None or (found is None and time.monotonic() - sent < HEARTBEAT_S):
            continue
        head = "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Kface-Number: {}\r\nX-Kface-Live: {}\r\n".format(
            len(newest.jpeg), newest.number, int(newest.live)
        )
        head += "X-Kface-Faces: {}\r\n\r\n".format(newest.faces) if plain else "\r\n"
        # Browsers show a part when its end has come: the border goes with it, not with the next one.
        sent = time.monotonic()
        write(head.encode("ascii") + newest.jpeg + b"\r\n" + border)


def drained(connection: socket.socket, timeout: float, closing: threading.Event) -> bool:
    """Wait until the client has taken everything that was sent; returns False where it does not.

    Only Linux reports that; elsewhere this returns at once, and slow clients see pictures that waited in the system's queues.
    """
    deadline = time.monotonic() + timeout
    while not closing.is_set():
        if not waiting(connection):
            return True
        if time.monotonic() > deadline or gone(connection):
            return False
        closing.wait(0.005)
    return False


def waiting(connection: socket.socket) -> int:
    """Return how many bytes were sent and have not arrived; 0 where the system does not report it."""
    if not REPORTS_QUEUE:
        return 0
    import fcntl
    import termios

    return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])


def gone(connection: socket.socket) -> bool:
    """Return whether the other side has closed; such a client would not be missed before much was sent to it."""
    timeout = connection.gettimeout()
    try:
        connection.settimeout(0)
        return connection.recv(1, socket.MSG_PEEK) == b""
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout)
