"""The relay between the decoder and a network camera, with plain sockets in place of both."""

import contextlib
import re
import socket
import threading

import pytest
from stream_fakes import CAMERA
from waiting import GENEROUS, until

from kface.streams import StreamError, backends
from kface.streams.probe import authorization
from kface.streams.relay import Relay, split

SDP = "v=0\r\na=control:rtsp://127.0.0.1:{port}/live/\r\nm=video 0 RTP/AVP 96\r\na=control:rtsp://127.0.0.1:{port}/live/track1\r\n"
FRAME = b"$\x00\x00\x05" + b"\x80\x60abc"


class FakeCamera(object):
    """Answers each request with what a function of (method, url, headers) returns; notes all of them."""

    def __init__(self, answer):
        self.requests = []
        self.connections = 0
        self._answer = answer
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(5)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with contextlib.suppress(OSError), connection:
                data = b""
                while True:
                    block = connection.recv(4096)
                    if not block:
                        break
                    data += block
                    while b"\r\n\r\n" in data:
                        head, _, data = data.partition(b"\r\n\r\n")
                        lines = head.decode("utf-8").split("\r\n")
                        method, url = lines[0].split(" ")[:2]
                        headers = dict(line.split(": ", 1) for line in lines[1:])
                        self.requests.append((method, url, headers))
                        text = self._answer(self, method, url, headers)
                        connection.sendall(text)
                        if b"Connection: close" in text:
                            raise OSError

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def says(status, headers=(), body=""):
    lines = ["RTSP/1.0 " + status] + list(headers)
    if body:
        lines.append("Content-Length: {}".format(len(body)))
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8")


@pytest.fixture
def play():
    """Starts a camera, the relay before it, and a decoder: returns them, the decoder as a function of (method, url)."""
    things = []

    def start(answer, **settings):
        camera = FakeCamera(answer)
        relay = Relay(CAMERA._replace(port=camera.port, **settings))
        decoder = socket.create_connection(("127.0.0.1", relay.settings.port), GENEROUS)
        things.extend([camera, relay, decoder])

        def ask(method, url=None, count=1):
            line = "{} {} RTSP/1.0\r\nCSeq: 1\r\n\r\n".format(method, url or relay.settings.reveal_uri())
            decoder.sendall(line.encode("ascii"))
            data = b""
            while len(split(data)[0]) < count:
                block = decoder.recv(4096)
                if not block:
                    return data.decode("latin-1")
                data += block
            return data.decode("latin-1")

        return camera, relay, ask

    yield start
    for thing in things:
        thing.close()
    names = ["kface-relay", "kface-relay-rtsp"]
    assert until(lambda: not [one for one in threading.enumerate() if one.name in names])


def anyone(camera, method, url, headers):
    return says("200 OK", ["Content-Base: rtsp://127.0.0.1:{}/live/".format(camera.port)], SDP.format(port=camera.port))


def member(challenge):
    def answer(camera, method, url, headers):
        if "Authorization" not in headers:
            return says("401 Unauthorized", ["WWW-Authenticate: " + challenge])
        return anyone(camera, method, url, headers)

    return answer


def test_the_decoder_gets_no_credentials_and_asks_no_one_else(play):
    camera, relay, ask = play(anyone)
    assert not relay.settings.id
    assert not relay.settings.password
    for text in (relay.settings.reveal_uri(), relay.settings.uri):
        assert "hush" not in text
        assert "watcher" not in text
    text = ask("DESCRIBE")
    assert "127.0.0.1:{}".format(camera.port) not in text
    here = relay.settings.reveal_uri()
    assert "Content-Base: {}/\r\n".format(here) in text
    assert "a=control:{}/track1\r\n".format(here) in text
    length = int(re.search(r"Content-Length: (\d+)", text).group(1))
    assert length == len(text.partition("\r\n\r\n")[2])
    ask("SETUP", here + "/track1")
    assert [request[:2] for request in camera.requests] == [
        ("DESCRIBE", "rtsp://127.0.0.1:{}/live".format(camera.port)),
        ("SETUP", "rtsp://127.0.0.1:{}/live/track1".format(camera.port)),
    ]
    assert not any("Authorization" in request[2] for request in camera.requests), "nothing is sent unasked"


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="c"',
        'Digest realm="c", nonce="n"',
        'Digest realm="c", nonce="n", qop="auth"',
        'Digest realm="c", nonce="n", algorithm=SHA-256',
        'Digest realm="c", nonce="n", algorithm=MD5-sess, qop="auth"',
    ],
)
def test_it_logs_in_for_the_decoder(play, challenge):
    camera, _, ask = play(member(challenge))
    assert ask("DESCRIBE").startswith("RTSP/1.0 200 OK")
    assert ask("SETUP").startswith("RTSP/1.0 200 OK")
    assert len(camera.requests) == 3, "it is asked for the login once"
    url = "rtsp://127.0.0.1:{}/live".format(camera.port)
    for count, (method, asked, headers) in enumerate(camera.requests[1:], 1):
        got = headers["Authorization"]
        own = re.search('cnonce="([^"]*)"', got)
        settings = CAMERA._replace(port=camera.port)
        wanted = authorization(settings, url, [challenge], own and own.group(1), method=method, count=count)
        assert (asked, got) == (url, wanted)


def test_a_new_nonce_is_used_and_a_wrong_password_is_told_once(play):
    def answer(camera, method, url, headers):
        if method == "PLAY" and 'nonce="new"' in headers.get("Authorization", ""):
            return says("200 OK")
        nonce = "new" if method == "PLAY" else "old"
        if method == "DESCRIBE" and "Authorization" in headers:
            return says("200 OK")
        return says("401 Unauthorized", ['WWW-Authenticate: Digest realm="c", nonce="{}"'.format(nonce)])

    camera, _, ask = play(answer)
    assert ask("DESCRIBE").startswith("RTSP/1.0 200")
    assert ask("PLAY").startswith("RTSP/1.0 200")
    text = ask("SETUP")
    assert text.startswith("RTSP/1.0 401")
    assert "WWW-Authenticate" not in text, "the decoder is not to look for a login"
    assert len(camera.requests) == 6


def test_a_camera_that_hangs_up_when_it_asks_for_the_login_is_called_again(play):
    def answer(camera, method, url, headers):
        if "Authorization" not in headers:
            return says("401 Unauthorized", ["Connection: close", 'WWW-Authenticate: Digest realm="c", nonce="n"'])
        return anyone(camera, method, url, headers)

    camera, _, ask = play(answer)
    assert ask("DESCRIBE").startswith("RTSP/1.0 200 OK")
    assert ask("SETUP").startswith("RTSP/1.0 200 OK")
    assert camera.connections == 2
    assert [("Authorization" in headers) for _, _, headers in camera.requests[-2:]] == [True, True]


def test_pictures_pass_as_they_are(play):
    def answer(camera, method, url, headers):
        return says("200 OK") + FRAME * 3 + b"\r\n" + FRAME if method == "PLAY" else says("200 OK")

    _, _, ask = play(answer)
    ask("DESCRIBE")
    assert ask("PLAY", count=2).encode("latin-1") == says("200 OK") + FRAME * 3 + b"\r\n" + FRAME


def away(elsewhere, what):
    """Answers one kind of request with a redirect."""

    def answer(cam, method, url, headers):
        if "Authorization" not in headers:
            return says("401 Unauthorized", ['WWW-Authenticate: Basic realm="c"'])
        if method == what:
            return says("302 Moved", ["Location: " + elsewhere])
        return anyone(cam, method, url, headers)

    return answer


@pytest.mark.parametrize("what", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize(
    "form", ["rtsp://127.0.0.1:{}/x", "rtsp://localhost:{}/live", "rtsps://127.0.0.1:{}/live", "/x", ""]
)
def test_a_redirect_to_another_address_ends_it(play, what, form):
    evil = FakeCamera(anyone)
    _, relay, ask = play(away(form.format(evil.port), what))
    for method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY"):
        if not ask(method):
            break
    assert method == what
    assert until(lambda: relay.failure is not None)
    assert "redirects to another address" in str(relay.failure)
    assert evil.connections == 0
    evil.close()


def test_a_redirect_within_the_camera_is_followed_and_kept_from_the_decoder(play):
    def answer(camera, method, url, headers):
        if "/moved" not in url:
            return says("302 Moved", ["Location: rtsp://127.0.0.1:{}/moved".format(camera.port)])
        return says("200 OK")

    camera, relay, ask = play(answer)
    assert ask("DESCRIBE").startswith("RTSP/1.0 200")
    assert ask("SETUP", relay.settings.reveal_uri() + "/track1").startswith("RTSP/1.0 200")
    assert camera.requests[-1][1] == "rtsp://127.0.0.1:{}/moved/track1".format(camera.port)


def test_a_redirect_to_itself_has_an_end(play):
    camera, relay, ask = play(
        lambda camera, method, url, headers: says("302 M", ["Location: rtsp://127.0.0.1:{}/live".format(camera.port)])
    )
    assert ask("DESCRIBE") == ""
    assert until(lambda: "redirects more than 5 times" in str(relay.failure))
    assert len(camera.requests) == 6


def test_who_does_not_know_the_word_gets_nothing(play):
    camera, relay, ask = play(anyone)
    assert ask("DESCRIBE", "rtsp://127.0.0.1:{}/live".format(relay.settings.port)) == ""
    assert camera.requests == []


def test_a_closed_relay_takes_nobody_and_what_plays_goes_on(play):
    _, relay, ask = play(anyone)
    assert ask("DESCRIBE")
    relay.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", relay.settings.port), GENEROUS)
    assert ask("SETUP").startswith("RTSP/1.0 200")


def test_what_is_split_is_the_same_however_it_arrives():
    data = says("200 OK", body="a\r\n\r\nb") + FRAME + says("404 No") + b"\r\n" + FRAME * 2
    wanted = [piece for piece, _ in split(data)[0]]
    assert b"".join(wanted) == data
    for size in (1, 3, 7):
        rest, joined = b"", b""
        for start in range(0, len(data), size):
            found, rest = split(rest + data[start : start + size])
            joined += b"".join(piece for piece, _ in found)
        assert joined + rest == data


@pytest.mark.parametrize("what", ["OPTIONS", "DESCRIBE", "SETUP"])
def test_a_real_decoder_is_not_led_away_even_where_the_question_beforehand_was_not(monkeypatch, what):
    """A camera that knows who asks may answer our own question well, and redirect the decoder."""
    if not backends.build().ffmpeg:
        pytest.skip("this OpenCV has no FFmpeg")
    monkeypatch.setattr(backends, "video_codec", lambda settings: "H264")
    evil = FakeCamera(lambda camera, method, url, headers: says("401 U", ['WWW-Authenticate: Basic realm="evil"']))
    camera = FakeCamera(away("rtsp://127.0.0.1:{}/live".format(evil.port), what))
    with pytest.raises(StreamError, match="redirects to another address"):
        backends.open_capture(CAMERA._replace(port=camera.port))
    assert [request[0] for request in camera.requests][-1] == what
    assert evil.connections == 0
    evil.close()
    camera.close()
