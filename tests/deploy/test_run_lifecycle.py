"""How ``kface deploy`` begins, lives beside a window and systemd, and ends; and the whole of it with real networks."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from deploy_fakes import (
    TWO,
    Camera,
    install,
    main,
    picture,
    read_film,
    told,
    write_film,
)
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle
from waiting import GENEROUS, until

pytest.importorskip("yaml")

import kface
from deploy import opening, run_command
from deploy.settings import DeploySettings
from kface import alignment
from kface.errors import ModelError
from kface.images import read_image
from kface.streams import StreamError

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
pytestmark = pytest.mark.usefixtures("nothing_is_left")


# ---- the window, the page, and systemd


class Window(object):
    """Is open until it is closed."""

    def __init__(self, leave=False):
        self.closed = threading.Event()
        self.leave = leave

    def run(self):
        assert self.leave or self.closed.wait(GENEROUS)

    def close(self):
        self.closed.set()


def test_a_window_is_closed_when_the_time_is_over(config, capsys, monkeypatch):
    install(monkeypatch.setattr, camera=Camera(picture(*TWO)))
    window = Window()
    monkeypatch.setattr(run_command, "_window", lambda session: window)
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=1", "outputs.window=true") == 0
    assert window.closed.is_set()


def test_closing_the_window_ends_it(config, capsys, monkeypatch):
    install(monkeypatch.setattr, camera=Camera(picture(*TWO)))
    monkeypatch.setattr(run_command, "_window", lambda session: Window(leave=True))
    assert main(config, "source=rtsp://127.0.0.1/live", "outputs.window=true") == 0


def test_a_failure_behind_a_window_is_told_as_well(config, film, recognizer, capsys, monkeypatch):
    def broken(crops):
        raise ModelError("gave an array of another shape", "embedder.onnx")

    monkeypatch.setattr(recognizer.embedder, "run", broken)

    class Ends(Window):
        def __init__(self, session):
            super(Ends, self).__init__()
            self.session = session

        def run(self):
            assert until(lambda: self.session.status.stream in ("ended", "closed"))

    monkeypatch.setattr(run_command, "_window", Ends)
    assert main(config, "source=" + film, "every_frame=true", "outputs.window=true") == 2
    assert told(capsys)[-1] == "embedder.onnx: gave an array of another shape"


def test_the_pages_address_is_told(config, film, recognizer, capsys, monkeypatch):
    monkeypatch.setenv("KFACE_WEB_TOKEN", "t" * 43)
    assert main(config, "source=" + film, "every_frame=true", "web.enabled=true", "web.port=0") == 0
    lines = told(capsys)
    assert any(line.startswith("the live picture is at http://127.0.0.1:") for line in lines)


@pytest.fixture
def manager(tmp_path, monkeypatch, config):
    """Listen as systemd does; returns a function that returns what was said until the end."""
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no Unix sockets")
    heard = []

    def listen():
        while "STOPPING=1" not in heard:
            heard.append(channel.recv(4096).decode("utf-8"))

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(2 * GENEROUS)
        reader = threading.Thread(target=listen, name="systemd")
        reader.start()
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        monkeypatch.setattr(run_command, "TICK_S", 0.05)

        def said():
            reader.join(2 * GENEROUS)
            return heard

        yield said
        reader.join(2 * GENEROUS)


def test_systemd_is_told_that_it_lives(config, capsys, monkeypatch, manager):
    install(monkeypatch.setattr, camera=Camera(picture(*TWO)))
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=2") == 0
    said = manager()
    assert said[0] == "READY=1\nSTATUS=rtsp://127.0.0.1:554/live"
    assert said[-1] == "STOPPING=1"
    alive = said[1:-1]
    assert len(alive) >= 3
    assert all(line.startswith("WATCHDOG=1\nSTATUS=rtsp://127.0.0.1:554/live: ") for line in alive)
    assert any("live, " in line and line.endswith(" 2 faces") for line in alive)


def test_a_lost_camera_is_no_reason_to_begin_anew(config, capsys, monkeypatch, manager):
    def off(settings):
        raise StreamError("cannot be reached", settings.uri)

    install(monkeypatch.setattr, camera=off)
    monkeypatch.setattr(run_command, "FIRST_S", 0.2)
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=2") == 0
    assert sum(line.startswith("WATCHDOG=1") for line in manager()) >= 3


def test_who_is_stuck_in_a_driver_does_not_claim_to_live(config, capsys, monkeypatch, manager):
    recognizer = install(monkeypatch.setattr, camera=Camera(picture(*TWO)))
    gate = threading.Event()
    recognizer.embedder.gate = gate
    timer = threading.Timer(2.5, gate.set)
    timer.start()
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=2") == 0
    timer.join()
    # One at the start: it has had no result yet, and may need its time for the first.
    assert sum(line.startswith("WATCHDOG=1") for line in manager()) <= 1


# ---- signals, in a process of their own

PROGRAM = """
import signal, sys
sys.path[:0] = [{sources!r}, {here!r}, {tests!r}]
# A shell's background job ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
import deploy_fakes
from kface.streams import StreamError
def camera(settings):
    if {off!r}:
        raise StreamError("cannot be reached", settings.uri)
    return deploy_fakes.Camera(deploy_fakes.picture((90, 80, 90, 90)))
deploy_fakes.install(setattr, camera=camera)
from deploy import __main__
sys.exit(__main__.main(["run"] + sys.argv[1:]))
"""


def signalled(config, sign, off, waits_for):
    """Run it on a camera, send a signal once it has said something, and return status, output and errors."""
    text = PROGRAM.format(sources=SOURCES, here=HERE, tests=os.path.dirname(HERE), off=off)
    child = subprocess.Popen(
        [sys.executable, "-c", text, "--config", config, "source=rtsp://127.0.0.1/live", "outputs.json=-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        seen = b""
        while waits_for not in seen:
            line = child.stderr.readline()
            assert line, seen
            seen += line
        if not off:
            assert b"unknown" in child.stdout.readline()
        begun = time.monotonic()
        child.send_signal(sign)
        out, err = child.communicate(timeout=3 * GENEROUS)
        assert time.monotonic() - begun < GENEROUS
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    assert b"Traceback" not in seen + err
    return child.returncode, out.decode("ascii"), (seen + err).decode("utf-8").splitlines()


def test_terminated_it_ends_well(config):
    status, out, lines = signalled(config, signal.SIGTERM, False, b"deploy: live")
    assert status == 0
    assert json.loads(out.splitlines()[-1])["kind"] == "left"
    assert " frames in " in lines[-1]


def test_interrupted_it_says_so(config):
    status, out, lines = signalled(config, signal.SIGINT, False, b"deploy: live")
    assert status == 130
    assert json.loads(out.splitlines()[-1])["kind"] == "left"
    assert lines[-1] == "deploy: stopped"


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_need_not_wait_for_a_camera_that_is_off(config, sign, status):
    found, _, _ = signalled(config, sign, True, b"lost: rtsp://127.0.0.1:554/live: cannot be reached")
    assert found == status


def test_in_another_thread_signals_are_left_alone(config, film, recognizer, capsys):
    found = []
    settings = DeploySettings.from_mapping(run_command.resolve(["source=" + film, "every_frame=true"], config))
    thread = threading.Thread(target=lambda: found.append(run_command.run(settings)))
    thread.start()
    thread.join(GENEROUS)
    assert found == [0]


# ---- with real networks


@pytest.fixture(scope="module")
def real_bundle(tmp_path_factory):
    """The real cascade, and an embedder that averages over squares."""
    pytest.importorskip("onnxruntime")
    models = models_or_skip()
    return write_bundle(tmp_path_factory.mktemp("real") / "bundle", tiny_embedder(), models=models)


def test_somebody_is_enrolled_from_the_live_picture_and_recognised_later(config, real_bundle, tmp_path, monkeypatch):
    """The paper's flow, with everything real but the people."""
    pytest.importorskip("cryptography")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("KFACE_GALLERY", str(tmp_path / "gallery.db"))
    sheet = read_image(os.path.join(os.path.dirname(SOURCES), "docs", "images", "sample.jpg"))
    scene = np.full((240, 480, 3), 128, np.uint8)
    scene[35:205, 40:210] = sheet[0:170, 340:510]
    scene[35:205, 270:440] = sheet[340:510, 340:510]
    write_film("people.avi", [scene] * 40)
    given = ["bundle={}".format(real_bundle), "source=people.avi", "match={recognised: 0.95, unknown: 0.9}"]
    values = run_command.resolve(given + ["loop=true", "enrolment={size: 40, sharpness: 5, yaw: 0.5}"], config)
    with opening.open_session(DeploySettings.from_mapping(values)) as session:
        session.start()
        assert until(lambda: session.status.faces == 2)
        view = session.wait_view()
        left = min(view.faces, key=lambda face: face.box[0])
        x1, y1, x2, y2 = left.box
        made = session.enrol(session.pick((x1 + x2) / 2, (y1 + y2) / 2).id, "김철수")
        assert made.name == "김철수"
    assert alignment.SIZE == 112
    status = main(config, *(given + ["every_frame=true", "outputs.json=events.jsonl", "outputs.video=out.mp4"]))
    assert status == 0
    with open("events.jsonl", encoding="utf-8") as stream:
        events = [json.loads(line) for line in stream]
    people = {(event["kind"], event.get("person")) for event in events}
    assert people == {("recognised", "김철수"), ("unknown", None), ("left", "김철수"), ("left", None)}
    named = [event for event in events if event["kind"] == "recognised"]
    assert all(event["box"][0] < 210 and event["score"] > 0.95 for event in named)
    assert len(read_film("out.mp4")) == 40
