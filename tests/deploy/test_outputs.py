"""What is written: JSON lines, and the annotated video."""

import errno
import io
import json
import os
import re
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from deploy_fakes import (
    BOX,
    HAN,
    KIM,
    event,
    identity,
    mode_of,
    picture,
    read_film,
    result,
    track,
)
from waiting import GENEROUS

import kface
from deploy.outputs import Output
from deploy.outputs.json_lines import JsonLines
from deploy.outputs.snapshots import Snapshots
from deploy.outputs.video import VideoOutput, _letterbox
from kface.errors import ConfigError, KFaceError
from kface.recognizer import UNDECIDED, UNKNOWN

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---- JSON lines


def test_each_event_is_a_line(tmp_path):
    path = tmp_path / "new" / "events.jsonl"
    output = JsonLines(str(path))
    output.write(result(), [event(), event("unknown", None, 2, 2)])
    # Another program can follow: what was written is there at once.
    assert [line["kind"] for line in lines(path)] == ["recognised", "unknown"]
    output.write(result(), [])
    output.close([event("left", number=3)])
    assert lines(path)[0] == {
        "number": 1,
        "time": "2026-01-02T03:04:05.678+09:00",
        "kind": "recognised",
        "track": 1,
        "person": "김철수",
        "box": list(map(float, BOX)),
        "frame": 7,
    }
    assert [line["kind"] for line in lines(path)] == ["recognised", "unknown", "left"]
    assert "김철수" in path.read_text(encoding="utf-8")
    assert mode_of(path) == 0o600


def test_a_file_is_appended_to(tmp_path):
    path = tmp_path / "events.jsonl"
    for number in (1, 2):
        output = JsonLines(str(path))
        output.write(result(), [event(number=number)])
        output.close([])
    assert [line["number"] for line in lines(path)] == [1, 2]


def test_each_face_of_each_frame_is_a_line(tmp_path):
    path = tmp_path / "frames.jsonl"
    output = JsonLines(str(path), every_frame=True)
    output.write(
        result(3, [track(1, HAN, BOX), track(2, identity(UNDECIDED, "Park", -2.0)), track(3, HAN, missing=1)]),
        [event()],
    )
    output.write(result(4), [])
    output.write(result(5, alone=[(BOX, identity(UNKNOWN, None, 0.1))]), [event()])
    output.close([event("left")])
    found = lines(path)
    assert [(line["frame"], line["track"], line["state"], line["person"], line["score"]) for line in found] == [
        (3, 1, "recognised", "김철수", 0.8765),
        (3, 2, "undecided", None, None),
        (5, None, "unknown", None, 0.1),
    ]
    assert found[0]["box"] == list(map(float, BOX))
    assert found[0]["detection"] == 0.9
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\Z", found[0]["time"])


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file" / "events.jsonl"):
        with pytest.raises(ConfigError) as caught:
            JsonLines(str(path))
        assert str(caught.value).startswith("{}: cannot be written (".format(path))
        assert str(caught.value).endswith("choose another outputs.json")


def test_a_full_disk_is_an_error_of_the_file(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    output = JsonLines("/dev/full")
    with pytest.raises(OSError) as caught:
        output.write(result(), [event()])
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError):
        output.close([])
    assert output._stream.closed


def test_standard_output_stays_open_and_is_ascii(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    output = JsonLines("-")
    assert output.name == "standard output"
    output.write(result(), [event()])
    output.close([])
    assert not stream.closed
    assert json.loads(stream.buffer.getvalue().decode("ascii"))["person"] == "김철수"


#: Writes an event to standard output, and prints how that ended.
PROGRAM = """
import sys
sys.path[:0] = [{sources!r}, {here!r}, {tests!r}]
from deploy_fakes import event, result
from deploy.outputs.json_lines import JsonLines
output = JsonLines("-")
for _ in range({count}):
    try:
        output.write(result(), [event(number=n) for n in range({many})])
    except OSError as error:
        sys.stderr.write(type(error).__name__)
        break
"""


def program(count, many):
    return [
        sys.executable,
        "-c",
        PROGRAM.format(sources=SOURCES, here=HERE, tests=os.path.dirname(HERE), count=count, many=many),
    ]


def test_standard_output_takes_hangul_in_any_locale():
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHON", "LANG"))}
    clean.update(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    done = subprocess.run(
        program(1, 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("ascii"))["person"] == "김철수"


@pytest.mark.parametrize("many", [1, 100])
def test_a_reader_that_leaves_is_an_error_once(many):
    child = subprocess.Popen(program(100000, many), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout.readline()
    child.stdout.close()
    told = child.stderr.read()
    child.stderr.close()
    # Python itself has nothing more to say at its end.
    assert (child.wait(60), told) == (0, b"BrokenPipeError")


# ---- the video


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".MP4"])
def test_a_film_has_as_many_frames_as_results(tmp_path, ending):
    path = tmp_path / "new" / ("film" + ending)
    output = VideoOutput(str(path), 20.0, live=False)
    for number in range(23):
        output.write(result(number, [track(1, HAN, BOX)], image=picture((KIM + number, 130, 90, 60))), [])
    output.close([])
    found = read_film(path)
    assert len(found) == 23
    assert found[0].shape == (180, 320, 3)
    # BGR by now, and annotated: the box's colour, and the face in it.
    assert np.abs(found[-1][90, 99:102].astype(int) - (115, 158, 0)).sum(axis=1).min() < 120
    assert abs(float(found[22][70:110, 110:150].mean()) - KIM - 22) < 12
    assert mode_of(path) == 0o600


def test_a_film_takes_the_place_of_one_that_others_could_read(tmp_path):
    path = tmp_path / "film.avi"
    path.write_bytes(b"x" * 10)
    path.chmod(0o644)
    output = VideoOutput(str(path), 20.0, live=False)
    assert mode_of(path) == 0o600
    assert path.stat().st_size == 0
    output.write(result(), [])
    output.close([])
    assert mode_of(path) == 0o600
    assert len(read_film(path)) == 1


def test_a_film_without_frames_is_none(tmp_path):
    path = tmp_path / "film.mp4"
    VideoOutput(str(path), 20.0, live=False).close([])
    assert not path.exists()


def test_a_film_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.mp4 or \.avi"):
        VideoOutput(str(tmp_path / "film.mkv"), 20.0, live=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"cannot be written \(.*\); choose another outputs\.video"):
        VideoOutput(str(tmp_path / "file" / "film.mp4"), 20.0, live=False)


class Writer(object):
    """Stands in for cv2.VideoWriter: keeps the pictures, and writes nothing."""

    opens = True
    made = []

    def __init__(self, path, codec, fps, size):
        self.size = size
        self.pictures = []
        Writer.made.append(self)

    def isOpened(self):
        return self.opens

    def write(self, bgr):
        assert (bgr.shape[1], bgr.shape[0]) == self.size
        assert bgr.flags["C_CONTIGUOUS"]
        self.pictures.append(bgr)

    def release(self):
        pass

    fourcc = staticmethod(cv2.VideoWriter.fourcc)


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setattr(Writer, "made", [])
    monkeypatch.setattr(cv2, "VideoWriter", Writer)
    return Writer


def test_an_opencv_that_cannot_write_it_says_so(tmp_path, writer, monkeypatch):
    monkeypatch.setattr(writer, "opens", False)
    output = VideoOutput(str(tmp_path / "film.mp4"), 20.0, live=False)
    with pytest.raises(KFaceError, match="this OpenCV cannot write this video format"):
        output.write(result(), [])
    output.close([])
    assert not (tmp_path / "film.mp4").exists()


def test_a_film_of_which_nothing_got_to_the_disk_is_an_error(tmp_path, writer):
    output = VideoOutput(str(tmp_path / "film.mp4"), 20.0, live=False)
    output.write(result(), [])
    with pytest.raises(KFaceError, match=r"film\.mp4: nothing was written; free some space"):
        output.close([])


def at(seconds, number=0, image=None):
    shown = result(number, image=image)
    return shown._replace(frame=shown.frame._replace(time_monotonic=100.0 + seconds))


def live_film(tmp_path, writer, times, fps=10.0):
    """Return how often each frame was written."""
    output = VideoOutput(str(tmp_path / "film.mp4"), fps, live=True)
    counts, last = [], 0
    for number, seconds in enumerate(times):
        output.write(at(seconds, number), [])
        counts.append(len(writer.made[0].pictures) - last)
        last += counts[-1]
    return counts


def test_frames_that_come_as_fast_as_the_film_plays_are_written_once(tmp_path, writer):
    assert live_film(tmp_path, writer, [n / 10.0 for n in range(20)]) == [1] * 20


def test_frames_that_come_a_little_early_or_late_are_written_once(tmp_path, writer):
    assert live_film(tmp_path, writer, [n / 10.0 + (0, -0.03, 0.04)[n % 3] for n in range(20)]) == [1] * 20


def test_slow_frames_are_repeated_and_fast_ones_left_out(tmp_path, writer):
    slow = live_film(tmp_path, writer, [0, 0.2, 0.4, 0.6])
    assert slow == [1, 2, 2, 2]
    writer.made.clear()
    fast = live_film(tmp_path, writer, [n / 40.0 for n in range(41)])
    assert set(fast) <= {0, 1}
    assert sum(fast) == 11


def test_a_film_plays_at_the_speed_at_which_it_was(tmp_path, writer):
    random = np.random.RandomState(0)
    times = np.cumsum(random.uniform(0.01, 0.3, 200))
    counts = live_film(tmp_path, writer, times.tolist())
    assert abs(sum(counts) - (times[-1] - times[0]) * 10) <= 1.5


def test_a_lost_camera_leaves_a_short_gap(tmp_path, writer):
    counts = live_film(tmp_path, writer, [0, 0.1, 600, 600.1])
    assert counts[:2] == [1, 1]
    assert 19 <= counts[2] <= 22
    assert counts[3] == 1


@pytest.mark.parametrize(
    "size", [(638, 360), (640, 358), (641, 361), (639, 361), (1280, 720), (320, 180), (360, 640), (64, 64)]
)
def test_a_camera_that_changes_its_shape_fits_the_film_it_began_with(tmp_path, writer, size):
    output = VideoOutput(str(tmp_path / "film.mp4"), 20.0, live=False)
    output.write(result(image=np.full((360, 640, 3), 200, np.uint8)), [])
    output.write(result(image=np.full((size[1], size[0], 3), 200, np.uint8)), [])
    assert len(writer.made) == 1
    last = writer.made[0].pictures[-1]
    # Its proportions are kept: what is bright has those of the new picture.
    columns, rows = (last[180] > 150).any(axis=1).sum(), (last[:, 320] > 150).any(axis=1).sum()
    assert columns / float(rows) == pytest.approx(size[0] / float(size[1]), rel=0.02)


def test_odd_sides_lose_a_pixel(tmp_path, writer):
    output = VideoOutput(str(tmp_path / "film.mp4"), 20.0, live=False)
    output.write(result(image=np.zeros((181, 321, 3), np.uint8)), [])
    assert writer.made[0].size == (320, 180)
    same = np.zeros((180, 320, 3), np.uint8)
    assert _letterbox(same, (320, 180)) is same


def test_outputs_of_several_files_can_be_written_at_once(tmp_path):
    """Each output belongs to one thread, but several sessions may be at work in a process."""
    failed = []

    def write(number):
        try:
            output = VideoOutput(str(tmp_path / "film{}.avi".format(number)), 20.0, live=False)
            for frame in range(10):
                output.write(result(frame, [track(1, HAN, BOX)]), [])
            output.close([])
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(GENEROUS)
    assert failed == []
    assert [len(read_film(tmp_path / "film{}.avi".format(number))) for number in range(3)] == [10, 10, 10]


# ---- whose they are


@pytest.mark.parametrize("make", [JsonLines, lambda path: VideoOutput(path, 25.0, False)])
def test_an_older_file_that_others_could_read_becomes_its_owners_alone(tmp_path, make):
    path = tmp_path / "old.avi"
    path.write_text("")
    path.chmod(0o644)
    make(str(path)).close([])
    assert not path.exists() or mode_of(path) == 0o600


@pytest.mark.parametrize("make", [JsonLines, lambda path: VideoOutput(path, 25.0, False)])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_another_file_is_not_followed(tmp_path, make, there):
    other, path = tmp_path / "other", tmp_path / "link.avi"
    if there:
        other.write_text("mine")
        other.chmod(0o644)
    path.symlink_to(other)
    with pytest.raises(
        ConfigError, match=r"link\.avi: cannot be written \(a link to another file\); choose another outputs\."
    ):
        make(str(path))
    assert other.exists() == there
    if there:
        assert (other.read_text(), mode_of(other)) == ("mine", 0o644)


@pytest.mark.parametrize("make", [JsonLines, lambda path: VideoOutput(path, 25.0, False)])
def test_a_pipe_that_nobody_reads_is_no_hang(tmp_path, make):
    path = tmp_path / "pipe.avi"
    os.mkfifo(str(path))
    with pytest.raises(ConfigError, match="cannot be written"):
        make(str(path))


def test_a_pipe_that_is_read_gets_the_lines(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(str(path))
    reader = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK)
    output = JsonLines(str(path))
    output.write(result(), [event()])
    assert json.loads(os.read(reader, 65536).decode("utf-8"))["kind"] == "recognised"
    output.close([])
    os.close(reader)


def test_lost_frames_are_told_among_the_lines_of_frames(tmp_path):
    path = tmp_path / "frames.jsonl"
    output = JsonLines(str(path), every_frame=True)
    output.close(
        [event("left"), event("stream")._replace(reason="ended: a.mp4: 1 of 75 frames lost (damaged or missing)")]
    )
    assert [(line["kind"], line["reason"]) for line in lines(path)] == [
        ("stream", "ended: a.mp4: 1 of 75 frames lost (damaged or missing)")
    ]


# ---- what they have in common


EVERY = {
    "lines": lambda path: JsonLines(str(path / "a.jsonl")),
    "video": lambda path: VideoOutput(str(path / "a.avi"), 20.0, live=False),
    "snapshots": lambda path: Snapshots(str(path / "faces"), ("recognised",)),
}


@pytest.mark.parametrize("kind", sorted(EVERY))
def test_in_a_with_statement_an_output_is_finished_also_after_a_failure(tmp_path, kind):
    with EVERY[kind](tmp_path) as output:
        assert isinstance(output, Output)
        output.write(result(0, [track(1, HAN, BOX)], image=picture((KIM, 130, 90, 60))), [event()])
    made = next(path for path in tmp_path.rglob("*") if path.is_file())
    assert made.stat().st_size
    assert mode_of(made) == 0o600
    output, finished = EVERY[kind](tmp_path), []
    close = output.close
    output.close = lambda events: (finished.append(events), close(events))
    with pytest.raises(ZeroDivisionError), output:
        raise ZeroDivisionError()
    assert finished == [[]]


def test_lines_need_no_pixels():
    """The queue before them keeps none."""
    assert [kind.pictures for kind in (JsonLines, Snapshots, VideoOutput)] == [False, True, True]
