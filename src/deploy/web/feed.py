"""What happens, as server-sent events: the session's events with numbers to resume from, its status, the faces in view."""

import json
import socket
import threading
import time
from typing import Callable, Dict, Optional

from deploy.web import pictures
from deploy.web.api import Api, plain
from deploy.web.pictures import gone, waiting

#: How often faces and status are looked at, in seconds; each is sent when it has changed.
LOOK_S = 0.5
#: A line is sent at least so often, so that both sides notice when the other is gone.
HEARTBEAT_S = 2.0
#: Past events for a page that has just been opened.
PAST = 50


def feed(
    api: Api,
    connection: socket.socket,
    write: Callable[[bytes], object],
    epoch: str,
    after: Optional[str],
    closing: threading.Event,
) -> None:
    """Send events until the client is gone or the server ends.

    Args:
        api: The session as JSON.
        connection: The client's.
        write: Sends bytes; raises OSError where the client is gone.
        epoch: Names this run of the program: another run counts its events from 1 again.
        after: The ID of the last event that the client has seen, ``EPOCH-NUMBER``; of another run it counts as none.
        closing: Set when the server ends.
    """
    taken = _Taken(connection)
    write(b"retry: 2000\n\n")
    seen = _number(epoch, after)
    fresh = seen == 0
    known: Dict[str, Optional[str]] = {"status": None, "faces": None}
    spoken = time.monotonic()
    while not closing.is_set():
        begun = time.monotonic()
        events = api.session.wait_events(seen, 0 if fresh else LOOK_S)
        # A session that has ended does not wait.
        closing.wait(0 if fresh or events else max(LOOK_S - (time.monotonic() - begun), 0))
        parts = []
        for event in events[-PAST:] if fresh else events:
            parts.append(_part("event", plain(event.as_dict()), "{}-{}".format(epoch, event.number)))
        seen = events[-1].number if events else seen
        fresh = False
        for name, text in (("status", _text(api.status())), ("faces", _text(api.faces()))):
            if known[name] != text:
                known[name] = text
                parts.append("event: {}\ndata: {}\n\n".format(name, text))
        if not parts and time.monotonic() - spoken >= HEARTBEAT_S:
            # Not a comment: those do not reach the page.
            parts.append("event: alive\ndata: {}\n\n")
        if gone(connection) or taken.stalled():
            return
        if parts:
            spoken = time.monotonic()
            # A surrogate, which UTF-8 has not, becomes \udXXX: that is JSON.
            data = "".join(parts).encode("utf-8", "backslashreplace")
            write(data)
            taken.sent += len(data)


class _Taken(object):
    """Whether a client takes what it is sent: one that vanished, or does not read, would be missed after minutes only."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.sent = 0
        self._arrived = 0
        self._since = time.monotonic()

    def stalled(self) -> bool:
        """Return whether something waits, and nothing has arrived for :data:`~deploy.web.pictures.STALL_S`."""
        left = waiting(self._connection)
        if not left or self.sent - left != self._arrived:
            self._arrived, self._since = self.sent - left, time.monotonic()
        return time.monotonic() - self._since > pictures.STALL_S


def _number(epoch: str, after: Optional[str]) -> int:
    named, _, number = (after or "").rpartition("-")
    return int(number) if named == epoch and number.isdecimal() and len(number) < 16 else 0


def _part(name: str, value: object, number: str) -> str:
    return "id: {}\nevent: {}\ndata: {}\n\n".format(number, name, _text(value))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
