"""The connection between the hosts of one training: they agree before it, wait for each other, and end together.

JAX's own service reports the loss of a host by aborting the process, after a minute and with pages of its log, and a collective
operation on GPUs waits for ever. A TCP connection between each host and the first is closed by the operating system in the
moment in which a process ends, however it ends; so that is what is watched. Messages are lines of JSON. They are not
authenticated, as JAX's are not: train in a network that strangers do not reach.
"""

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kface.errors import ConfigError, TrainingError
from train.hosts.settings import HostsSettings
from train.registry import Json

#: Version of the messages.
PROTOCOL = 1
#: Bytes of the longest message.
LONGEST = 4 << 20
#: Seconds between two attempts to connect.
AGAIN = 0.25
#: Seconds without an answer after which the other machine counts as gone.
KEEPALIVE = (10, 5, 4)

Lost = Callable[[str], None]


class _Peer:
    """A connected host: messages from it are put into a queue by a thread, so that its end is noticed at once."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.name = name
        self.connection = connection
        self.received: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.lines = connection.makefile("rb")
        self._sending = threading.Lock()
        connection.settimeout(None)
        _keep_alive(connection)

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        # A host that is gone is reported where it is read.
        with self._sending, contextlib.suppress(OSError):
            self.connection.sendall(data)

    def read(self) -> dict[str, Any] | None:
        """Return the next message, or None where the connection has ended."""
        try:
            line = self.lines.readline(LONGEST)
            message = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            # Ends what a thread reads.
            self.connection.shutdown(socket.SHUT_RDWR)
        self.lines.close()
        self.connection.close()


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), KEEPALIVE, strict=True):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Link:
    """The connection of one host to the others, through the first.

    Args:
        settings: Resolved, of several hosts.
        lost: Called from a thread, once, with one line, where another host has ended or reports an error.

    Attributes:
        service: ``HOST:PORT`` for JAX's own service, chosen by the first host.

    Raises:
        ConfigError: The address cannot be listened on, or the hosts were started with different counts or the same index.
        TrainingError: The others were not there in time.
    """

    def __init__(self, settings: HostsSettings, lost: Lost) -> None:
        self.index = settings.index
        self.count = settings.count
        self._lost = lost
        self._peers: dict[int, _Peer] = {}
        self._closing = threading.Event()
        self._line: str | None = None
        self._reported = threading.Lock()
        self.service = self._listen(settings) if self.index == 0 else self._connect(settings)
        for index, peer in self._peers.items():
            threading.Thread(target=self._watch, args=(index, peer), name=f"host-{index}", daemon=True).start()

    def _listen(self, settings: HostsSettings) -> str:
        host, port = settings.address()
        until = time.monotonic() + settings.timeout
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            server = socket.create_server(("" if family == socket.AF_INET else "::", port), family=family)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on port {port}: {error.strerror or error}", "hosts.coordinator", "choose another port"
            )
        with server:
            while len(self._peers) < self.count - 1:
                server.settimeout(max(0.01, until - time.monotonic()))
                try:
                    connection, _ = server.accept()
                except OSError:
                    self._refuse_all(self._absent(settings.timeout))
                connection.settimeout(max(0.01, min(10.0, until - time.monotonic())))
                self._greet(connection)
        name = f"[{host}]" if ":" in host else host
        service = f"{name}:{_free_port()}"
        for peer in self._peers.values():
            peer.send({"service": service})
        return service

    def _greet(self, connection: socket.socket) -> None:
        """Add a host; one that speaks something else, such as a port scan, is dropped."""
        lines = connection.makefile("rb")
        try:
            hello = json.loads(lines.readline(1000))
            if hello.get("kface") != PROTOCOL:
                raise ValueError(hello)
            index, count = int(hello["index"]), int(hello["count"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            lines.close()
            connection.close()
            return
        lines.close()
        peer = _Peer(connection, f"host {index}")
        if count != self.count:
            self._peers[-1] = peer
            self._refuse_all(
                ConfigError(
                    f"is {self.count} on host 0 and {count} on host {index}", "hosts.count", "start all with the same"
                )
            )
        if index in self._peers or not 0 < index < self.count:
            self._peers[-1] = peer
            self._refuse_all(
                ConfigError(f"two hosts have index {index}", "hosts.index", "number them from 0 to hosts.count - 1")
            )
        self._peers[index] = peer

    def _absent(self, timeout: float) -> TrainingError:
        absent = [str(index) for index in range(1, self.count) if index not in self._peers]
        return TrainingError(
            f"{'host' if len(absent) == 1 else 'hosts'} {', '.join(absent[:8])} of {self.count} did not connect "
            f"within {timeout:g} s",
            "hosts",
            "start the same command on each with its own hosts.index",
        )

    def _refuse_all(self, error: ConfigError | TrainingError) -> None:
        for peer in self._peers.values():
            peer.send({"error": [error.what, error.where, error.remedy]})
            peer.close()
        raise error

    def _connect(self, settings: HostsSettings) -> str:
        address = settings.address()
        until = time.monotonic() + settings.timeout
        while True:
            try:
                connection = socket.create_connection(address, timeout=max(0.01, until - time.monotonic()))
                break
            except OSError as error:
                if time.monotonic() + AGAIN >= until:
                    raise TrainingError(
                        f"cannot be reached within {settings.timeout:g} s ({error.strerror or error})",
                        f"hosts.coordinator {settings.coordinator}",
                        "start host 0, and check address and port",
                    )
                time.sleep(AGAIN)
        peer = _Peer(connection, "host 0")
        peer.send({"kface": PROTOCOL, "index": self.index, "count": self.count})
        connection.settimeout(max(0.01, until - time.monotonic()) + AGAIN)
        answer = peer.read()
        connection.settimeout(None)
        if answer is not None and "error" in answer:
            peer.close()
            raise ConfigError(*answer["error"])
        if answer is None or "service" not in answer:
            peer.close()
            raise TrainingError(
                "closed the connection, or some of the other hosts did not connect in time",
                f"hosts.coordinator {settings.coordinator}",
                "see the lines of host 0",
            )
        self._peers[0] = peer
        return str(answer["service"])

    def _watch(self, index: int, peer: _Peer) -> None:
        while True:
            message = peer.read()
            if message is None or "ended" in message:
                self._line = self._line or (f"host {index} has ended" if message is None else str(message["ended"]))
                # This host may be waiting for another one, which waits as well.
                for one in list(self._peers.values()):
                    one.received.put(None)
                if not self._closing.is_set():
                    self._report(self._line, index)
                return
            if message.get("done"):
                return
            peer.received.put(message)

    def _report(self, line: str, index: int) -> None:
        if not self._reported.acquire(blocking=False):
            return
        for other, peer in self._peers.items():
            if other != index:
                peer.send({"ended": line})
        self._lost(line)

    def exchange(self, name: str, value: Json = None) -> list[Json]:
        """Wait until all hosts are at this place, and return the values that they gave, in their order.

        Args:
            name: Of the place; the hosts come to the same places in the same order.
            value: What the others shall know.

        Raises:
            TrainingError: Another host has ended, or is at another place.
        """
        values: list[Json] = [None] * self.count
        values[self.index] = value
        if self.index > 0:
            self._peers[0].send({"at": name, "value": value})
            answer = self._next(self._peers[0], name)
            return list(answer["values"])
        for index, peer in self._peers.items():
            values[index] = self._next(peer, name)["value"]
        for peer in self._peers.values():
            peer.send({"at": name, "values": values})
        return values

    def _next(self, peer: _Peer, name: str) -> dict[str, Any]:
        message = peer.received.get()
        if message is None:
            raise TrainingError(self._line or f"{peer.name} has ended", None, "see its own lines")
        if message.get("at") != name:
            raise TrainingError(
                f"is at {message.get('at')!r} where this host is at {name!r}",
                peer.name,
                "start the same version of the program on all hosts",
            )
        return message

    def end(self, line: str) -> None:
        """Tell the others why this host ends, and close."""
        self._closing.set()
        for peer in self._peers.values():
            peer.send({"ended": line})
            peer.close()

    def close(self) -> None:
        """Close at the regular end; call it on all hosts after the last :meth:`exchange`."""
        self._closing.set()
        for peer in self._peers.values():
            peer.send({"done": True})
        for peer in self._peers.values():
            peer.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def differing(values: Sequence[Json]) -> int | None:
    """Return the index of the first value that differs from the first one, or None."""
    return next((index for index, value in enumerate(values) if value != values[0]), None)
