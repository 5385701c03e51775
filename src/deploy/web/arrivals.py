"""Connections that have not asked for anything yet, or must not: one thread for all of them.

A thread of its own is only for a request that has arrived whole and is allowed. Whoever connects and is silent, sends a byte
a second, or has no token, holds some bytes of memory and a place in a room that is never full: the newcomer gets in, and the
connection that has waited longest, of the address that has most of them, goes. A request that is sent in one go is read
within milliseconds, so that it takes hundreds of new connections in that time to push it out.
"""

import collections
import contextlib
import logging
import os
import selectors
import socket
import threading
import time
from typing import Callable, Deque, Dict, Optional, Tuple

from deploy.web import answers, request
from deploy.web.request import RefusedError, Request

LOGGER = logging.getLogger(__name__)

#: Seconds for the head of a first request to arrive; for the next one on a connection that was allowed in, the pause
#: included; for a body.
HEAD_S, KEEP_S, BODY_S = 5.0, 15.0, 15.0
#: Seconds in which a client may read the answer that ends its connection, and bytes that it may still send then.
LINGER_S, LINGER_BYTES = 1.0, 1 << 22
#: Connections that wait: those of strangers, and those that were allowed in before.
STRANGERS, KNOWN = 256, 64
#: How often deadlines are looked at, in seconds.
_LOOK_S = 0.1
_BLOCK = 1 << 14
READING, BODY, HELD, LINGERING = "reading", "body", "held back", "lingering"


class Arrival(object):
    """A connection in the room.

    Attributes:
        connection: The client's.
        address: The client's, without the port.
        known: Whether it was allowed in before.
        data: What has arrived and is not used up.
        until: When it has to be further, ``time.monotonic()``.
        state: What it waits for.
    """

    def __init__(self, connection: socket.socket, address: str, known: bool, until: float) -> None:
        self.connection = connection
        self.address = address
        self.known = known
        self.until = until
        self.data = bytearray()
        self.state = READING
        self.request = Request()
        self.answer: Tuple[RefusedError, bytes] = (RefusedError(0, ""), b"")
        self.dropped = 0


class Arrivals(object):
    """The room.

    Args:
        listener: A listening socket.
        admit: Judges a request whose head has arrived, by the client's address; raises RefusedError.
        serve: Takes over a connection with its request and body, and returns whether there is a place for it; afterwards
            the connection is closed or comes back by :meth:`take_back`.
        note: Called with every answer that is given here: address, request, status.
    """

    def __init__(
        self,
        listener: socket.socket,
        admit: Callable[[Request, str], None],
        serve: Callable[[Arrival, bytes], bool],
        note: Callable[[str, Request, int], None],
    ) -> None:
        self._listener = listener
        self._admit, self._serve, self._note = admit, serve, note
        self._selector = selectors.DefaultSelector()
        self._waiting: Dict[int, Arrival] = {}
        self._back: Deque[Tuple[socket.socket, str, bytes]] = collections.deque()
        self._ended = threading.Event()
        self._bell, self._ring = socket.socketpair()
        for one in (listener, self._bell, self._ring):
            one.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._bell, selectors.EVENT_READ, self._answer_bell)

    @property
    def waiting(self) -> int:
        """How many connections wait."""
        return len(self._waiting)

    def run(self) -> None:
        """Work until :meth:`end`; then close everything but the listener."""
        looked = 0.0
        while not self._ended.is_set():
            # Those that are here before those that come: what has been sent is read before a place is needed.
            ready = sorted(self._selector.select(_LOOK_S), key=lambda found: not isinstance(found[0].data, Arrival))
            for key, _ in ready:
                if isinstance(key.data, Arrival):
                    self._guarded(key.data, self._read)
                else:
                    key.data()
            now = time.monotonic()
            if now - looked >= _LOOK_S:
                looked = now
                for late in [one for one in self._waiting.values() if one.until <= now]:
                    self._guarded(late, self._end_wait)
        for one in list(self._waiting.values()):
            self._close(one)
        while self._back:
            _shut(self._back.popleft()[0])
        self._selector.close()
        self._bell.close()
        self._ring.close()

    def end(self) -> None:
        """Let :meth:`run` return; from any thread."""
        self._ended.set()
        self._wake()

    def take_back(self, connection: socket.socket, address: str, rest: bytes) -> None:
        """Wait for the next request of a connection that was served; from any thread.

        Args:
            connection: The client's.
            address: Likewise.
            rest: What it has sent already.
        """
        self._back.append((connection, address, rest))
        self._wake()
        if self._ended.is_set():
            with contextlib.suppress(IndexError):
                _shut(self._back.popleft()[0])

    def _wake(self) -> None:
        # A full pipe rings already; a closed one belongs to a room that has ended.
        with contextlib.suppress(OSError):
            self._ring.send(b"\0")

    def _answer_bell(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.recv(1 << 12)
        while self._back:
            connection, address, rest = self._back.popleft()
            self._enter(connection, address, True, rest)

    def _accept(self) -> None:
        # A limit, so that those who are here get their turn.
        for _ in range(64):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                # No more file descriptors: a stranger's place is given up for the next connection.
                LOGGER.warning("cannot accept a connection to the page (%s)", error.strerror or error)
                if not self._make_room(0):
                    self._ended.wait(_LOOK_S)
                return
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self._enter(connection, str(address[0]), False, b"")

    def _enter(self, connection: socket.socket, address: str, known: bool, rest: bytes) -> None:
        connection.setblocking(False)
        made = Arrival(connection, address, known, time.monotonic() + (KEEP_S if known else HEAD_S))
        made.data += rest
        self._waiting[connection.fileno()] = made
        self._selector.register(connection, selectors.EVENT_READ, made)
        if rest:
            self._guarded(made, self._look)
        self._make_room(STRANGERS, made)

    def _make_room(self, most: int, newest: Optional[Arrival] = None) -> bool:
        """Close who has waited longest where there are more than `most` strangers, and likewise those who are known."""
        gone = False
        for known, limit in ((False, most), (True, KNOWN)):
            there = [one for one in self._waiting.values() if one.known == known]
            if len(there) > limit:
                counts = collections.Counter(one.address for one in there)
                # Dictionaries keep the order in which the connections came.
                largest = max(counts.values())
                crowd = [one for one in there if counts[one.address] == largest and one is not newest]
                if crowd:
                    self._close(crowd[0])
                    gone = True
        return gone

    def _guarded(self, one: Arrival, step: Callable[[Arrival], None]) -> None:
        try:
            step(one)
        except OSError:
            self._close(one)
        except Exception:
            # One connection must not end the page for all.
            LOGGER.exception("a connection from %s failed", one.address)
            self._close(one)

    def _read(self, one: Arrival) -> None:
        try:
            data = one.connection.recv(_BLOCK)
        except (BlockingIOError, InterruptedError):
            return
        if one.state == LINGERING:
            one.dropped += len(data)
            if not data or one.dropped > LINGER_BYTES:
                self._close(one)
            return
        if not data:
            if one.state == BODY:
                self._refuse(one, RefusedError(400, "the command is incomplete"))
            elif one.state == READING and bytes(one.data).strip():
                self._refuse(one, RefusedError(400, "the request is incomplete"))
            elif one.state == READING:
                self._close(one)
            else:
                # Its sending side is closed; the answer that is held back still goes to it.
                self._selector.unregister(one.connection)
            return
        # What comes while an answer is held back is not looked at.
        if one.state != HELD:
            one.data += data
            self._look(one)

    def _look(self, one: Arrival) -> None:
        """See whether a request has arrived."""
        try:
            if one.state == READING and not self._has_head(one):
                return
            if len(one.data) < one.request.length:
                return
        except RefusedError as refused:
            self._refuse(one, refused)
            return
        body, rest = bytes(one.data[: one.request.length]), one.data[one.request.length :]
        one.data = rest
        self._leave(one)
        if not self._serve(one, body):
            # Only those who are allowed in are that many.
            one.connection.setblocking(False)
            self._waiting[one.connection.fileno()] = one
            self._selector.register(one.connection, selectors.EVENT_READ, one)
            full = RefusedError(503, "too many simultaneous requests: close other windows", ("Retry-After", "1"))
            self._refuse(one, full)

    def _has_head(self, one: Arrival) -> bool:
        # An empty line before a request is what some clients send after a body (RFC 9112, 2.2).
        if one.data[:2] == b"\r\n":
            del one.data[:2]
        found = request.END.search(one.data)
        size = len(one.data) if found is None else found.start()
        line = one.data.find(b"\n", 0, size)
        one.request = Request()
        if (size if line < 0 else line) > request.LINE_BYTES:
            raise RefusedError(414, "the request line is too long")
        if size > request.HEAD_BYTES:
            raise RefusedError(431, "the request header is too large")
        if found is None:
            return False
        if found.group() != b"\r\n\r\n":
            one.request.path = "?"
            raise RefusedError(400, "the request's lines have invalid endings")
        head = bytes(one.data[:size])
        del one.data[: found.end()]
        one.request.read(head)
        self._admit(one.request, one.address)
        if one.request.length:
            one.state, one.until = BODY, time.monotonic() + BODY_S
            one.known = True
            if one.request.continues and not one.data:
                one.connection.send(answers.CONTINUE)
        return True

    def _refuse(self, one: Arrival, refused: RefusedError) -> None:
        one.request.close = True
        one.answer = refused, answers.refusal(one.request, refused)
        one.data.clear()
        if refused.delay:
            one.state, one.until = HELD, time.monotonic() + refused.delay
        else:
            self._give_answer(one)

    def _give_answer(self, one: Arrival) -> None:
        refused, data = one.answer
        self._note(one.address, one.request, refused.status)
        # It fits into the system's queue, which is empty: nothing was sent before. Who has stuffed it gets a part.
        one.connection.send(data)
        # Closing at once, while the client still sends, would tear the answer away.
        one.connection.shutdown(socket.SHUT_WR)
        one.state, one.until = LINGERING, time.monotonic() + LINGER_S
        one.known = False

    def _end_wait(self, one: Arrival) -> None:
        if one.state == HELD:
            self._give_answer(one)
        elif one.state == BODY or (one.state == READING and one.data):
            seconds = BODY_S if one.state == BODY else KEEP_S if one.known else HEAD_S
            self._refuse(one, RefusedError(408, "the request did not arrive within {:g} s".format(seconds)))
        else:
            self._close(one)

    def _leave(self, one: Arrival) -> None:
        self._waiting.pop(one.connection.fileno(), None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(one.connection)

    def _close(self, one: Arrival) -> None:
        self._leave(one)
        _shut(one.connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    connection.close()


def listen(host: str, port: int, backlog: int = 128) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: The address is taken, or is not this machine's.
        OverflowError: The port does not exist.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(backlog)
    except BaseException:
        made.close()
        raise
    return made
