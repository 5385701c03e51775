"""``python -m deploy run`` from end to end: what it writes, says and returns, and how it ends."""

import errno
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from deploy_fakes import (
    FINGERPRINT,
    GENEROUS,
    KEY,
    KIM,
    PARK,
    Camera,
    install,
    open_test_gallery,
    picture,
    read_film,
    threads,
    unit,
    until,
    write_film,
)

pytest.importorskip("yaml")

import kface
from deploy import __main__ as deploy
from deploy import opening, run_command
from deploy.outputs import VideoOutput
from deploy.settings import DeploySettings
from kface import alignment, bundle
from kface.errors import KFaceError, ModelError
from kface.images import read_image
from kface.streams import StreamError, StreamRefusedError

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES = 24
TWO = ((KIM, 80, 90, 90), (PARK, 230, 90, 90))
PLAIN = "bundle: toy\nweb: {enabled: false}\ntracks: {detect_every: 1, views: 1}\n"


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = signal.getsignal(signal.SIGTERM)
    yield
    # The detector's threads end with the detector.
    gc.collect()
    assert until(lambda: threads() == []), threads()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A file of settings in a directory of its own, without a page; returns its path."""
    for name in list(os.environ):
        if name.startswith("KFACE_") or name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(str(tmp_path))
    path = tmp_path / "deploy.yaml"
    path.write_text(PLAIN)
    return str(path)


@pytest.fixture
def film(tmp_path):
    return str(write_film(tmp_path / "film.avi", [picture(*TWO)] * FRAMES))


@pytest.fixture
def recognizer(monkeypatch):
    return install(monkeypatch.setattr)


def main(config, *arguments):
    return run_command.main(["--config", config] + list(arguments))


def told(capsys):
    """Return the lines on standard error, all of which say who speaks."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("deploy: ") for line in lines), lines
    return [line[len("deploy: ") :] for line in lines]


# ---- what it writes


def test_a_film_is_read_without_loss(config, film, recognizer, capsys, monkeypatch):
    monkeypatch.setattr(opening, "open_gallery", lambda *_, **__: open_test_gallery("gallery.db"))
    with open_test_gallery("gallery.db") as gallery:
        gallery.add("김", unit(KIM))
    status = main(
        config,
        "source=" + film,
        "every_frame=true",
        "outputs.json=frames.jsonl",
        "outputs.json_lines=frames",
        "outputs.video=out.avi",
        "outputs.snapshots=faces",
    )
    lines = told(capsys)
    assert status == 0
    with open("frames.jsonl", encoding="utf-8") as stream:
        found = [json.loads(line) for line in stream]
    assert [line["frame"] for line in found] == [number for number in range(FRAMES) for _ in range(2)]
    assert [line["person"] for line in found] == ["김", None] * FRAMES
    assert len(read_film("out.avi")) == FRAMES
    assert sorted(name.split("-", 2)[2] for name in os.listdir("faces")) == ["track1-김.jpg", "track2-unknown.jpg"]
    assert lines[0] == "toy on fake, 1 person enrolled, watching file:" + film
    assert lines[-1].startswith("{} frames in ".format(FRAMES))
    assert lines[-1].endswith(" a second), 0 left out for newer ones")
    assert recognizer.embedder.closed


def test_events_go_to_standard_output_and_talk_to_standard_error(config, film, recognizer, capsys):
    assert main(config, "source=" + film, "every_frame=true", "outputs.json=-") == 0
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["kind"], event["track"]) for event in out] == [
        ("unknown", 1), ("unknown", 2), ("left", 1), ("left", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("asked", "fps", "frames"), [("null", 20, 24), ("30", 20, 24), ("10", 10, 12)])
def test_a_film_plays_as_fast_as_the_one_that_was_read(config, film, recognizer, monkeypatch, asked, fps, frames):
    made = []
    monkeypatch.setattr(opening, "VideoOutput", lambda *given: made.append(given) or VideoOutput(*given))
    assert main(config, "source=" + film, "every_frame=true", "outputs.video=out.avi", "stream={fps: %s}" % asked) == 0
    assert made == [("out.avi", pytest.approx(fps), False)]
    assert len(read_film("out.avi")) == frames


def test_the_command_is_one_of_deploys(config, film, recognizer, capsys):
    assert deploy.main(["run", "--config", config, "source=" + film, "every_frame=true"]) == 0
    assert told(capsys)[-1].startswith("24 frames in ")


def test_the_file_of_settings_may_be_in_the_environment(config, film, recognizer, monkeypatch, capsys):
    monkeypatch.setenv("KFACE_CONFIG", config)
    assert run_command.main(["source=" + film, "every_frame=true"]) == 0


def test_settings_are_shown_without_passwords(config, capsys):
    with open(config, "a") as stream:
        stream.write("stream: {kind: rtsp, address: 10.0.0.7, id: me, password: hush-hush}\n")
    os.chmod(config, 0o600)
    assert main(config, "--show", "loop=true") == 0
    shown = capsys.readouterr().out
    assert "loop: true" in shown
    assert "10.0.0.7" in shown
    assert "hush" not in shown


# ---- what goes wrong


def test_a_file_that_is_not_there_is_one_line(config, recognizer, capsys):
    for options in ((), ("every_frame=true",)):
        assert main(config, "source=none.mp4", *options) == 2
        assert told(capsys) == ["none.mp4: cannot be opened (No such file or directory)"]


def test_a_file_that_is_no_film_is_one_line(config, recognizer, capsys, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no film" * 1000)
    for options in ((), ("every_frame=true",)):
        assert main(config, "source=bad.mp4", *options) == 2
        lines = told(capsys)
        assert "bad.mp4" in lines[-1]
        assert "stopped" not in lines[-1]


def test_a_wrong_setting_is_one_line(config, capsys):
    assert main(config, "source=a.mp4", "outputs.vidoe=b.mp4") == 2
    assert told(capsys) == ["outputs.vidoe: there is no such setting; choose: video"]
    assert run_command.main(["--config", "none.yaml"]) == 2
    assert told(capsys) == ["none.yaml: cannot be read (No such file or directory)"]


def test_a_gallery_of_another_model_is_refused_before_the_first_face(config, film, recognizer, capsys, monkeypatch):
    pytest.importorskip("cryptography")
    from kface.gallery import Gallery

    with Gallery("gallery.db", "b" * 64, KEY) as other:
        other.add("Kim", unit(KIM))
    monkeypatch.setattr(opening, "open_gallery", lambda *_, **__: Gallery("gallery.db", FINGERPRINT, KEY))
    # Even a film of nobody.
    write_film("empty.avi", [picture()] * 3)
    assert main(config, "source=empty.avi", "every_frame=true") == 2
    lines = told(capsys)
    assert len(lines) == 1
    assert "gallery.db" in lines[0]


def test_networks_that_fail_end_it_with_one_line(config, film, recognizer, capsys, monkeypatch):
    def broken(crops):
        raise ModelError("gave an array of another shape", "embedder.onnx")

    monkeypatch.setattr(recognizer.embedder, "run", broken)
    assert main(config, "source=" + film, "every_frame=true", "outputs.json=a.jsonl") == 2
    lines = told(capsys)
    assert lines[-1] == "embedder.onnx: gave an array of another shape"
    assert sum("another shape" in line for line in lines) == 1


def test_a_full_disk_costs_one_output_and_the_status(config, film, recognizer, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    assert main(config, "source=" + film, "every_frame=true", "outputs.json=/dev/full", "outputs.video=out.avi") == 1
    assert "/dev/full: cannot be written ({}); make room".format(os.strerror(errno.ENOSPC)) in told(capsys)
    assert len(read_film("out.avi")) == FRAMES


def test_an_output_that_fails_at_the_very_end_is_told(config, film, recognizer, capsys, monkeypatch):
    def close(output, events):
        raise KFaceError("nothing was written", output.name, "make room, or give another outputs.video")

    monkeypatch.setattr(VideoOutput, "close", close)
    assert main(config, "source=" + film, "every_frame=true", "outputs.video=out.avi") == 1
    assert "out.avi: nothing was written; make room, or give another outputs.video" in told(capsys)


def test_an_output_that_cannot_be_opened_ends_it_before_it_begins(config, film, recognizer, capsys):
    os.mkdir("folder")
    assert main(config, "source=" + film, "every_frame=true", "outputs.json=folder") == 2
    assert told(capsys) == ["folder: cannot be written (Is a directory); give another outputs.json"]
    assert recognizer.embedder.closed


# ---- cameras


def test_a_camera_that_refuses_the_password_is_told_at_once(config, capsys, monkeypatch):
    def refuse(settings):
        raise StreamRefusedError("does not accept the id or the password", settings.uri, "correct them")

    install(monkeypatch.setattr, camera=refuse)
    begun = time.monotonic()
    assert main(config, "source=rtsp://127.0.0.1/live") == 2
    assert told(capsys)[-1] == "rtsp://127.0.0.1:554/live: does not accept the id or the password; correct them"
    assert time.monotonic() - begun < GENEROUS / 2


def test_a_camera_that_is_off_may_come_later(config, capsys, monkeypatch):
    camera = Camera(picture(*TWO))
    tries = []

    def open_later(settings):
        tries.append(settings)
        if len(tries) < 3:
            raise StreamError("cannot be reached", settings.uri)
        return camera

    install(monkeypatch.setattr, camera=open_later)
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=3", "outputs.json=a.jsonl") == 0
    lines = told(capsys)
    assert "lost: rtsp://127.0.0.1:554/live: cannot be reached" in lines
    assert "live" in lines
    assert os.path.getsize("a.jsonl")


def test_it_stops_when_its_time_is_over(config, capsys, monkeypatch):
    install(monkeypatch.setattr, camera=Camera(picture(*TWO)))
    begun = time.monotonic()
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=1") == 0
    assert 1 <= time.monotonic() - begun < GENEROUS


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


# ---- the sample


def test_the_first_drawing_of_the_sample_is_announced(config, film, recognizer, capsys, monkeypatch):
    drawn = []

    def write_clip(directory):
        drawn.append(capsys.readouterr().err)
        path = opening.clip_path(directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(film, str(path))
        return path

    monkeypatch.setattr(opening, "write_clip", write_clip)
    assert main(config, "every_frame=true") == 0
    assert drawn == ["deploy: drawing a clip of the synthetic sample, once; that takes some seconds\n"]
    assert told(capsys)[0].endswith("watching synthetic sample")
    assert main(config, "every_frame=true") == 0
    assert drawn[1] == ""


def test_the_sample_stands_for_a_camera_and_does_not_end(config, film, recognizer, capsys, monkeypatch):
    monkeypatch.setattr(opening, "write_clip", lambda directory: film)
    there = opening.clip_path("x").parent.joinpath(film)
    monkeypatch.setattr(opening, "clip_path", lambda directory: there)
    # The film takes 1.2 s.
    assert main(config, "seconds=3", "outputs.json=a.jsonl", "outputs.json_lines=frames") == 0
    with open("a.jsonl") as stream:
        assert max(json.loads(line)["frame"] for line in stream) > FRAMES


# ---- signals, in a process of their own

PROGRAM = """
import signal, sys
sys.path[:0] = [{sources!r}, {here!r}]
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
    text = PROGRAM.format(sources=SOURCES, here=HERE, off=off)
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
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from kface.mtcnn import weights

    try:
        models = weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
            helper.make_node("GlobalAveragePool", ["pooled"], ["mean"]),
            helper.make_node("Sub", ["pooled", "mean"], ["centred"]),
            helper.make_node("Flatten", ["centred"], ["embedding"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", floats, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", floats, ["n", 147])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    made = tmp_path_factory.mktemp("real") / "bundle"
    (made / "detector").mkdir(parents=True)
    (made / "embedder.onnx").write_bytes(model.SerializeToString())
    facts = {"batch": "dynamic", "input": "image", "layout": "NCHW", "precision": "fp32", "opset": 13}
    files = [bundle.describe(made, "embedder.onnx", "embedder", normalised=False, outputs=("embedding",), **facts)]
    for source in sorted(models.iterdir()):
        (made / "detector" / source.name).write_bytes(source.read_bytes())
        known = dict(facts, outputs=("logits",)) if source.suffix == ".onnx" else {}
        files.append(bundle.describe(made, "detector/" + source.name, "detector", **known))
    preprocessing, template = bundle.Preprocessing(), bundle.Template()
    bundle.write(
        made,
        bundle.Manifest(
            name="tiny",
            created="2026-01-01T00:00:00+00:00",
            files=tuple(files),
            embedding=147,
            fingerprint=bundle.fingerprint(files[0].sha256, preprocessing, template),
            training={},
            thresholds=None,
            synthetic=True,
            licence="Apache-2.0",
            provenance=(),
        ),
    )
    return made


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
