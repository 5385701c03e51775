"""``kface deploy`` from end to end: what it writes, says and returns, and how it ends."""

import errno
import json
import os
import shutil
import threading
import time

import pytest
from deploy_fakes import (
    FINGERPRINT,
    FRAMES,
    KEY,
    KIM,
    TWO,
    Camera,
    install,
    main,
    open_test_gallery,
    picture,
    read_film,
    settings_with,
    told,
    unit,
    write_film,
)
from waiting import GENEROUS

pytest.importorskip("yaml")

import kface
from deploy import __main__ as deploy
from deploy import opening, run_command
from deploy.outputs import OutputStream
from deploy.outputs.video import VideoOutput, VideoSettings
from kface.errors import ConfigError, KFaceError, ModelError
from kface.streams import StreamError, StreamRefusedError, StreamSettings

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
pytestmark = pytest.mark.usefixtures("nothing_is_left")


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
    assert lines[-1].endswith(" fps), 0 skipped for newer ones")
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
    opened = VideoOutput.open
    monkeypatch.setattr(VideoOutput, "open", lambda *given: made.append(given) or opened(*given))
    assert main(config, "source=" + film, "every_frame=true", "outputs.video=out.avi", "stream={fps: %s}" % asked) == 0
    assert made == [(VideoSettings("out.avi"), OutputStream(pytest.approx(fps), False))]
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


def test_a_session_that_its_caller_forgets_is_stopped(film, recognizer, tmp_path):
    settings = settings_with(stream=StreamSettings("file", file=film), every_frame=True)
    with opening.open_session(settings) as session:
        session.start()
    assert not session.running
    assert session.status.stream == "closed"
    assert recognizer.embedder.closed


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
    assert told(capsys) == ["outputs.vidoe: unknown setting; choose: video"]
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
        raise KFaceError("nothing was written", output.name, "free some space, or choose another outputs.video")

    monkeypatch.setattr(VideoOutput, "close", close)
    assert main(config, "source=" + film, "every_frame=true", "outputs.video=out.avi") == 1
    assert "out.avi: nothing was written; free some space, or choose another outputs.video" in told(capsys)


def test_an_output_that_cannot_be_opened_ends_it_before_it_begins(config, film, recognizer, capsys):
    os.mkdir("folder")
    assert main(config, "source=" + film, "every_frame=true", "outputs.json=folder") == 2
    assert told(capsys) == ["folder: cannot be written (Is a directory); choose another outputs.json"]
    assert recognizer.embedder.closed


def test_a_film_that_ends_early_is_told_everywhere(config, film, recognizer, capsys):
    """In the log, in the lines, in the summary and in the exit status; see the streams' own tests for the kinds of damage."""
    with open(film, "rb") as stream:
        data = stream.read()
    with open("cut.avi", "wb") as stream:
        stream.write(data[: len(data) * 2 // 3])
    assert main(config, "source=cut.avi", "every_frame=true", "outputs.json=a.jsonl") == 3
    lines = told(capsys)
    assert "frames lost (damaged or missing), the file is truncated" in lines[-1]
    assert any(line.startswith("ended: file:cut.avi: ") for line in lines)
    with open("a.jsonl", encoding="utf-8") as stream:
        last = json.loads(stream.read().splitlines()[-1])
    assert last["kind"] == "stream"
    assert last["reason"].startswith("ended: file:cut.avi: ")


# ---- cameras


def test_a_camera_that_refuses_the_password_is_told_at_once(config, capsys, monkeypatch):
    def refuse(settings):
        raise StreamRefusedError("does not accept the id or the password", settings.uri, "correct them")

    install(monkeypatch.setattr, camera=refuse)
    begun = time.monotonic()
    assert main(config, "source=rtsp://127.0.0.1/live") == 2
    assert told(capsys)[-1] == "rtsp://127.0.0.1:554/live: does not accept the id or the password; correct them"
    assert time.monotonic() - begun < GENEROUS / 2


def test_a_camera_that_can_never_be_opened_here_is_told_at_once(config, capsys, monkeypatch):
    def refuse(settings):
        raise ConfigError("makes OpenCV log passwords", "OPENCV_VIDEOIO_DEBUG", "unset it and start again")

    install(monkeypatch.setattr, camera=refuse)
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=20") == 2
    assert told(capsys)[-1] == "OPENCV_VIDEOIO_DEBUG: makes OpenCV log passwords; unset it and start again"


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
    # Each state once, however often it was tried.
    assert lines[1:3] == ["lost: rtsp://127.0.0.1:554/live: cannot be reached", "live"]
    assert len(lines) == 4
    assert os.path.getsize("a.jsonl")


def test_a_camera_that_has_been_live_and_refuses_later_is_waited_for(config, capsys, monkeypatch):
    """Somebody may be changing its password."""
    camera = Camera(picture(*TWO))
    tries = []

    def open_once(settings):
        tries.append(settings)
        if len(tries) > 1:
            raise StreamRefusedError("does not accept the id or the password", settings.uri)
        threading.Timer(1.0, lambda: setattr(camera, "scene", None)).start()
        camera.resume.set()
        return camera

    install(monkeypatch.setattr, camera=open_once)
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=3") == 0
    lines = told(capsys)
    assert "lost: rtsp://127.0.0.1:554/live: does not accept the id or the password" in lines
    assert lines[-1].endswith("stream lost once")


def test_it_stops_when_its_time_is_over(config, capsys, monkeypatch):
    install(monkeypatch.setattr, camera=Camera(picture(*TWO)))
    begun = time.monotonic()
    assert main(config, "source=rtsp://127.0.0.1/live", "seconds=1") == 0
    assert 1 <= time.monotonic() - begun < GENEROUS


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
    assert drawn == ["deploy: rendering a clip of the synthetic sample (once, takes a few seconds)\n"]
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
