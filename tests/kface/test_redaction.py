"""No secret leaves the program: many secrets of many shapes, at the places where cameras and people put them."""

import base64
import binascii
import json
import random
import socket
import time
from urllib.parse import quote, quote_plus

import pytest

from deploy.configuration import masked
from deploy.events import EventLog
from deploy.notify import Notifier
from deploy.terminal import print_line
from kface.errors import ConfigError, KFaceError
from kface.redaction import redact, redact_path, redact_source
from kface.streams import Stream, StreamError, StreamSettings
from kface.streams.probe import authorization

SIGNS = "abcdefgXYZ0123456789" + "!$&'()*+,;=:@/?#[]%\"\\ ^`{|}<>~-._" + "가힣ñ語"
PLAIN = "abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQRSTUVWXYZ23456789"
#: Where a password stands in what is a camera's address.
RIGHT = (
    "rtsp://watcher:{q}@10.0.0.7/live", "RTSP://watcher:{q}@10.0.0.7:8554/live?channel=1", "rtsp://:{q}@10.0.0.7/live",
    "rtsp://10.0.0.7/live?psw={q}", "rtsp://10.0.0.7/live?PWD={q}&channel=2", "rtsp://10.0.0.7/live?apikey={q}",
    "rtsp://10.0.0.7/live?access_token={q}&x=1", "rtsp://10.0.0.7/live?passphrase={q}", "rtsp://10.0.0.7/?user=a&passwd={q}",
    "rtsp://10.0.0.7/live?auth={q}", "rtsp://10.0.0.7/live?api-key={q}", "rtsp://10.0.0.7/live?session_id={q}",
    "rtsp://10.0.0.7/live?x={q}", "rtsp://10.0.0.7/live?{q}", "rtsp://10.0.0.7/live#token={q}", "rtsp://10.0.0.7/live;pw={q}",
)  # fmt: skip
#: The same for passwords of letters and digits, which nothing need be encoded in.
SIMPLE = (
    "rtsp://10.0.0.7/user:{p}/live", "rtsp://10.0.0.7/user_{p}_channel_1", "rtsp://10.0.0.7/admin_{p}_0.sdp",
    "rtsp://10.0.0.7/user=admin_password={p}_channel=1_stream=0.sdp", "rtsp://10.0.0.7/user=admin&password={p}&channel=1",
    "rtsp://10.0.0.7/live/pwd-{p}", "rtsp://10.0.0.7/login:admin:{p}/x", "rtsp://10.0.0.7/x?u=a%26pwd%3D{p}",
)  # fmt: skip
MISTYPED = (
    " rtsp://watcher:{q}@cam/x", "'rtsp://watcher:{q}@cam/x'", '"rtsp://watcher:{q}@cam/x', "<rtsp://watcher:{q}@cam/x>",
    "rtsp//watcher:{q}@cam/x", "rtsp:/watcher:{q}@cam/x", "rtsp:watcher:{q}@cam/x", "rtsp;//watcher:{q}@cam", "rstp://w:{q}@cam",
    "rtp://watcher:{q}@cam/x", "rtsps://watcher:{q}@cam/x", "http://watcher:{q}@cam/x", "https://cam/x?token={q}",
    "file:rtsp://watcher:{q}@cam/x", "file:///rtsp://watcher:{q}@cam", "csi://watcher:{q}@cam/x", "v4l2://watcher:{q}@cam",
    "csi://{q}", "v4l2:///dev/{q}/../..!", "watcher:{q}@cam/live", "rtsp ://watcher:{q}@cam", "rtsp:\\\\watcher:{q}@cam",
    "rtsp//cam/?psw={q}", "rtsp:/cam/?psw={q}", "rtsp://cam:{q}/x", "rtsp://cam:554:{q}/x", "rtsp://watcher:{q}@cam:99999/x",
    "rtsp://watcher:{q}@cam:port/x", "rtsp://watcher:{q}/@cam/x", "rtsp://w:{q}@", "RTSP//watcher:{q}@cam", "onvif://w:{q}@cam",
)  # fmt: skip
#: What a camera or a decoder says.
ECHOES = (
    "401 Unauthorized: {p}", "bad login watcher:{p}", "GET {q} failed", 'Authorization: Basic {b}', "Basic {b}", "got {b}",
    "{j}", "{r}", "b64 {s}", "hex {h}", "rtsp://watcher:{q}@10.0.0.7/live", "open 'rtsp://watcher:{q}@10.0.0.7/live': no",
    "user=watcher&password={q}", "lower {l}", "{u}",
)  # fmt: skip


def secrets(seed, count):
    chance = random.Random(seed)
    for _ in range(count):
        signs = chance.choice((SIGNS, PLAIN))
        word = "".join(chance.choice(signs) for _ in range(chance.randint(4, 24)))
        # No blanks at its ends, and something that no other text here has.
        yield "Q{}7".format(word)


def forms(secret):
    """What must not be found in anything that is shown, in lower case."""
    data = secret.encode("utf-8")
    made = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    made |= {base64.b64encode(data).decode("ascii").rstrip("="), binascii.hexlify(data).decode("ascii")}
    made |= {base64.b64encode(b"watcher:" + data).decode("ascii").rstrip("=")}
    return {form.lower() for form in made}


def hidden(secret, *texts):
    for text in texts:
        for form in forms(secret):
            assert form not in str(text).lower(), (secret, text)


def filled(template, secret):
    data = secret.encode("utf-8")
    return template.format(
        p=secret, q=quote(secret, safe=""), b=base64.b64encode(b"watcher:" + data).decode("ascii"),
        s=base64.urlsafe_b64encode(data).decode("ascii"), h=binascii.hexlify(data).decode("ascii"), j=json.dumps(secret),
        r=repr(secret), l=quote(secret, safe="").lower(), u=quote_plus(secret),
    )  # fmt: skip


def everything_shown(uri):
    """Return all that the program shows of a stream that was given like this."""
    shown = [redact_source(uri), json.dumps(masked({"source": uri}), ensure_ascii=False)]
    try:
        settings = StreamSettings.from_uri(uri)
    except ConfigError as error:
        return shown + [str(error), repr(error), error.args]
    error = StreamError("cannot be decoded", settings.uri, "look at it")
    shown += [str(settings), repr(settings), settings.uri, str(error), repr(error)]
    shown += [str(KFaceError("must not be {!r}".format(uri), uri)), settings.hide("cannot open " + uri)]
    shown += [json.dumps(masked({"stream": {"path": settings.path, "password": settings.password.reveal()}}))]
    return shown


@pytest.mark.parametrize("template", RIGHT)
def test_an_address_is_shown_without_the_secret_in_it(template):
    for secret in secrets(1, 30):
        hidden(secret, *everything_shown(filled(template, secret)))


@pytest.mark.parametrize("template", SIMPLE)
def test_a_path_is_shown_without_the_secret_in_it(template):
    for secret in secrets(2, 60):
        if all(sign in PLAIN + "Q7" for sign in secret):
            hidden(secret, *everything_shown(filled(template, secret)))


@pytest.mark.parametrize("template", MISTYPED)
def test_a_mistyped_address_is_not_shown(template):
    for secret in secrets(3, 30):
        hidden(secret, *everything_shown(filled(template, secret)))


@pytest.mark.parametrize("template", ECHOES)
def test_what_others_say_of_a_camera_is_shown_without_its_password(template):
    for secret in secrets(4, 60):
        settings = StreamSettings("rtsp", address="10.0.0.7", id="watcher", password=secret, path="/live")
        said = settings.hide(filled(template, secret))
        hidden(secret, said, StreamError("answered " + said, settings.uri))
        assert "\n" not in said


def test_a_secret_does_not_leave_by_any_door(capsys, monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "s"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "s"))
        log = EventLog()
        for secret in secrets(5, 20):
            text = "cannot open rtsp://watcher:{0}@10.0.0.7/x?psw={0}".format(quote(secret, safe=""))
            print_line(text)
            Notifier().ready(text)
            event = log.add("stream", reason=text)
            hidden(secret, channel.recv(4096).decode("utf-8"), json.dumps(event.as_dict()), capsys.readouterr().out)


def test_a_stream_whose_decoder_talks_tells_no_secret():
    for secret in secrets(6, 5):
        settings = StreamSettings("rtsp", address="10.0.0.7", id="watcher", password=secret)

        def talk(settings, secret=secret):
            raise RuntimeError("cannot open {} ({})".format(settings.reveal_uri(), secret))

        changes = []
        with Stream(settings, changes.append, opener=talk) as stream, pytest.raises(StreamError):
            stream.wait_live(0.3)
        assert any(change.reason for change in changes)
        hidden(secret, *changes)


def test_what_a_camera_asks_for_is_told_without_the_login():
    settings = StreamSettings("rtsp", address="10.0.0.7", id="watcher", password="Qhush7")
    with pytest.raises(StreamError) as caught:
        authorization(settings, "rtsp://10.0.0.7/", ["Qhush7 realm", 'Digest algorithm="Qhush7"'])
    hidden("Qhush7", caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "clip.mp4: cannot be opened (No such file or directory); give another source",
        "rtsp://10.0.0.7:554/live: no frame for 3 s",
        "rtsp://[fe80::1]:554/Streaming/Channels/101?transportmode=unicast&profile=main: stopped",
        "gallery.key_file: must be a text",
        "web.token_file: the file of the token cannot be read; choose another",
        "neither Basic nor Digest with MD5",
        "stream: is not rtsp://ID:PASSWORD@ADDRESS:PORT/PATH; percent-encode",
        "'loop': is no setting; write key=value",
        "page: http://127.0.0.1:8088/?token=TOKEN",
        "token: sudo sed -n 's/^KFACE_WEB_TOKEN=//p' /etc/kface/environment",
        "file:/srv/me@corp/films/a:b/clip@2x.mp4: is empty (0 bytes)",
        "outputs/2026-01-02/run: 12:30 o'clock, size=5, angle=3",
        "김민수@집: template 3",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "path",
    [
        "/live", "/", "/Streaming/Channels/101", "/cam/realmonitor?channel=1&subtype=0", "/h264Preview_01_main", "/11",
        "/axis-media/media.amp?videocodec=h264&resolution=640x360", "/live/ch00_0", "/profile1/media.smp", "/video1.sdp",
        "/onvif1", "/MediaInput/h264/stream_1", "/av0_1", "/stream1?channel=12",
    ],
)  # fmt: skip
def test_the_paths_of_cameras_stay(path):
    assert redact_path(path) == path


@pytest.mark.parametrize("sign", ["/", "!", "a:", "user=", "rtsp://", "//a:", "basic ", "-", "=", "?a", " "])
@pytest.mark.parametrize("search", ["redact", "redact_path", "redact_source", "hide"])
def test_the_work_grows_with_a_texts_length_and_not_with_its_square(sign, search):
    settings = StreamSettings("rtsp", address="10.0.0.7", id="watcher", password="Qhush7")
    search = {"redact": redact, "redact_path": redact_path, "redact_source": redact_source, "hide": settings.hide}[
        search
    ]
    for unit in (sign * (2000 // len(sign)), sign * (400 // len(sign)) + "\n"):
        once, eightfold = (work(search, unit * count) for count in (1, 8))
        # The square would take 64 times as long.
        assert eightfold < 24 * once


def work(search, text):
    """Return the processor's seconds for a text, the least of several tries: what else runs here does not count."""
    tries = []
    for _ in range(3):
        begun = time.process_time()
        search(text)
        tries.append(time.process_time() - begun)
    return max(min(tries), 1e-4)


def test_each_line_is_looked_at_and_stays_a_line():
    assert redact("a\nrtsp://u:hush@cam/x\n\nb\n") == "a\nrtsp://***@cam/x\n\nb\n"
    assert redact("x" * 5000) == "x" * 4096 + " ..."


def test_the_folder_of_a_corpus_is_shown():
    for text in ("corpus.root: is missing; add corpus.root=DIR", "corpus=kface corpus.root=/media/k-face"):
        assert redact(text) == text
    assert "x1y2z3" not in redact("rtsp://a/s?user.root=x1y2z3") + redact("root=x1y2z3")
