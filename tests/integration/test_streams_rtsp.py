"""Streams against a real RTSP server on 127.0.0.1: played, killed, brought back, stalled, and with a wrong password."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from rtsp_tools import FPS, SYSTEM_PYTHON, Server, draw, encode, make_clip, number_in, require_server

from kface.streams import State, Stream, StreamSettings, Timing, UnusableStreamError

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
NOTICE = 5.0
#: For what takes a second or two on a machine of its own.
GENEROUS = 30.0
QUICK = Timing(longest_wait=1.0)
ID, PASSWORD = "adm in", "gärten/9@:%"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    require_server()
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", 60)


def seconds_until(condition, limit=GENEROUS):
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit, "waited too long"
        time.sleep(0.005)
    return time.monotonic() - begun


def collect(stream, seconds, pause=0.0):
    """Return (number in the picture, when it was handed out) of the frames of so many seconds."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        frame = stream.read(0.5)
        if frame is not None:
            assert time.monotonic() - frame.time_monotonic < 1.25, "older than a second, and a noisy machine's delay"
            found.append((number_in(frame.image), time.monotonic()))
        time.sleep(pause)
    return found


@pytest.mark.slow
def test_the_newest_picture_also_for_a_slow_consumer_and_after_a_hitch(clip):
    with Server(clip) as server, Stream(server.uri, timing=QUICK) as stream:
        stream.wait_live(GENEROUS)
        frames = collect(stream, 2.0)
        numbers = [number for number, _ in frames]
        assert numbers == sorted(set(numbers)), "in order, and none twice"
        assert len(numbers) >= FPS, "nearly all of them, once the decoder's buffer has been left behind"
        slow = collect(stream, 2.0, pause=0.4)
        assert all(slow[n + 1][0] - slow[n][0] >= 5 for n in range(len(slow) - 1)), "what came between was dropped"
        # Picture n leaves the server at start + n / FPS; the slow consumer is as near to that as the quick one.
        start = min(when - number / FPS for number, when in frames)
        assert all(when - start - number / FPS < 1.0 for number, when in slow)

        server.stall()
        time.sleep(2.0)
        server.go_on()
        hitch = collect(stream, 2.0)
        assert stream.losses == 0, "two seconds are no loss"
        assert len(hitch) >= FPS
        ages = [when - start - number / FPS for number, when in hitch]
        assert max(ages) < 1.5, "what had waited in the line for two seconds is not shown"
        assert ages[-1] < 0.5


@pytest.mark.slow
def test_killed_brought_back_stalled_and_continued(clip):
    changes = []
    server = Server(clip)
    try:
        with Stream(server.uri, changes.append, QUICK) as stream:
            stream.wait_live(GENEROUS)
            server.kill()
            assert seconds_until(lambda: stream.state is not State.LIVE) < NOTICE
            assert stream.latest() is None
            seconds_until(lambda: "Connection refused" in stream.reason)

            server = Server(clip, server.port)
            stream.wait_live(GENEROUS)
            assert stream.losses == 1
            seconds_until(lambda: (stream.latest() is not None) and number_in(stream.latest().image) > 60)
            before = stream.read(1.0)

            server.stall()
            assert seconds_until(lambda: stream.state is not State.LIVE) <= NOTICE
            lost = time.monotonic()
            assert stream.latest() is None
            assert stream.read(0.0, after=-1) is None
            seconds_until(lambda: "did not answer" in stream.reason)
            server.go_on()
            stream.wait_live(GENEROUS)
            frame = stream.read(GENEROUS)
            assert frame.number > before.number
            # The server begins again for a new client: a picture of the old connection would have a higher number.
            assert number_in(frame.image) < 55
            assert frame.time_monotonic > lost
            assert stream.losses == 2
            assert seconds_until(lambda: stream.blocked == 0, 40) < 40
    finally:
        server.kill()
    # Attempts that fail add further "connecting" and "lost", never another state.
    states = []
    for change in changes:
        if change.state is not State.CONNECTING and states[-1:] != [change.state.value]:
            states.append(change.state.value)
    assert states == ["live", "lost", "live", "lost", "live", "closed"]
    seconds_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("kface-")])


PLAYER = """
import json, sys, threading, time
from kface.errors import KFaceError
from kface.streams import Stream, Timing, backends
uri, mode = sys.argv[1:]
if mode == "unasked":
    backends.video_codec = lambda settings: "H264"
stream = Stream(uri, timing=Timing(refused_wait=1.5, longest_wait=0.5)).start()
try:
    stream.wait_live(2.5 if mode == "unasked" else 15)
    frame = stream.read(5)
    print(json.dumps({"shape": frame.image.shape, "gstreamer": backends.build().gstreamer}))
except KFaceError as error:
    print(error)
time.sleep(0.3)
print([thread.name for thread in threading.enumerate()])
stream.close()
"""


def play(uri, mode="asked", python=sys.executable, **environ):
    """Run a player, and return what it printed and what the machine's process list held meanwhile."""
    environment = dict(os.environ, PYTHONPATH=SOURCE, **environ)
    process = subprocess.Popen(
        [python, "-c", PLAYER, uri, mode], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    seen = set()
    while process.poll() is None:
        places = [*Path("/proc").glob("[0-9]*/cmdline"), *Path(f"/proc/{process.pid}/task").glob("*/comm")]
        for place in places:
            try:
                seen.add(place.read_bytes())
            except OSError:
                continue
        time.sleep(0.02)
    output, errors = process.communicate()
    return output.decode("utf-8"), errors.decode("utf-8"), b"\n".join(seen).decode("utf-8", "replace")


def forms(secret):
    return {secret, quote(secret), quote(secret, safe="")}


@pytest.mark.parametrize("login", ["basic", "digest"])
def test_a_wrong_password_is_one_clear_line_and_a_right_one_plays(clip, login):
    wrong = "schlüssel/8@:%"
    with Server(clip, login=login, credentials=(ID, PASSWORD)) as server:
        everything = ""
        for word in (wrong, PASSWORD):
            output, errors, processes = play(server.uri, KFACE_STREAM_ID=ID, KFACE_STREAM_PASSWORD=word)
            assert errors == ""
            everything += output + processes
            assert "rtsp_server.py" in processes
            first, threads = output.splitlines()
            assert "kface-stream-rtsp" in threads
            if word == wrong:
                assert first == f"{server.uri}: rejected the id or the password; correct them in the stream's settings"
            else:
                assert json.loads(first)["shape"] == [240, 320, 3]
        assert server.uri in everything
        for form in forms(ID) | forms(PASSWORD) | forms(wrong):
            assert form not in everything


@pytest.mark.parametrize("python", [sys.executable, SYSTEM_PYTHON])
def test_decoders_that_are_refused_keep_silent(clip, python):
    if python == SYSTEM_PYTHON:
        require_gstreamer()
    with Server(clip, login="digest", credentials=(ID, "other")) as server:
        output, errors, processes = play(
            server.uri, "unasked", python, KFACE_STREAM_ID=ID, KFACE_STREAM_PASSWORD=PASSWORD, GST_DEBUG="4"
        )
    assert output.startswith(server.uri)
    for form in forms(ID) | forms(PASSWORD):
        assert form not in output + errors + processes


def require_gstreamer():
    code = "import cv2, sys; from kface.streams.backends import build; sys.exit(not build().gstreamer)"
    environment = dict(os.environ, PYTHONPATH=SOURCE)
    if subprocess.run([SYSTEM_PYTHON, "-c", code], env=environment, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no OpenCV with GStreamer here (apt-get install python3-opencv gstreamer1.0-libav)")


def test_gstreamer_plays_with_credentials_that_need_quotes(clip):
    require_server()
    require_gstreamer()
    word = 'a"b\\c ! fakesink \\" é'
    with Server(clip, login="digest", credentials=(ID, word)) as server:
        environ = {"KFACE_STREAM_ID": ID, "KFACE_STREAM_PASSWORD": word}
        output, errors, processes = play(server.uri, "asked", SYSTEM_PYTHON, **environ)
    assert json.loads(output.splitlines()[0]) == {"shape": [240, 320, 3], "gstreamer": True}
    assert "fakesink" not in output + errors + processes


def test_interlaced_pictures_are_the_cameras_or_refused(tmp_path):
    """OpenCV 4.13 to 5.0 cannot convert them, and returns its decoder's old memory as a success."""
    require_server()
    pictures = b"".join(draw(number).tobytes() for number in range(10 * FPS))
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x240", "-r", str(FPS), "-i", "-"]
    path = encode(tmp_path / "clip.mp4", [*raw, "-flags", "+ildct+ilme", "-x264opts", "tff=1"], pictures)
    with Server(path) as server, Stream(server.uri, timing=QUICK) as stream:
        refusal = ""
        try:
            stream.wait_live(GENEROUS)
        except UnusableStreamError as error:
            refusal = str(error)
        if refusal:
            assert "most likely because they are interlaced" in refusal
            assert stream.latest() is None
            return
        numbers = [number for number, _ in collect(stream, 2.0)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= FPS


def test_a_real_clip_through_rtsp(shared_data, tmp_path):
    require_server()
    source = shared_data / "video" / "head-pose-face-detection-female-and-male.gif"
    if not source.is_file():
        pytest.skip(f"the clip {source.name} is absent")
    scale = ["-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2"]
    path = encode(tmp_path / "clip.mp4", ["-stream_loop", "5", "-i", str(source), *scale])
    settings = {"resolution": (640, 360), "fps": 10}
    with Server(path) as server, Stream(StreamSettings.from_uri(server.uri, **settings), timing=QUICK) as stream:
        stream.wait_live(GENEROUS)
        frames = [stream.read(5.0) for _ in range(5)]
    assert all(frame.image.shape[1] == 640 or frame.image.shape[0] == 360 for frame in frames)
    assert any((frames[0].image != frame.image).any() for frame in frames[1:])
