"""The page's server over real sockets: every refusal provoked, every command passed on."""

import http.client
import json
import logging
import os
import socket
import threading
import time

import numpy as np
import pytest
from web_session import BEARER, TOKEN

from deploy.settings import WebSettings
from deploy.web import WebServer, access, arrivals
from deploy.web import server as server_module
from kface.errors import ConfigError, KFaceError

JSON = dict(BEARER, **{"Content-Type": "application/json"})
DEADLINE_S = 20


def ask(server, method, path, body=None, headers=BEARER):
    """Return status, headers and body of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def command(server, name, value, headers=JSON):
    status, _, body = ask(server, "POST", "/api/" + name, json.dumps(value).encode("utf-8"), headers)
    return status, json.loads(body.decode("utf-8"))


def raw(server, data, end=True):
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while True:
            part = connection.recv(1 << 16)
            if not part:
                return received
            received += part


def line_of(body):
    text = body.decode("utf-8")
    assert text.count("\n") == 1, "not one line"
    assert "Traceback" not in text
    return text.strip()


# ---- getting in


def test_the_token_becomes_a_session_that_leaves_the_address(server):
    assert server.url == "http://127.0.0.1:{}/?token={}".format(server.port, TOKEN)
    status, headers, _ = ask(server, "GET", "/?token=" + TOKEN, headers={})
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert TOKEN not in cookie
    for flag in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert flag in cookie.split("; ")
    status, headers, body = ask(server, "GET", "/", headers={"Cookie": cookie.split(";")[0]})
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"<canvas" in body


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/stream.mjpg", "/events", "/api/status", "/nowhere", "/?token=", "/?x=1"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_everything_is_refused_in_one_line(server, session, method, path):
    status, headers, body = ask(server, method, path, headers={})
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    line = line_of(body)
    assert "token required: open /?token=TOKEN" in line
    assert path.startswith("/api/") == line.startswith('{"error": ')
    assert session.calls == []


def test_a_token_elsewhere_in_the_address_does_not_count(server):
    assert ask(server, "GET", "/app.js?token=" + TOKEN, headers={})[0] == 401


def test_guessing_is_slowed_down_and_the_right_token_is_never_refused(server, monkeypatch):
    monkeypatch.setattr(access, "DELAY_S", 0.7)
    for _ in range(access.WRONG):
        begun = time.monotonic()
        assert ask(server, "GET", "/?token=guess", headers={})[0] == 401
        assert time.monotonic() - begun < 0.6
    for path, headers in (("/?token=guess", {}), ("/api/status", {"Authorization": "Bearer guess"})):
        begun = time.monotonic()
        status, _, body = ask(server, "GET", path, headers=headers)
        assert (status, "wrong token" in line_of(body)) == (401, True)
        assert time.monotonic() - begun >= 0.7
        begun = time.monotonic()
        assert ask(server, "GET", "/?token=" + TOKEN, headers={})[0] == 303
        assert ask(server, "GET", "/api/status")[0] == 200
        assert time.monotonic() - begun < 0.6


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
    ],
)  # fmt: skip
def test_other_sites_pages_cannot_make_anybody_wait(server, monkeypatch, headers):
    monkeypatch.setattr(access, "DELAY_S", 5.0)
    begun = time.monotonic()
    for _ in range(12):
        assert ask(server, "GET", "/?token=x", headers=headers)[0] == 401
    assert ask(server, "GET", "/?token=x", headers={"Sec-Fetch-Site": "none"})[0] == 401
    assert ask(server, "GET", "/api/status", headers={"Authorization": "Bearer mistyped"})[0] == 401
    assert time.monotonic() - begun < 4
    # Somebody who follows a link of theirs has the token all the same.
    assert ask(server, "GET", "/?token=" + TOKEN, headers=headers)[0] == 303


def test_hosts_that_are_not_ours_are_refused(server):
    for host in ("evil.example", "127.0.0.1.evil.example:80"):
        status, _, body = ask(server, "GET", "/api/status", headers=dict(BEARER, Host=host))
        assert status == 421
        assert "wrong host" in line_of(body)
    for host in ("localhost:1234", "127.0.0.1", "[::1]:80", "cam.example"):
        assert ask(server, "GET", "/api/status", headers=dict(BEARER, Host=host))[0] == 200
    head = "GET / HTTP/1.1\r\nAuthorization: Bearer {}\r\n\r\n".format(TOKEN).encode("ascii")
    assert raw(server, head).startswith(b"HTTP/1.1 421 ")


def test_commands_of_other_pages_are_refused(server, session):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert command(server, "delete", {"name": "Park"}, dict(JSON, Origin=origin))[0] == 403
    assert session.calls == []
    origin = "http://127.0.0.1:{}".format(server.port)
    assert command(server, "delete", {"name": "Park"}, dict(JSON, Origin=origin)) == (200, {})
    assert session.calls == [("delete", "Park")]


def test_commands_must_be_json(server, session):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        status, _, body = ask(
            server, "POST", "/api/delete", b'{"name": "Park"}', dict(BEARER, **{"Content-Type": kind})
        )
        assert status == 415
        assert "application/json" in json.loads(line_of(body))["error"]
    assert session.calls == []
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert ask(server, "POST", "/api/delete", b'{"name": "Park"}', dict(BEARER, **kind))[0] == 200


# ---- what every answer has


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/style.css", "/api/status", "/picture.jpg", "/nowhere", "/?token=wrong"]
)
def test_every_answer_is_closed_to_others(server, path):
    _, headers, _ = ask(server, "GET", path)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Server"] is None
    assert headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("path", ["/", "/api/status", "/picture.jpg", "/stream.mjpg", "/events", "/nowhere"])
def test_head_is_get_without_a_body(server, path):
    status, headers, body = ask(server, "HEAD", path)
    assert body == b""
    assert status == (404 if path == "/nowhere" else 200)
    if path in ("/", "/nowhere"):
        assert headers["Content-Length"] == str(len(ask(server, "GET", path)[2]))
    assert server.clients == 0
    # The client's library leaves a body unread.
    head = "HEAD {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n"
    assert raw(server, head.format(path, TOKEN).encode("ascii")).endswith(b"\r\n\r\n")


def test_a_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    connection.request("GET", "/api/people", headers=BEARER)
    connection.getresponse().read()
    first = connection.sock
    assert first is not None
    connection.request("POST", "/api/threshold", b'{"value": 2}', JSON)
    assert connection.getresponse().read()
    connection.request("GET", "/api/people", headers=BEARER)
    assert connection.getresponse().status == 200
    assert connection.sock is first
    connection.close()


# ---- questions and commands


def test_questions(server, session):
    session.names["김민수"] = 1
    assert json.loads(ask(server, "GET", "/api/people")[2].decode("utf-8"))["people"] == [
        {"name": "Park", "templates": 2, "created": "2026-11-24T00:30:00Z"},
        {"name": "김민수", "templates": 1, "created": "2026-11-24T00:30:00Z"},
    ]
    status = json.loads(ask(server, "GET", "/api/status")[2].decode("utf-8"))
    assert (status["stream"], status["fps"], status["threshold"]) == ("live", 12.5, 0.4)
    faces = json.loads(ask(server, "GET", "/api/faces")[2].decode("utf-8"))
    assert faces["live"] is True
    assert faces["size"] == [640, 360]
    assert [face["track"] for face in faces["faces"]] == [1, 2]
    session.lose()
    status = json.loads(ask(server, "GET", "/api/status")[2].decode("utf-8"))
    assert (status["stream"], status["reason"], status["latency_p95_ms"]) == ("lost", "no frame for 3 s", None)
    assert json.loads(ask(server, "GET", "/api/faces")[2].decode("utf-8"))["faces"] == []


def test_a_face_is_picked_and_enrolled(server, session):
    status, picked = command(server, "pick", {"x": 135.5, "y": 150})
    assert status == 200
    assert picked["crop"].startswith("data:image/jpeg;base64,")
    assert (picked["track"], picked["name"], picked["refusals"]) == (1, "", [])
    enrolled = command(server, "enrol", {"id": picked["id"], "name": "김민수"})
    assert enrolled == (200, {"name": "김민수", "template": 7})
    assert session.calls == [("pick", 135.5, 150.0), ("enrol", picked["id"], "김민수", False)]
    assert command(server, "rename", {"name": "김민수", "new": "Kim"}) == (200, {})
    assert command(server, "threshold", {"value": 0.5}) == (200, {"threshold": 0.5})
    assert sorted(session.names) == ["Kim", "Park"]


def test_the_quality_gate_is_the_sessions(server, session):
    picked = command(server, "pick", {"track": 2})[1]
    assert picked["refusals"] == ["size 40 (at least 60 pixels)"]
    status, answer = command(server, "enrol", {"id": picked["id"], "name": "Lee"})
    assert status == 409
    assert "not good enough to enrol: size 40" in answer["error"]
    assert command(server, "enrol", {"id": picked["id"], "name": "Lee", "force": True})[0] == 200


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("pick", {}, "x: is missing"), ("pick", {"x": 1}, "y: is missing"), ("pick", {"x": "1", "y": 1}, "x: must be a number"),
        ("pick", {"x": True, "y": 1}, "x: must be a number"), ("pick", {"x": 1e300, "y": 1}, "x: must be a number"),
        ("pick", {"x": float("nan"), "y": 1}, "x: must be a number"), ("pick", {"x": 1, "y": 1, "z": 1}, "unknown field"),
        ("pick", {"track": 1.5}, "track: must be a whole number"), ("pick", {"track": True}, "track: must be a whole number"),
        ("pick", {"track": 1, "x": 1}, "unknown field"), ("enrol", {"id": "c1"}, "name: is missing"),
        ("enrol", {"id": 1, "name": "x"}, "id: must be a string"),
        ("enrol", {"id": "c", "name": "x", "force": 1}, "true or false"),
        ("enrol", {"id": "c", "name": "\ud800"}, "not valid text"), ("rename", {"name": "x"}, "new: is missing"),
        ("delete", {"name": ["Park"]}, "name: must be a string"), ("delete", {"name": None}, "name: must be a string"),
        ("threshold", {"value": None}, "value: must be a number"), ("delete", ["Park"], "must be a JSON object"),
        ("delete", "Park", "must be a JSON object"),
    ],
)  # fmt: skip
def test_commands_that_cannot_be_are_refused_with_the_field(server, session, name, value, line):
    status, answer = command(server, name, value)
    assert status == 400
    assert line in answer["error"]
    assert session.calls == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("pick", {"x": 1, "y": 1}, "no face at this point"), ("pick", {"track": 77}, "is not in view"),
        ("enrol", {"id": "c9", "name": "x"}, "no longer available"), ("rename", {"name": "x", "new": "y"}, "no such person"),
        ("delete", {"name": "x"}, "no such person"), ("threshold", {"value": 7}, "must be a cosine"),
    ],
)  # fmt: skip
def test_what_the_session_refuses_comes_with_its_line(server, name, value, line):
    status, answer = command(server, name, value)
    assert status == 409
    assert line in answer["error"]


def test_a_defect_is_one_line_here_and_a_traceback_in_the_log(server, session, caplog):
    session.broken = ZeroDivisionError("secret detail")
    status, answer = command(server, "delete", {"name": "Park"})
    assert (status, "ZeroDivisionError" in answer["error"], "secret" in answer["error"]) == (500, True, False)
    assert "secret detail" in caplog.text
    assert command(server, "delete", {"name": "Park"})[0] == 200


# ---- bad requests


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/", "GET, HEAD"), ("PUT", "/api/delete", "POST"), ("GET", "/api/delete", "POST"),
     ("DELETE", "/events", "GET, HEAD"),
     ("OPTIONS", "/api/pick", "POST"), ("TRACE", "/", "GET, HEAD"), ("BREW", "/api/status", "GET, HEAD")],
)  # fmt: skip
def test_methods_that_a_page_does_not_take(server, method, path, allowed):
    status, headers, body = ask(server, method, path)
    assert (status, headers["Allow"]) == (405, allowed)
    assert "accepts {} only".format(allowed) in line_of(body)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/", "/api/stop", "/../settings.py", "/page/app.js", "/%2e%2e/x",
             "//evil.example/", "/index.html", "/api/status/"]
)  # fmt: skip
def test_pages_that_are_not_there(server, path):
    status, headers, body = ask(server, "GET", path)
    assert status == 404
    assert headers["Location"] is None
    assert "not found" in line_of(body)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400), (b"GET\r\n\r\n", 400), (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/x\r\n\r\n", 400), (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 150 + b"\r\n", 431),
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400), (b"\r\n", None), (b"", None),
    ],
)  # fmt: skip
def test_what_is_no_request_gets_one_line_or_nothing(server, data, status):
    answer = raw(server, data)
    if status is None:
        assert answer in (b"",) or answer.startswith(b"HTTP/1.1 400 ")
        return
    assert answer.startswith("HTTP/1.1 {} ".format(status).encode("ascii"))
    assert b"Server:" not in answer
    line_of(answer.partition(b"\r\n\r\n")[2])


def post(length, body=b"", more=""):
    head = "POST /api/delete HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
    head += "Content-Type: application/json\r\n{}{}\r\n"
    length = "" if length is None else "Content-Length: {}\r\n".format(length)
    return head.format(TOKEN, length, more).encode("latin-1") + body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(None), 411), (post("x"), 411), (post("-1"), 411), (post("\xb2"), 411), (post("5", b"hello"), 400),
        (post("", b""), 411), (post(None, b"0\r\n\r\n", "Transfer-Encoding: chunked\r\n"), 411),
        (post(20000, b"x" * 20000), 413), (post("9" * 30, b"x" * 100), 413), (post(100, b'{"name"'), 400),
        (post(2, b"\xff\xfe"), 400), (post(10000, b"[" * 10000), 400), (post(0), 400),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be(server, session, data, status):
    answer = raw(server, data)
    assert answer.startswith("HTTP/1.1 {} ".format(status).encode("ascii"))
    assert "error" in json.loads(line_of(answer.partition(b"\r\n\r\n")[2]))
    assert session.calls == []


def test_a_body_that_is_cut_off_is_called_so(server):
    assert b"the command is incomplete" in raw(server, post(100, b'{"name": "Park"}'))


def test_the_refusal_of_a_large_body_arrives(server):
    # Closing at once would reset the connection, and the client would never read why.
    status, _, body = ask(server, "POST", "/api/delete", b"x" * (1 << 20), JSON)
    assert status == 413
    assert "at most 16384 bytes" in json.loads(line_of(body))["error"]


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nX", post(100, b"{")])
def test_silence_does_not_hold_a_thread(server, monkeypatch, data):
    monkeypatch.setattr(arrivals, "HEAD_S", 0.6)
    monkeypatch.setattr(arrivals, "BODY_S", 0.6)
    begun = time.monotonic()
    answer = raw(server, data, end=False)
    assert time.monotonic() - begun < 10
    if data:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert "did not arrive within 0.6 s" in line_of(answer.partition(b"\r\n\r\n")[2])
    else:
        assert answer == b""


@pytest.mark.parametrize("data", [b"GET / HT", b"GET / HTTP/1.1\r\nX", post(100, b"{")])
def test_dripping_does_not_hold_a_thread(server, monkeypatch, data):
    monkeypatch.setattr(arrivals, "HEAD_S", 0.6)
    monkeypatch.setattr(arrivals, "BODY_S", 0.6)
    stop = threading.Event()
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:

        def drip():
            try:
                while not stop.wait(0.1):
                    connection.sendall(b"a")
            except OSError:
                pass

        connection.sendall(data)
        thread = threading.Thread(target=drip)
        thread.start()
        received = b""
        try:
            while True:
                part = connection.recv(4096)
                if not part:
                    break
                received += part
        except ConnectionError:
            pass
        took = time.monotonic() - begun
        stop.set()
        thread.join()
    assert took < 10, "each byte was granted more time"
    assert received == b"" or received.startswith(b"HTTP/1.1 408 ")


# ---- beginning and end


def test_no_token_is_logged(server, caplog):
    caplog.set_level(logging.DEBUG)
    ask(server, "GET", "/?token=" + TOKEN, headers={})
    ask(server, "GET", "/?token=wrong-token-of-mine", headers={})
    ask(server, "GET", "/api/status?token=" + TOKEN)
    raw(
        server,
        "GET /x\x1b[31m HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n".format(TOKEN).encode("ascii"),
    )
    raw(server, b"GET /?token=" + TOKEN.encode("ascii") + b" HTTP/9.9\r\n\r\n")
    wanted = "127.0.0.1 GET /api/status 200"
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and caplog.text.count("127.0.0.1") < 5:
        time.sleep(0.01)
    assert wanted in caplog.text
    assert "GET /x\\x1b[31m 400" in caplog.text
    assert TOKEN not in caplog.text
    assert "wrong-token" not in caplog.text
    assert "\x1b" not in caplog.text


def test_nothing_is_printed(server, capfd):
    ask(server, "GET", "/?token=wrong", headers={})
    raw(server, b"\x00\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(b"GET / HTTP/1.1\r\n")
    ask(server, "GET", "/api/status")
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_says_so(server, session):
    other = WebServer(session, WebSettings(port=server.port), token=TOKEN)
    with pytest.raises(
        ConfigError, match="page: cannot listen on 127.0.0.1:{}: .*; choose another".format(server.port)
    ):
        other.start()
    for host in ("256.1.1.1", "192.0.2.1"):
        with pytest.raises(ConfigError, match="cannot listen on {}:0: ".format(host)):
            WebServer(session, WebSettings(host=host, port=0), token=TOKEN).start()
    with pytest.raises(ConfigError, match="a token must have 16"):
        WebServer(session, WebSettings(port=0), token="short").start()
    with pytest.raises(ConfigError, match="not running"):
        print(other.url)


def test_the_end_leaves_no_thread_and_no_connection(session):
    before = set(threading.enumerate())
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    server = WebServer(session, WebSettings(port=0), token=TOKEN).start()
    port = server.port
    watching = []
    for path in ("/stream.mjpg", "/events", "/stream.mjpg"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request("GET", path, headers=BEARER)
        answer = connection.getresponse()
        assert answer.read(10)
        watching.append((connection, answer))
    idle = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
    begun = time.monotonic()
    server.close()
    server.close()
    assert time.monotonic() - begun < 4
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and set(threading.enumerate()) - before:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()
    for connection, answer in watching:
        answer.close()
        connection.close()
    idle.close()
    if files is not None:
        assert len(os.listdir("/proc/self/fd")) == files
    with WebServer(session, WebSettings(port=port), token=TOKEN) as again:
        assert ask(again, "GET", "/api/people")[0] == 200


def test_the_token_comes_from_the_file_that_the_settings_name(session, tmp_path, monkeypatch):
    monkeypatch.setenv("KFACE_WEB_TOKEN", TOKEN)
    path = tmp_path / "token"
    with WebServer(session, WebSettings(port=0, token_file=str(path))) as server:
        token = path.read_text().strip()
        assert token != TOKEN
        assert server.url.endswith("?token=" + token)
        assert ask(server, "GET", "/", headers={"Authorization": "Bearer " + token})[0] == 200


def test_a_page_for_other_machines_warns_once_and_any_name_will_do(session, caplog):
    with WebServer(session, WebSettings(host="0.0.0.0", port=0), token=TOKEN) as server:
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "without encryption" in warnings[0]
        assert "ssh -L {0}:127.0.0.1:{0}".format(server.port) in warnings[0]
        assert TOKEN not in warnings[0]
        assert "\n" not in warnings[0]
        assert "0.0.0.0" not in server.url
        assert ask(server, "GET", "/api/people", headers=dict(BEARER, Host="board.local:8088"))[0] == 200
        assert ask(server, "GET", "/api/people", headers={"Host": "board.local:8088"})[0] == 401


def test_the_loopback_warns_of_nothing(server, caplog):
    assert caplog.records == []


def test_ipv6(session):
    try:
        server = WebServer(session, WebSettings(host="::1", port=0), token=TOKEN).start()
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    port = server.port
    with server:
        assert server.port == port, "it was started already"
        assert server.url.startswith("http://[::1]:")
        connection = http.client.HTTPConnection("::1", server.port, timeout=DEADLINE_S)
        connection.request("GET", "/api/people", headers=BEARER)
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.7", False), ("board.local", False)],
)  # fmt: skip
def test_what_is_only_this_machine(host, loopback):
    assert server_module.is_loopback(host) is loopback


def test_json_is_plain_whatever_the_session_gives():
    from deploy.web.api import plain

    given = {
        "a": np.float32(0.5),
        "b": (np.int64(3), float("inf")),
        "c": np.array([[1, 2]]),
        "d": np.bool_(True),
        5: None,
    }
    assert plain(given) == {"a": 0.5, "b": [3, None], "c": [[1, 2]], "d": True, "5": None}
    assert json.dumps(plain(given), allow_nan=False)
    assert plain(KFaceError("x")) == "x"
