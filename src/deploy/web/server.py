"""The page's server: threads, places, and an end that leaves none of them behind."""

import contextlib
import ipaddress
import logging
import secrets
import socket
import socketserver
import threading
import time
from http.server import HTTPServer
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Set, Tuple
from urllib.parse import quote

from deploy.settings import WebSettings
from deploy.web.access import Access
from deploy.web.api import Api
from deploy.web.handler import Handler
from deploy.web.pictures import Pictures
from deploy.web.token import check_token, find_token
from kface.errors import ConfigError

LOGGER = logging.getLogger(__name__)

#: The page's files, by ending.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
#: Connections besides those that watch and listen.
OTHERS = 32
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 35\r\nConnection: close\r\n\r\n"
    b"too many connections: close others\n"
)


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
        session: Any,
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
            where = "{}:{}".format(settings.host, settings.port)
            reason = getattr(error, "strerror", None) or error
            raise ConfigError("the page cannot be there ({})".format(reason), where, "choose another web.port, or 0")
        self._token, self._server = token, server
        if not is_loopback(settings.host):
            LOGGER.warning(
                "the page on %s is open to other machines and its traffic is not encrypted; better leave web.host at "
                "127.0.0.1 and use ssh -L %d:127.0.0.1:%d, or a reverse proxy with TLS",
                settings.host,
                server.port,
                server.port,
            )
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="kface-web", daemon=True)
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
        server.shutdown()
        server.end()
        server.server_close()
        if self._thread is not None:
            self._thread.join(5)

    def __enter__(self) -> "WebServer":
        return self.start()

    def __exit__(self, *_: Any) -> None:
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


class Server(socketserver.ThreadingMixIn, HTTPServer):
    """What the handlers share."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, session: Any, settings: WebSettings, token: str, names: Sequence[str], max_clients: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        super(Server, self).__init__((settings.host, settings.port), Handler)
        self.port = int(self.server_address[1])
        hosts = LOOPBACK_NAMES + tuple(names) if is_loopback(settings.host) else None
        self.access = Access(token, self.port, hosts)
        self.closing = threading.Event()
        self.api = Api(session)
        self.pictures = Pictures(session, settings.fps, settings.quality, self.closing)
        self.page = read_page()
        self.epoch = secrets.token_hex(4)
        self.watching, self.listening = Places(max_clients), Places(max_clients)
        self._open: Set[Any] = set()
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind without asking the name service for our own name, which takes seconds on a board without one."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless there are too many."""
        with self._lock:
            full = len(self._open) >= self.watching.count + self.listening.count + OTHERS
            if not full:
                self._open.add(request)
        if full:
            request.settimeout(0.5)
            with contextlib.suppress(OSError):
                request.sendall(_FULL)
            self.shutdown_request(request)
            return
        super(Server, self).process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and have its place back."""
        super(Server, self).shutdown_request(request)
        with self._lock:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what the handler could not answer for; the base class prints a traceback."""
        LOGGER.exception("a connection from %s failed", client_address[0])

    def end(self, timeout: float = 5.0) -> None:
        """Wake all handlers up and wait until they are gone."""
        self.closing.set()
        deadline = time.monotonic() + timeout
        with self._lock:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)
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
    """Return the address by which other machines reach this one; its name where there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only makes the system choose.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
