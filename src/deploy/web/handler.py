"""One request that has arrived and is allowed: what it asks for, whether that can be, and the answer."""

import json
import logging
import socket
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple

from deploy.web import access, answers
from deploy.web.api import RequestError
from deploy.web.feed import feed
from deploy.web.pictures import BOUNDARY, stream
from deploy.web.request import RefusedError, Request
from kface.errors import KFaceError

if TYPE_CHECKING:
    from deploy.web.server import Places, Server

LOGGER = logging.getLogger(__name__)
ACCESS_LOGGER = logging.getLogger("deploy.web.access")

#: Seconds for a client to take what it is sent.
SEND_S = 10.0
#: Bytes of the largest body.
BODY_BYTES = 1 << 14
_NO_TOKEN = "token required: open /?token=TOKEN (kface deploy printed the token or its file); after a link, reload"
_NOT_RIGHT = "wrong token: kface deploy printed the token or its file"


def admit(server: "Server", request: Request, address: str) -> None:
    """Judge a request before its body is read, and before it costs a thread.

    A token in the address becomes a session and leaves it.

    Raises:
        RefusedError: It is not allowed, not possible, or answered by that.
    """
    judge = server.access
    if not judge.knows_host(request.headers.get("host")):
        raise RefusedError(421, "wrong host: use the address that kface deploy printed")
    given = request.parameter("token") if request.path == "/" else None
    found = judge.judge(request.headers) if given is None else judge.judge_token(given)
    if found != access.RIGHT:
        line = _NO_TOKEN if found == access.NO_TOKEN else _NOT_RIGHT
        refused = RefusedError(401, line, ("WWW-Authenticate", "Bearer"))
        if found == access.NOT_RIGHT:
            refused.delay = judge.delay(address, request.headers)
        raise refused
    if given is not None:
        raise RefusedError(303, "continue at /", ("Location", "/"), ("Set-Cookie", judge.cookie))
    methods = methods_of(server, request.path)
    if not methods:
        raise RefusedError(404, "not found")
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise RefusedError(405, "this page accepts {} only".format(allowed), ("Allow", allowed))
    if request.method == "POST":
        _admit_command(request)
    elif request.length:
        # Not ignored: what is not read would be the next request.
        raise RefusedError(400, "this page accepts no body")


def methods_of(server: "Server", path: str) -> List[str]:
    """Return the methods that a path takes, sorted."""
    name = path[len("/api/") :] if path.startswith("/api/") else ""
    if path in server.page or path in _PAGES or name in server.api.questions:
        return ["GET", "HEAD"]
    return ["POST"] if name in server.api.commands else []


def _admit_command(request: Request) -> None:
    """Take commands from our own pages or from a program, never from another site's page."""
    if access.from_elsewhere(request.headers) or not access.same_origin(
        request.headers.get("origin"), request.headers.get("host", "")
    ):
        raise RefusedError(403, "commands are accepted from this page only")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "commands must be application/json")
    if "content-length" not in request.headers:
        raise RefusedError(411, "commands must have a Content-Length")
    if request.length > BODY_BYTES:
        raise RefusedError(413, "a command may have at most {} bytes".format(BODY_BYTES))


def read_command(body: bytes) -> Mapping[str, Any]:
    """Return a command's JSON.

    Raises:
        RefusedError: It is not a JSON object.
    """
    try:
        value = json.loads(body.decode("utf-8"))
    # RecursionError: a body of brackets alone; ValueError: also a whole number of thousands of digits.
    except (ValueError, RecursionError):
        raise RefusedError(400, "the command is not valid JSON")
    if not isinstance(value, dict):
        raise RefusedError(400, "the command must be a JSON object")
    return value


class Handler(object):
    """Answers one request.

    Args:
        server: What all requests share.
        connection: The client's.
        address: Likewise.
        request: Allowed.
        body: Of its length.
    """

    def __init__(
        self, server: "Server", connection: socket.socket, address: str, request: Request, body: bytes = b""
    ) -> None:
        self._server = server
        self._connection = connection
        self._address = address
        self._request = request
        self._body = body
        self._status = 0

    def run(self) -> bool:
        """Answer; whatever goes wrong is one line for the client. Returns whether the connection can be used again."""
        request = self._request
        try:
            self._dispatch()
        except RefusedError as refused:
            self._refuse(refused)
        except KFaceError as error:
            self._refuse(RefusedError(400 if isinstance(error, RequestError) else 409, str(error)))
        except OSError:
            # The client is gone, or too slow to take the answer.
            request.close = True
        except Exception as error:
            LOGGER.exception("%s %s failed", request.method, ascii(request.path))
            self._refuse(RefusedError(500, "internal error ({}); see the log".format(type(error).__name__)))
        if self._status:
            note(self._address, request, self._status)
        return not request.close

    def _dispatch(self) -> None:
        server, path = self._server, self._request.path
        if path in server.page:
            content_type, data = server.page[path]
            self._answer(200, content_type, data)
        elif path in _PAGES:
            _PAGES[path](self)
        else:
            name = path[len("/api/") :]
            if name in server.api.questions:
                self._json(server.api.questions[name]())
            else:
                self._json(server.api.commands[name](read_command(self._body)))

    def _json(self, value: object) -> None:
        # A surrogate, which UTF-8 has not, becomes \udXXX: that is JSON.
        data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"
        self._answer(200, "application/json", data)

    def _picture(self) -> None:
        found = self._server.pictures.newest()
        if found is None:
            raise RefusedError(503, "no picture yet")
        self._answer(200, "image/jpeg", found.jpeg, [("X-Kface-Live", str(int(found.live)))])

    def _stream(self) -> None:
        server, kind = self._server, "multipart/x-mixed-replace; boundary=" + BOUNDARY
        plain = self._request.parameter("labels") == "none"
        self._endless(
            kind, server.watching, lambda: stream(server.pictures, self._connection, self._write, server.closing, plain)
        )

    def _events(self) -> None:
        after = self._request.headers.get("last-event-id") or self._request.parameter("after")
        server = self._server
        self._endless(
            "text/event-stream",
            server.listening,
            lambda: feed(server.api, self._connection, self._write, server.epoch, after, server.closing),
        )

    def _endless(self, kind: str, places: "Places", run: Callable[[], None]) -> None:
        """Answer with a stream, as long as there is a place."""
        self._request.close = True
        head = [("Content-Type", kind), ("Connection", "close")]
        if self._request.method == "HEAD":
            self._send_head(200, head)
            return
        if not places.take():
            line = "{} viewers are connected, which is the limit: close one".format(places.count)
            raise RefusedError(503, line, ("Retry-After", "10"))
        try:
            self._send_head(200, head)
            run()
        except KFaceError as error:
            # The head has been sent: the page connects again and asks for the reason.
            LOGGER.warning("%s", error)
        finally:
            places.leave()

    def _refuse(self, refused: RefusedError) -> None:
        # The head of a stream has been sent already where a status is known.
        if self._status:
            self._request.close = True
            return
        self._status = refused.status
        try:
            self._write(answers.refusal(self._request, refused))
        except OSError:
            self._request.close = True

    def _answer(self, status: int, kind: str, data: bytes, headers: Optional[List[Tuple[str, str]]] = None) -> None:
        self._status = status
        self._write(answers.whole(self._request, status, kind, data, headers))

    def _send_head(self, status: int, headers: List[Tuple[str, str]]) -> None:
        self._status = status
        self._write(answers.head(status, headers))

    def _write(self, data: bytes) -> None:
        # The time is for all of it: a client that takes a byte a second does not get it again with each.
        self._connection.settimeout(SEND_S)
        self._connection.sendall(data)


_PAGES: Dict[str, Callable[[Handler], None]] = {
    "/stream.mjpg": Handler._stream,
    "/events": Handler._events,
    "/picture.jpg": Handler._picture,
}


def note(address: str, request: Request, status: int) -> None:
    """Log an answer; never a query, which may hold the token."""
    ACCESS_LOGGER.info("%s %s %s %d", address, request.method, ascii(request.path)[1:-1], status)
