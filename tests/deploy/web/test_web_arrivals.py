"""Who is let in while hundreds are at the door; and what lies inside a request is never taken for another one."""

import contextlib
import http.client
import json
import re
import select
import socket
import threading
import time

import pytest
from web_session import BEARER, TOKEN

from deploy.settings import WebSettings
from deploy.web import WebServer, access, arrivals
from deploy.web import server as server_module

DEADLINE_S = 20
GOOD = "GET /api/people HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n".format(TOKEN).encode("ascii")


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), DEADLINE_S)


def everything(connection):
    received = b""
    with contextlib.suppress(ConnectionError):
        while True:
            part = connection.recv(1 << 16)
            if not part:
                break
            received += part
    return received


def raw(server, data):
    """Send bytes and the end of sending; return all that comes back."""
    with connect(server) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return everything(connection)


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def good(server):
    """Return the status of a good request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/api/people", headers=BEARER)
        return connection.getresponse().status
    finally:
        connection.close()


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and not condition():
        time.sleep(0.01)
    assert condition()


class Crowd(threading.Thread):
    """Keeps connections open that send what it is given, and opens each anew that was closed; from the good one's address."""

    def __init__(self, port, count, data):
        super(Crowd, self).__init__(daemon=True)
        self.port, self.count, self.data = port, count, data
        self.opened = 0
        self._stop_asked = threading.Event()

    def run(self):
        crowd = []
        while not self._stop_asked.is_set():
            while len(crowd) < self.count:
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", self.port))
                crowd.append(connection)
                self.opened += 1
            ready, writable, _ = select.select(crowd, crowd, [], 0.01)
            for connection in writable:
                with contextlib.suppress(OSError):
                    connection.send(self.data)
            for connection in ready:
                with contextlib.suppress(OSError):
                    if connection.recv(1 << 12):
                        continue
                connection.close()
                crowd.remove(connection)
            time.sleep(0.01)
        for connection in crowd:
            connection.close()

    def end(self):
        self._stop_asked.set()
        self.join(DEADLINE_S)


@pytest.mark.parametrize(
    "data",
    [b"", b"G", b"GET / HTTP/1.1\r\nX: y\r\n", b"GET /?token=wrong HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ids=["silent", "dripping", "half a head", "guessing"],
)
def test_good_requests_succeed_while_hundreds_renew_their_connections(server, data):
    crowd = Crowd(server.port, arrivals.STRANGERS + 100, data)
    crowd.start()
    try:
        wait_for(lambda: crowd.opened >= arrivals.STRANGERS + 100)
        assert [good(server) for _ in range(60)] == [200] * 60
        # And those who have a connection keep it.
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
        for _ in range(5):
            kept.request("GET", "/api/people", headers=BEARER)
            answer = kept.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            time.sleep(0.05)
        kept.close()
        assert server._server.arrivals.waiting <= arrivals.STRANGERS + arrivals.KNOWN + 1
    finally:
        crowd.end()


def test_they_cost_no_threads(server):
    before = threading.active_count()
    silent = [connect(server) for _ in range(100)]
    wait_for(lambda: server._server.arrivals.waiting >= 100)
    assert threading.active_count() == before
    for connection in silent:
        connection.close()
    wait_for(lambda: server._server.arrivals.waiting == 0)


def test_the_address_with_most_connections_gives_way(session, monkeypatch):
    monkeypatch.setattr(arrivals, "STRANGERS", 8)
    with WebServer(session, WebSettings(host="127.0.0.1", port=0), token=TOKEN) as server:

        def come(address):
            made = socket.socket()
            made.settimeout(DEADLINE_S)
            made.bind((address, 0))
            made.connect(("127.0.0.1", server.port))
            return made

        quiet = come("127.0.0.2")
        wait_for(lambda: server._server.arrivals.waiting == 1)
        crowd = [come("127.0.0.3") for _ in range(30)]
        wait_for(lambda: server._server.arrivals.waiting <= 8)
        quiet.sendall(GOOD)
        assert quiet.recv(1 << 12).startswith(b"HTTP/1.1 200 "), "the oldest, but not of the crowd"
        for connection in [quiet] + crowd:
            connection.close()


def test_who_has_no_token_waits_for_the_answer_without_holding_others_up(server, monkeypatch):
    monkeypatch.setattr(access, "DELAY_S", 2.0)
    wrong = b"GET /?token=wrong HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(access.WRONG):
        assert statuses(raw(server, wrong)) == [401]
    held = [connect(server) for _ in range(20)]
    for connection in held:
        connection.sendall(wrong)
    begun = time.monotonic()
    assert [good(server) for _ in range(10)] == [200] * 10
    assert time.monotonic() - begun < 1.5
    assert statuses(everything(held[0])) == [401]
    for connection in held:
        connection.close()


def test_allowed_requests_have_places_too(session):
    gate = threading.Event()
    session.people = lambda: gate.wait(DEADLINE_S) and []
    with WebServer(session, WebSettings(port=0), token=TOKEN, max_clients=1) as server:
        busy = [connect(server) for _ in range(2 + server_module.OTHERS)]
        for connection in busy:
            connection.sendall(GOOD)
        wait_for(lambda: len(server._server._open) == len(busy))
        answer = raw(server, GOOD)
        assert statuses(answer) == [503]
        head, _, body = answer.partition(b"\r\n\r\n")
        assert "Content-Length: {}".format(len(body)).encode("ascii") in head
        gate.set()
        for connection in busy:
            assert connection.recv(1 << 12).startswith(b"HTTP/1.1 200 ")
            connection.close()
        assert good(server) == 200


def test_more_connections_than_files_can_be_open(session, monkeypatch):
    resource = pytest.importorskip("resource")
    with WebServer(session, WebSettings(port=0), token=TOKEN) as server:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        strangers = [connect(server) for _ in range(20)]
        wait_for(lambda: server._server.arrivals.waiting == 20)
        real = server._server._listener

        class Full(object):
            refused = 0

            def accept(self):
                if self.refused < 3:
                    self.refused += 1
                    raise OSError(24, "Too many open files")
                return real.accept()

        server._server.arrivals._listener = Full()
        assert good(server) == 200
        assert limits == resource.getrlimit(resource.RLIMIT_NOFILE)
        wait_for(lambda: server._server.arrivals.waiting == 17)
        for connection in strangers:
            connection.close()


# ---- one request, read in one way


def command(length="{}", more="", body=b'{"name": "Park"}', method="POST", path="/api/delete"):
    head = "{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{}{}\r\n"
    length = "Content-Length: {}\r\n".format(length.format(len(body))) if length is not None else ""
    return head.format(method, path, TOKEN, length, more).encode("latin-1") + body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/api/people", "/", "/nowhere", "/picture.jpg"])
def test_a_body_is_never_the_next_request(server, session, method, path):
    answer = raw(server, command(method=method, path=path, body=command()))
    assert len(statuses(answer)) == 1
    assert statuses(answer)[0] in (400, 404, 405)
    assert b"Connection: close" in answer
    assert session.calls == []


@pytest.mark.parametrize(
    ("length", "more", "status"),
    [
        ("{}", "Content-Length: 0\r\n", 400), ("{}", "Content-Length: {}\r\n", 400), ("0", "Content-Length: 16\r\n", 400),
        ("{}", "Transfer-Encoding: chunked\r\n", 400), ("0", "Transfer-Encoding: chunked\r\n", 400),
        ("{}", "Transfer-Encoding: identity\r\n", 400), ("{}", "transfer-encoding:\tx\r\n", 400),
        (None, "Transfer-Encoding: chunked\r\n", 411), (None, "Transfer-Encoding: \r\n", 411), ("-16", "", 411),
        ("+16", "", 411), ("0x10", "", 411), ("1_6", "", 411), ("16, 16", "", 411), ("16 16", "", 411), ("16\x00", "", 400),
        ("\xb2", "", 411), ("", "", 411), (None, "", 411), ("{}", " folded\r\n", 400), ("{}", "X: y\r\n\tfolded\r\n", 400),
        ("{}", "X : y\r\n", 400), ("{}", "X\r\n", 400), ("{}", ": y\r\n", 400), ("{}", "X: \x00\r\n", 400),
        ("{}", "X: y\nTransfer-Encoding: chunked\r\n", 400), ("{}", "X: y\rZ: z\r\n", 400), ("{}", "X\x0b: y\r\n", 400),
        ("{}", "Host: localhost\r\n", 400), ("{}", "Authorization: Bearer x\r\n", 400), ("{}", "Expect: 200-ok\r\n", 417),
        ("99999", "", 413), ("9" * 400, "", 413),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_ends(server, session, length, more, status):
    answer = raw(server, command(length, more) + command())
    assert statuses(answer) == [status]
    assert b"Connection: close" in answer
    body = answer.partition(b"\r\n\r\n")[2]
    assert list(json.loads(body.decode("utf-8"))) == ["error"]
    assert session.calls == []


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET http://localhost/api/people HTTP/1.1", 400), (b"GET http://evil/ HTTP/1.1", 400), (b"GET * HTTP/1.1", 400),
        (b"OPTIONS * HTTP/1.1", 400), (b"CONNECT localhost:80 HTTP/1.1", 400), (b"GET  /api/people HTTP/1.1", 400),
        (b"GET\t/api/people\tHTTP/1.1", 400), (b" GET /api/people HTTP/1.1", 400), (b"GET /api/people HTTP/1.1 ", 400),
        (b"GET /api/people", 400), (b"GET /api/people HTTP/1.1x", 400), (b"GET /api/people http/1.1", 400),
        (b"GET /api\x00/people HTTP/1.1", 400), (b"GET /api/\xec\x9d\xb4 HTTP/1.1", 400), (b"G\x00T /api/people HTTP/1.1", 400),
        (b"GET /api/people HTTP/2.0", 505), (b"GET /api/people HTTP/0.9", 505), (b"GET /api/people HTTP/1.10", 400),
        (b"GET /a\x1b[31m HTTP/1.1", 400), (b"", 400),
    ],
)  # fmt: skip
def test_request_lines_that_are_none(server, line, status):
    answer = raw(server, b"\r\n" + line + GOOD[GOOD.index(b"\r\n") :] + GOOD)
    assert statuses(answer) == [status]
    assert answer.endswith(b"\n")


@pytest.mark.parametrize("data", [GOOD.replace(b"\r\n", b"\n"), GOOD[:-2] + b"\n", GOOD.replace(b"\r\n", b"\n", 1)])
def test_bare_line_feeds_are_refused_at_once(server, data):
    with connect(server) as connection:
        connection.sendall(data)
        begun = time.monotonic()
        assert statuses(everything(connection)) == [400]
        assert time.monotonic() - begun < arrivals.HEAD_S - 1


def test_requests_may_follow_one_another_without_waiting(server, session):
    body = command()
    answer = raw(server, GOOD + b"\r\n" + body + body.replace(b"Park", b"Pork") + GOOD)
    assert statuses(answer) == [200, 200, 409, 200]
    assert session.calls == [("delete", "Park"), ("delete", "Pork")]
    # What is not allowed ends it: what comes behind is not looked at.
    del session.calls[:]
    session.names["Park"] = 1
    assert statuses(raw(server, GOOD + command(path="/nowhere") + command())) == [200, 404]
    assert session.calls == []


def test_requests_come_in_pieces(server, session):
    with connect(server) as connection:
        for sign in GOOD + command():
            connection.sendall(bytes([sign]))
        connection.shutdown(socket.SHUT_WR)
        assert statuses(everything(connection)) == [200, 200]


def test_http_1_0_ends_with_its_answer(server):
    for more in (b"", b"Connection: keep-alive\r\n"):
        data = GOOD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n")
        answer = raw(server, data + GOOD)
        assert statuses(answer) == [200]
        assert b"Connection: close" in answer


def test_connection_close_is_heeded(server):
    answer = raw(server, GOOD.replace(b"\r\n\r\n", b"\r\nConnection: x, Close\r\n\r\n") + GOOD)
    assert statuses(answer) == [200]


def test_who_waits_for_a_word_before_the_body_gets_it(server, session):
    data = command(more="Expect: 100-continue\r\n")
    head, body = data[: data.index(b"\r\n\r\n") + 4], data[data.index(b"\r\n\r\n") + 4 :]
    with connect(server) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1 << 12).startswith(b"HTTP/1.1 200 ")
    # And no word where the answer is no already.
    for path, status in (("/api/status", 405), ("/nowhere", 404)):
        with connect(server) as connection:
            connection.sendall(head.replace(b"/api/delete", path.encode("ascii")))
            assert statuses(everything(connection)) == [status]
    with connect(server) as connection:
        connection.sendall(head.replace(TOKEN.encode("ascii"), b"wrong"))
        assert statuses(everything(connection)) == [401]


def test_what_a_refusal_repeats_moves_no_cursor(server, session):
    data = command(body=json.dumps({"name": "\x1b[2J\u202e\ud800x"}).encode("ascii"))
    body = json.loads(raw(server, data).partition(b"\r\n\r\n")[2].decode("utf-8"))
    assert body["error"].isprintable()
    data = command(body=json.dumps({"name": "\x1b[2J\u202ex"}).encode("ascii"))
    body = json.loads(raw(server, data).partition(b"\r\n\r\n")[2].decode("utf-8"))
    assert "\\x1b[2J\\u202ex" in body["error"]
    assert body["error"].isprintable()


def test_a_defect_of_one_connection_is_not_the_pages_end(server, monkeypatch, caplog):
    with monkeypatch.context() as patched:
        patched.setattr(server._server.access, "knows_host", lambda host: 1 // 0)
        assert raw(server, GOOD) == b""
    assert "ZeroDivisionError" in caplog.text
    assert good(server) == 200
