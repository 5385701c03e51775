import contextlib
import hashlib
import re
import socket
import threading
import time

import pytest
from stream_fakes import CAMERA

from kface.streams import StreamError, StreamRefusedError, UnusableStreamError
from kface.streams.probe import authorization, video_codec

SDP = "v=0\r\nm=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\nm=x\r\n"


def answer(status, headers=(), body=""):
    lines = ["RTSP/1.0 " + status, "CSeq: 1"] + list(headers)
    if body:
        lines.append("Content-Length: {}".format(len(body)))
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8")


class Server(object):
    """Gives one answer to each connection, in turn; notes the requests."""

    def __init__(self, *answers):
        self.requests = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(5)
        self._listener.settimeout(20)
        self.settings = CAMERA._replace(port=self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, args=(answers,), daemon=True)
        self._thread.start()

    def _serve(self, answers):
        for text in answers:
            connection, _ = self._listener.accept()
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            self.requests.append(request.decode("utf-8"))
            # The client may have gone already: that is what some of these answers are for.
            text = text(self.settings.port) if callable(text) else text
            with contextlib.suppress(OSError):
                for block in text if isinstance(text, list) else [text]:
                    if callable(block):
                        block()
                    else:
                        connection.sendall(block)
            connection.close()

    def close(self):
        self._thread.join(20)
        self._listener.close()


@pytest.fixture
def serve():
    servers = []

    def start(*answers):
        servers.append(Server(*answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("codec", ["H264", "H265", "JPEG"])
def test_the_codec_is_the_videos(serve, codec):
    server = serve(answer("200 OK", body=SDP.format(codec.lower())))
    assert video_codec(server.settings) == codec
    assert server.requests[0].startswith("DESCRIBE rtsp://127.0.0.1:{}/live RTSP/1.0\r\n".format(server.settings.port))
    assert "hush" not in server.requests[0], "nothing is sent unasked"


def test_an_answer_in_pieces(serve):
    data = answer("200 OK", body=SDP.format("H264"))
    pause = lambda: time.sleep(0.02)  # noqa: E731
    server = serve([data[:20], pause, data[20:70], pause, data[70:-5], pause, data[-5:]])
    assert video_codec(server.settings) == "H264"


def test_a_description_without_a_codec(serve):
    assert video_codec(serve(answer("200 OK", body="v=0\r\nm=video 0 RTP/AVP 26\r\n")).settings) == ""


@pytest.mark.parametrize("algorithm", ["", ", algorithm=MD5", ", algorithm=SHA-256"])
@pytest.mark.parametrize("qop", ["", ', qop="auth-int,auth"'])
def test_digest(serve, algorithm, qop):
    challenge = 'WWW-Authenticate: Digest realm="IP, cam", nonce="abc=", opaque="x"' + algorithm + qop
    server = serve(
        answer("401 Unauthorized", ['WWW-Authenticate: Basic realm="IP"', challenge]),
        answer("200 OK", body=SDP.format("H264")),
    )
    assert video_codec(server.settings) == "H264"
    header = re.search("Authorization: Digest (.*)\r\n", server.requests[1]).group(1)
    got = {key: a or b for key, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
    assert "hush" not in header

    def digest(text):
        return (hashlib.sha256 if "SHA" in algorithm else hashlib.md5)(text.encode("utf-8")).hexdigest()

    url = "rtsp://127.0.0.1:{}/live".format(server.settings.port)
    middle = "abc=:00000001:{}:auth".format(got["cnonce"]) if qop else "abc="
    wanted = digest(":".join([digest("watcher:IP, cam:hush-hush"), middle, digest("DESCRIBE:" + url)]))
    assert got["response"] == wanted
    assert (got["username"], got["realm"], got["uri"], got["opaque"]) == ("watcher", "IP, cam", url, "x")


def test_digest_of_the_rfcs_own_example():
    # RFC 2617, 3.5; its method is GET, so that only what does not depend on it is compared.
    challenge = ['Digest realm="testrealm@host.com", qop="auth", nonce="n", opaque="o"']
    settings = CAMERA._replace(id="Mufasa", password="Circle Of Life")
    value = authorization(settings, "rtsp://h/x", challenge, cnonce="0a4f113b")
    first = "939e7578ed9e3c518a452acee763bce9"
    second = hashlib.md5(b"DESCRIBE:rtsp://h/x").hexdigest()
    text = "{}:n:00000001:0a4f113b:auth:{}".format(first, second)
    assert 'response="{}"'.format(hashlib.md5(text.encode("ascii")).hexdigest()) in value
    assert value.endswith('qop=auth, nc=00000001, cnonce="0a4f113b"')


def test_basic(serve):
    server = serve(
        answer("401 Unauthorized", ['www-authenticate: basic realm="IP"']), answer("200 OK", body=SDP.format("H264"))
    )
    assert video_codec(server.settings) == "H264"
    assert "Authorization: Basic d2F0Y2hlcjpodXNoLWh1c2g=\r\n" in server.requests[1]


def test_a_login_of_an_unknown_kind(serve):
    server = serve(
        answer("401 Unauthorized", ["WWW-Authenticate: Negotiate", 'WWW-Authenticate: Digest algorithm="X"'])
    )
    with pytest.raises(StreamError, match="neither Basic nor Digest"):
        video_codec(server.settings)


def test_wrong_and_missing_credentials(serve):
    refusal = answer("401 Unauthorized", ['WWW-Authenticate: Digest realm="r", nonce="n"'])
    server = serve(refusal, refusal)
    with pytest.raises(StreamRefusedError, match="rejected the id or the password; correct them") as caught:
        video_codec(server.settings)
    assert "hush" not in repr(caught.value)
    server = serve(refusal)
    with pytest.raises(StreamRefusedError, match="requires an id and a password"):
        video_codec(server.settings._replace(id="", password=""))
    assert len(server.requests) == 1
    with pytest.raises(StreamRefusedError):
        video_codec(serve(answer("403 Forbidden")).settings)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (answer("404 Not Found"), "has no stream at this path; correct the RTSP path"),
        (answer("453 Not \x1b[31m Enough hush-hush"), r"answered 453 Not \[31m Enough \*\*\*; check"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as an RTSP server"),
        (b"\xff\xfe\x00" * 30000, "does not answer as an RTSP server"),
        (b"", "does not answer as an RTSP server"),
    ],
)
def test_other_answers(serve, data, said):
    server = serve(data)
    with pytest.raises(StreamError, match=said) as caught:
        video_codec(server.settings)
    assert not isinstance(caught.value, StreamRefusedError)
    assert str(caught.value).startswith("rtsp://127.0.0.1:{}/live: ".format(server.settings.port))


def test_a_server_that_hangs_or_drips_costs_no_more_than_the_timeout(serve):
    drip = [lambda: time.sleep(0.05), b"R"] * 40
    for text in ([lambda: time.sleep(2)], drip):
        server = serve(text)
        begun = time.monotonic()
        with pytest.raises(StreamError, match=r"did not answer within 0\.3 s"):
            video_codec(server.settings, 0.3)
        assert time.monotonic() - begun < 1.8


def test_no_server_and_no_such_name():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(StreamError, match=r"cannot be reached \(Connection refused\)"):
            video_codec(CAMERA._replace(port=free.getsockname()[1]))
    with pytest.raises(StreamError, match="cannot be reached"):
        video_codec(CAMERA._replace(address="x" * 70 + ".invalid"))


def test_a_redirect_is_followed_within_the_camera_only(serve):
    server = serve(
        moved("rtsp://127.0.0.1:{port}/moved"),
        answer("200 OK", body=SDP.format("H264")),
    )
    assert video_codec(server.settings) == "H264"
    assert " rtsp://127.0.0.1:{}/moved RTSP".format(server.settings.port) in server.requests[1]
    for away in ("rtsp://127.0.0.2:{port}/live", "rtsp://127.0.0.1:1/live", "rtsps://127.0.0.1:{port}/live", ""):
        server = serve(moved(away))
        with pytest.raises(UnusableStreamError, match="redirects to another address"):
            video_codec(server.settings)
        assert len(server.requests) == 1
    server = serve(*[moved("rtsp://127.0.0.1:{port}/live")] * 6)
    with pytest.raises(UnusableStreamError, match="redirects more than 5 times"):
        video_codec(server.settings)


def moved(location):
    """Return a redirect whose port is the server's own."""
    return lambda port: answer("302 Moved", ["Location: " + location.format(port=port)] if location else [])


@pytest.mark.parametrize(
    ("challenges", "said"),
    [
        (["NTLM"], "NTLM"),
        (["Bearer realm=x"], "Bearer"),
        (['Digest realm="r", nonce="n", algorithm=TIGER'], "Digest TIGER"),
        ([], "none offered"),
    ],
)
def test_a_login_that_is_not_known_is_named(challenges, said):
    with pytest.raises(UnusableStreamError, match="neither Basic nor Digest .*" + said):
        authorization(CAMERA, "rtsp://h/x", challenges)


def test_digest_whatever_the_realms_encoding():
    realm = b"\xc4\xab\xb8\xde\xb6\xf3".decode("utf-8", "surrogateescape")
    value = authorization(CAMERA, "rtsp://h/x", ['Digest realm="{}", nonce="n"'.format(realm)])
    first = hashlib.md5(b"watcher:\xc4\xab\xb8\xde\xb6\xf3:hush-hush").hexdigest()
    second = hashlib.md5(b"DESCRIBE:rtsp://h/x").hexdigest()
    wanted = hashlib.md5("{}:n:{}".format(first, second).encode("ascii")).hexdigest()
    assert 'response="{}"'.format(wanted) in value
