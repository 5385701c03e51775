"""One connection of the page: what is asked, whether it is allowed, and one line where it is not."""

import http.client
import io
import json
import logging
import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import parse_qs

from deploy.web import access
from deploy.web.api import RequestError
from deploy.web.feed import feed
from deploy.web.incoming import Incoming, TooMuchError
from deploy.web.pictures import BOUNDARY, stream
from kface.errors import KFaceError

if TYPE_CHECKING:
    from deploy.web.server import Places, Server

LOGGER = logging.getLogger(__name__)
ACCESS_LOGGER = logging.getLogger("deploy.web.access")

#: For a request to arrive, the pause before it included; for a client to take what it is sent. Seconds.
REQUEST_S, SEND_S = 15.0, 10.0
#: Bytes of the largest request line, the largest head and the largest body.
LINE_BYTES, HEAD_BYTES, BODY_BYTES = 4096, 1 << 15, 1 << 14
#: The page loads nothing from anywhere else, runs nothing inline, and is shown in nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_NO_TOKEN = (
    "the page needs its token: open /?token=TOKEN (the program printed it, or where it is), or reload after a link"
)
_DENIED = {
    access.NO_TOKEN: (401, _NO_TOKEN),
    access.NOT_RIGHT: (401, "the token is another one: the program printed it, or where it is"),
    access.TOO_OFTEN: (429, "too many wrong tokens: wait for a minute"),
}


class RefusedError(Exception):
    """Ends a request with a status and one line."""

    def __init__(self, status: int, line: str, *headers: Tuple[str, str]) -> None:
        self.status = status
        self.line = line
        self.headers = list(headers)
        super(RefusedError, self).__init__(status, line)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def setup(self) -> None:
        """Read under a deadline and a size from here on."""
        super(Handler, self).setup()
        self.rfile.close()
        self._incoming = Incoming(self.connection)
        self.rfile = io.BufferedReader(self._incoming)
        self._unread = False

    def finish(self) -> None:
        """Let the answer arrive: closing while the client still sends would tear it away."""
        if self._unread:
            try:
                self.connection.shutdown(socket.SHUT_WR)
                self._incoming.begin(1.0, 1 << 22)
                while self.rfile.read(1 << 16):
                    pass
            except (OSError, TooMuchError):
                pass
        super(Handler, self).finish()

    def handle_one_request(self) -> None:
        """Read a request and answer it; whatever goes wrong is one line for the client."""
        self.close_connection = True
        self.command, self.path, self.requestline = "", "", ""
        self.raw_requestline = b""
        self._status = 0
        self._incoming.begin(REQUEST_S, HEAD_BYTES)
        try:
            try:
                self.raw_requestline = self.rfile.readline(LINE_BYTES + 1)
                if not self.raw_requestline:
                    return
                if len(self.raw_requestline) > LINE_BYTES:
                    raise RefusedError(414, "the request line is too long")
                if self.parse_request():
                    self._dispatch()
            except TooMuchError:
                raise RefusedError(431, "the request is too large")
            except socket.timeout:
                if not self.raw_requestline:
                    return
                raise RefusedError(408, "the request has not arrived in {:g} s".format(REQUEST_S))
        except RefusedError as refused:
            self._refuse(refused)
        except KFaceError as error:
            self._refuse(RefusedError(400 if isinstance(error, RequestError) else 409, str(error)))
        except OSError:
            # Gone, or too slow to take the answer: there is nobody to answer.
            self.close_connection = True
        except Exception as error:
            LOGGER.exception("%s %s failed", self.command, ascii(self.path.partition("?")[0]))
            self._refuse(
                RefusedError(500, "the program failed here ({}); its log says more".format(type(error).__name__))
            )
        if self._status:
            path = ascii(self.path.partition("?")[0])[1:-1]
            ACCESS_LOGGER.info("%s %s %s %d", self.client_address[0], self.command, path, self._status)

    def send_error(self, code: int, message: Optional[str] = None, explain: Optional[str] = None) -> None:
        """Answer what the base class could not read."""
        line = "this is no request that can be read" if code == 400 else http.client.responses.get(code, "refused")
        self._refuse(RefusedError(int(code), line))

    def _dispatch(self) -> None:
        self._unread = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        judge, path = self.server.access, self.path.partition("?")[0]
        host = self.headers.get("Host")
        if not judge.knows_host(host):
            raise RefusedError(421, "this is not the host that was asked for: use the address that the program printed")
        self._admit(path)
        actions = self._actions(path)
        method = "GET" if self.command == "HEAD" else self.command
        if not actions:
            raise RefusedError(404, "there is no such page")
        if method not in actions:
            allowed = ", ".join(sorted(set(actions) | ({"HEAD"} if "GET" in actions else set())))
            raise RefusedError(405, "this page takes {} only".format(allowed), ("Allow", allowed))
        actions[method]()

    def _admit(self, path: str) -> None:
        """Let the holder of the token or of a session pass; a token in the address becomes a session and leaves it."""
        judge, address = self.server.access, self.client_address[0]
        given = parse_qs(self.path.partition("?")[2]).get("token") if path == "/" else None
        found = judge.judge(self.headers, address) if given is None else judge.judge_token(given[0], address)
        if found != access.RIGHT:
            status, line = _DENIED[found]
            extra = ("WWW-Authenticate", "Bearer") if status == 401 else ("Retry-After", str(int(access.WRONG_S)))
            raise RefusedError(status, line, extra)
        if given is not None:
            raise RefusedError(303, "go on to /", ("Location", "/"), ("Set-Cookie", judge.cookie))

    def _actions(self, path: str) -> Dict[str, Any]:
        """Return what answers a path, by method."""
        server = self.server
        if path in server.page:
            content_type, data = server.page[path]
            return {"GET": lambda: self._answer(200, content_type, data)}
        streams = {"/stream.mjpg": self._stream, "/events": self._events, "/picture.jpg": self._picture}
        if path in streams:
            return {"GET": streams[path]}
        name = path[len("/api/") :] if path.startswith("/api/") else ""
        found = {}  # type: Dict[str, Any]
        if name in server.api.questions:
            found["GET"] = lambda: self._json(server.api.questions[name]())
        if name in server.api.commands:
            found["POST"] = lambda: self._json(server.api.commands[name](self._body()))
        return found

    def _body(self) -> Mapping[str, Any]:
        """Return a command's JSON, from our own pages or from a program, never from somebody else's page."""
        if not access.same_origin(self.headers.get("Origin"), self.headers.get("Host") or ""):
            raise RefusedError(403, "commands are taken from this page only")
        if (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(415, "commands must be application/json")
        length = self.headers.get("Content-Length") or ""
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            raise RefusedError(411, "commands must have a Content-Length")
        if len(length) > 9 or int(length) > BODY_BYTES:
            raise RefusedError(413, "a command must have at most {} bytes".format(BODY_BYTES))
        self._incoming.begin(REQUEST_S, BODY_BYTES)
        data = self.rfile.read(int(length))
        self._unread = False
        if len(data) < int(length):
            raise RefusedError(400, "the command is cut off")
        try:
            value = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            raise RefusedError(400, "the command is not JSON")
        if not isinstance(value, dict):
            raise RefusedError(400, "the command must be a JSON object")
        return value

    # ---- answers

    def _json(self, value: Any) -> None:
        data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
        self._answer(200, "application/json", data)

    def _picture(self) -> None:
        found = self.server.pictures.newest()
        if found is None:
            raise RefusedError(503, "there is no picture yet")
        self._answer(200, "image/jpeg", found.jpeg, [("X-Kface-Live", str(int(found.live)))])

    def _stream(self) -> None:
        kind = "multipart/x-mixed-replace; boundary=" + BOUNDARY
        self._endless(
            kind,
            self.server.watching,
            lambda: stream(self.server.pictures, self.connection, self._write, self.server.closing),
        )

    def _events(self) -> None:
        query = parse_qs(self.path.partition("?")[2])
        after = self.headers.get("Last-Event-ID") or query.get("after", [None])[0]
        server = self.server
        self._endless(
            "text/event-stream",
            server.listening,
            lambda: feed(server.api, self.connection, self._write, server.epoch, after, server.closing),
        )

    def _endless(self, kind: str, places: "Places", run: Any) -> None:
        """Answer with a stream, as long as there is a place."""
        self.close_connection = True
        head = [("Content-Type", kind), ("Connection", "close")]
        if self.command == "HEAD":
            self._head(200, head)
            return
        if not places.take():
            line = "{} others are watching, more are not allowed: close one".format(places.count)
            raise RefusedError(503, line, ("Retry-After", "10"))
        try:
            self._head(200, head)
            run()
        except KFaceError as error:
            # The head has been sent: the page connects again, and a question tells it the reason.
            LOGGER.warning("%s", error)
        finally:
            places.leave()

    def _refuse(self, refused: RefusedError) -> None:
        """Answer with one line: JSON where a program asked."""
        # The head of a stream has been sent already where a status is known.
        if self._status:
            self.close_connection = True
            return
        if self.path.startswith("/api/"):
            kind, text = "application/json", json.dumps({"error": refused.line}, ensure_ascii=False)
        else:
            kind, text = "text/plain; charset=utf-8", refused.line
        if refused.status >= 400 and (self._unread or refused.status in (400, 408, 414, 431, 505)):
            self.close_connection, self._unread = True, True
        try:
            self._answer(refused.status, kind, text.encode("utf-8", "backslashreplace") + b"\n", refused.headers)
        except OSError:
            self.close_connection = True

    def _answer(self, status: int, kind: str, data: bytes, headers: Optional[List[Tuple[str, str]]] = None) -> None:
        given = [("Content-Type", kind), ("Content-Length", str(len(data)))] + list(headers or [])
        if self.close_connection:
            given.append(("Connection", "close"))
        self._head(status, given, b"" if self.command == "HEAD" else data)

    def _head(self, status: int, headers: List[Tuple[str, str]], data: bytes = b"") -> None:
        lines = ["HTTP/1.1 {} {}".format(status, http.client.responses.get(status, "Refused"))]
        lines += ["{}: {}".format(*field) for field in [("Date", self.date_time_string())] + headers + list(HEADERS)]
        self._status = status
        self._write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + data)

    def _write(self, data: bytes) -> None:
        self.connection.settimeout(SEND_S)
        self.wfile.write(data)
