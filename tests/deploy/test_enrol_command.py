"""``kface enrol`` against a running page."""

import contextlib
import http.server
import threading

import pytest
from web_session import TOKEN

from deploy import __main__ as deploy
from deploy import enrol_command


@pytest.fixture
def url(server, monkeypatch, tmp_path):
    monkeypatch.setenv("KFACE_WEB_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("KFACE_WEB_TOKEN_FILE", raising=False)
    # The token must not go to a proxy.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    return server.address


def test_a_face_is_enrolled_by_its_track(session, url, capsys):
    assert deploy.main(["enrol", "김민수", "--track", "1", "--url", url]) == 0
    assert session.names["김민수"] == 1
    assert capsys.readouterr() == ("template 7 of 김민수\n", "")
    assert session.calls == [("pick_track", 1), ("enrol", "c1", "김민수", False)]


def test_faces_are_listed(session, url, capsys):
    session._known[1] = "Kim"
    assert enrol_command.main(["--list", "--url", url + "/"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["track 1", "Kim"], ["track 2", "unknown"]]
    assert lines[1].split("\t")[2:] == ["at 400,100-440,150", "score 0.300"]


def test_a_face_that_is_not_good_enough_needs_force(session, url, capsys):
    assert enrol_command.main(["Lee", "--track", "2", "--url", url]) == 1
    assert "size 40 (at least 60 pixels)" in capsys.readouterr().err
    assert "Lee" not in session.names
    assert enrol_command.main(["Lee", "--track", "2", "--force", "--url", url]) == 0
    assert session.names["Lee"] == 1


def test_the_only_face_needs_no_track(session, url, capsys):
    assert enrol_command.main(["Lee", "--url", url]) == 2
    assert "2 faces are in view; pass --track N; --list shows them" in capsys.readouterr().err
    faces = session.faces
    session.faces = lambda: faces()[:1]
    session._candidates["kept"] = None
    assert enrol_command.main(["Lee", "--url", url]) == 0
    assert session.calls[0][0] == "pick"
    assert session.names["Lee"] == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["Lee", "--track", "9"], "track 9: is not in view"), (["  ", "--track", "1"], "a name must not be empty"),
        ([], "pass either NAME or --list"), (["Lee", "--list"], "pass either NAME or --list"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line(url, capsys, arguments, line):
    assert enrol_command.main(arguments + ["--url", url]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_no_live_picture(session, url, capsys):
    session.lose()
    assert enrol_command.main(["--list", "--url", url]) == 2
    assert "no live picture" in capsys.readouterr().err


def test_another_token(session, url, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KFACE_WEB_TOKEN", TOKEN + "-another")
    assert enrol_command.main(["Lee", "--track", "1", "--url", url]) == 2
    assert "wrong token" in capsys.readouterr().err
    monkeypatch.delenv("KFACE_WEB_TOKEN")
    assert enrol_command.main(["Lee", "--track", "1", "--url", url]) == 2
    assert "no token; start kface deploy first" in capsys.readouterr().err
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    assert enrol_command.main(["Lee", "--track", "1", "--url", url, "--token-file", str(path)]) == 0


def test_a_session_that_does_not_run(url, capsys):
    assert enrol_command.main(["Lee", "--track", "1", "--url", "http://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9: cannot connect to the recogniser (Connection refused); start it" in error


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8088", "ftp://127.0.0.1", "http://", "http://a:b@127.0.0.1", "http://127.0.0.1/?token=x", "http://127.0.0.1:x",
     "file:///etc/passwd", "http://127.0.0.1/page", "http://[", "http://127.0.0.1:0"],
)  # fmt: skip
def test_addresses_that_are_none(url, capsys, address):
    assert enrol_command.main(["--list", "--url", address]) == 2
    assert "--url: must be an address such as http://127.0.0.1:8088" in capsys.readouterr().err


@contextlib.contextmanager
def stranger(status, headers, body):
    """A server that is no session; yields its address and the requests it got."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            for field in headers:
                self.send_header(*field)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield "http://127.0.0.1:{}".format(server.server_address[1]), seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_token_does_not_follow_a_redirect(url, capsys):
    with stranger(200, [], b"{}") as (target, reached), stranger(302, [("Location", target + "/x")], b"") as (
        address,
        _,
    ):
        assert enrol_command.main(["--list", "--url", address]) == 2
        assert reached == []
    assert "the page answered with status 302" in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b""])
def test_something_else_answers_there(url, capsys, body):
    with stranger(200, [], body) as (address, _):
        assert enrol_command.main(["--list", "--url", address]) == 2
    assert "is not the page of a kface recogniser; correct --url" in capsys.readouterr().err
