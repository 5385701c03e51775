"""The page's server: threads and places for those who are allowed in, and an end that leaves none of them behind."""

import contextlib
import functools
import ipaddress
import logging
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Optional, Sequence, Set, Tuple
from urllib.parse import quote

from deploy.settings import WebSettings
from deploy.web.access import Access
from deploy.web.api import Api
from deploy.web.arrivals import Arrival, Arrivals, listen
from deploy.web.handler import Handler, admit, note
from deploy.web.pictures import Pictures
from deploy.web.token import check_token, find_token
from kface.errors import ConfigError

if TYPE_CHECKING:
    from deploy.session import Session

LOGGER = logging.getLogger(__name__)

#: The page's files, by ending.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
#: Requests at work besides the streams: of those who are allowed in; no one else gets a thread.
OTHERS = 32


class WebServer(object):
    """Serves a session's page.

    Args:
        session: See :class:`deploy.session.Session`; is not stopped with the server.
        settings: Host, port, pictures a second, JPEG quality, token file.
        token: The secret; :func:`find_token` where None.
        names: Host names by which a reverse proxy calls the page, besides those of the loopback.
        max_clients: Browsers that may watch at the same time.

    Attributes:
        settings: As given.

    Example:
        >>> with WebServer(session) as server:  # doctest: +SKIP
        ...     print(server.url)
        ...     session.wait()
    """

    def __init__(
        self,
        session: "Session",
        settings: Optional[WebSettings] = None,
        token: Optional[str] = None,
        names: Sequence[str] = (),
        max_clients: int = 8,
    ) -> None:
        self.settings = WebSettings() if settings is None else settings
        self._session = session
        self._token = token
        self._names = tuple(name.lower() for name in names)
        self._max_clients = max_clients
        self._server: Optional[Server] = None
        self._thread: Optional[threading.Thread] = None

    def start(self) -> "WebServer":
        """Listen, once; returns itself.

        Raises:
            ConfigError: The token cannot be used, or the address is taken or not this machine's.
        """
        if self._server is not None:
            return self
        settings = self.settings
        token = (
            find_token(settings.token_file, create=True) if self._token is None else check_token(self._token, "token")
        )
        try:
            server = Server(self._session, settings, token, self._names, self._max_clients)
        except (OSError, OverflowError) as error:
            reason = str(getattr(error, "strerror", None) or error)
            what = "cannot listen on {}:{}: {}".format(settings.host, settings.port, reason[:1].lower() + reason[1:])
            raise ConfigError(what, "page", "choose another web.port, or 0 for any free port")
        self._token, self._server = token, server
        if not is_loopback(settings.host):
            LOGGER.warning(
                "the page on %s is reachable from other machines without encryption; better leave web.host at "
                "127.0.0.1 and use ssh -L %d:127.0.0.1:%d, or a reverse proxy with TLS",
                settings.host,
                server.port,
                server.port,
            )
        self._thread = threading.Thread(target=server.run, name="kface-web", daemon=True)
        self._thread.start()
        return self

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._running().port

    @property
    def clients(self) -> int:
        """How many watch the picture now; 0 where the server does not run."""
        return 0 if self._server is None else self._server.watching.taken

    @property
    def url(self) -> str:
        """The address with the token, for the person who started the program only."""
        return "{}/?token={}".format(self.address, quote(self._token or "", safe=""))

    @property
    def address(self) -> str:
        """The address without the token."""
        host = self.settings.host
        if host in ("0.0.0.0", "::", ""):
            host = outward_address()
        return "http://{}:{}".format("[{}]".format(host) if ":" in host else host, self._running().port)

    def close(self) -> None:
        """End all connections and threads; may be called twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.end()
        if self._thread is not None:
            self._thread.join(5)

    def __enter__(self) -> "WebServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> "Server":
        if self._server is None:
            raise ConfigError("the page's server is not running", None, "start it")
        return self._server


class Places(object):
    """So many places for clients that stay. Safe to share between threads.

    Attributes:
        count: How many there are.
        taken: How many are taken.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place; returns False where there is none."""
        with self._lock:
            there = self.taken < self.count
            self.taken += there
            return there

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self.taken -= 1


class Server(object):
    """What the requests share, and the threads that answer them.

    Args:
        session: See :class:`WebServer`, as for the others.
        settings: See there.
        token: See there.
        names: See there.
        max_clients: See there.

    Raises:
        OSError: The address is taken, or not this machine's.
        OverflowError: The port does not exist.
    """

    def __init__(
        self, session: "Session", settings: WebSettings, token: str, names: Sequence[str], max_clients: int
    ) -> None:
        self._listener = listen(settings.host, settings.port)
        self.port = int(self._listener.getsockname()[1])
        hosts = LOOPBACK_NAMES + tuple(names) if is_loopback(settings.host) else None
        self.access = Access(token, self.port, hosts)
        self.closing = threading.Event()
        self.api = Api(session)
        self.pictures = Pictures(session, settings.fps, settings.quality, self.closing)
        self.page = read_page()
        self.epoch = secrets.token_hex(4)
        self.watching, self.listening = Places(max_clients), Places(max_clients)
        # Connections whose request is being answered.
        self._open: Set[socket.socket] = set()
        self._lock = threading.Lock()
        self.arrivals = Arrivals(self._listener, functools.partial(admit, self), self._serve, note)

    def run(self) -> None:
        """Work until :meth:`end`."""
        try:
            self.arrivals.run()
        finally:
            self._listener.close()

    def _serve(self, arrival: Arrival, body: bytes) -> bool:
        """Answer a request in a thread of its own; False where too many that are allowed are at work already."""
        with self._lock:
            if self.closing.is_set() or len(self._open) >= self.watching.count + self.listening.count + OTHERS:
                return False
            self._open.add(arrival.connection)
        threading.Thread(target=self._answer, args=(arrival, body), name="kface-web-answer", daemon=True).start()
        return True

    def _answer(self, arrival: Arrival, body: bytes) -> None:
        connection, again = arrival.connection, False
        try:
            again = Handler(self, connection, arrival.address, arrival.request, body).run()
        finally:
            with self._lock:
                self._open.discard(connection)
            if again:
                self.arrivals.take_back(connection, arrival.address, bytes(arrival.data))
            else:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                connection.close()

    def end(self, timeout: float = 5.0) -> None:
        """Wake all threads up and wait until they are gone."""
        self.closing.set()
        self.arrivals.end()
        deadline = time.monotonic() + timeout
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        while self._open and time.monotonic() < deadline:
            time.sleep(0.01)


def read_page() -> Dict[str, Tuple[str, bytes]]:
    """Return the page's files as path -> (content type, bytes); ``index.html`` is ``/``."""
    files = {}
    for path in sorted((Path(__file__).resolve().parent / "page").iterdir()):
        if path.suffix in TYPES:
            files["/" if path.name == "index.html" else "/" + path.name] = TYPES[path.suffix], path.read_bytes()
    return files


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def outward_address() -> str:
    """Return the address by which other machines reach this one; its name without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only makes the system choose.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
