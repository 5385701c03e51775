"""What a client sends, with an end: a deadline and a size for each request, however slowly the bytes drip."""

import io
import socket
import time
from typing import Any


class TooMuchError(Exception):
    """A request is larger than allowed."""


class Incoming(io.RawIOBase):
    """Reads a connection; a socket's own timeout starts anew with every byte.

    Args:
        connection: Is read, not closed.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = 0.0
        self._room = 0

    def begin(self, seconds: float, size: int) -> None:
        """Give the next request this long, and so many bytes."""
        self._until = time.monotonic() + seconds
        self._room = size

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there; raises socket.timeout past the deadline and TooMuchError past the size."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("the request takes too long")
        if self._room <= 0:
            raise TooMuchError()
        self._connection.settimeout(left)
        count = self._connection.recv_into(memoryview(buffer)[: self._room])
        self._room -= count
        return count
