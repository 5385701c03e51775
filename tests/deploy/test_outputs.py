"""What is written: JSON lines, the annotated video, and a picture of everybody who came by."""

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
from deploy_fakes import GENEROUS, KIM, PARK, identity, mode_of, picture, read_film, result, track

import kface
from deploy.events import Event
from deploy.outputs import JsonLines, Snapshots, VideoOutput, snapshots
from deploy.outputs.snapshots import cut, safe_name
from deploy.outputs.video import _letterbox
from kface.errors import ConfigError, KFaceError
from kface.images import decode_image
from kface.recognizer import RECOGNISED, UNDECIDED, UNKNOWN

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
HAN = identity(RECOGNISED, "김철수", 0.87654)
BOX = (100, 60, 160, 120)
WHO = (KIM, 130, 90, 60)


def event(kind="recognised", person="김철수", track_number=1, number=1, second=5, box=BOX):
    return Event(
        number, "2026-01-02T03:04:{:02d}.678+09:00".format(second), kind, track_number, person, box=box, frame=7
    )


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
        assert str(caught.value).endswith("give another outputs.json")


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
sys.path[:0] = [{sources!r}, {here!r}]
from test_outputs import event, result
from deploy.outputs import JsonLines
output = JsonLines("-")
for _ in range({count}):
    try:
        output.write(result(), [event(number=n) for n in range({many})])
    except OSError as error:
        sys.stderr.write(type(error).__name__)
        break
"""


def program(count, many):
    return [sys.executable, "-c", PROGRAM.format(sources=SOURCES, here=HERE, count=count, many=many)]


def test_standard_output_takes_hangul_in_any_locale():
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHON", "LANG"))}
    clean.update(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    done = subprocess.run(
        program(1, 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("ascii"))["person"] == "김철수"


def test_a_reader_that_leaves_is_an_error_once():
    child = subprocess.Popen(program(1000, 100), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
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
    with pytest.raises(ConfigError, match=r"cannot be written \(.*\); give another outputs\.video"):
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
    with pytest.raises(KFaceError, match="this OpenCV cannot write such a video"):
        output.write(result(), [])
    output.close([])
    assert not (tmp_path / "film.mp4").exists()


def test_a_film_of_which_nothing_got_to_the_disk_is_an_error(tmp_path, writer):
    output = VideoOutput(str(tmp_path / "film.mp4"), 20.0, live=False)
    output.write(result(), [])
    with pytest.raises(KFaceError, match=r"film\.mp4: nothing was written; make room"):
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


# ---- snapshots


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "snapshots"


def make(folder, kinds=("recognised", "unknown"), kept=1000):
    return Snapshots(str(folder), kinds, kept)


def taken(folder):
    return sorted(path.name for path in folder.iterdir())


def shown(number, who=WHO, box=BOX, tracks=True):
    image = picture(who)
    if tracks:
        return result(number, [track(1, HAN, box)], image=image)
    return result(number, alone=[(box, HAN)], image=image)


def test_a_snapshot_shows_the_face_with_a_margin(folder):
    output = make(folder)
    output.write(shown(7), [event()])
    assert taken(folder) == ["20260102-030405.678-track1-김철수.jpg"]
    image = decode_image((folder / taken(folder)[0]).read_bytes(), "snapshot")
    assert image.shape == (132, 132, 3)
    assert abs(float(image[50:80, 50:80].mean()) - KIM) < 10
    assert mode_of(folder) == 0o700
    assert mode_of(folder / taken(folder)[0]) == 0o600


def test_only_the_chosen_kinds_are_taken(folder):
    output = make(folder, ("unknown",))
    output.write(shown(7), [event(), event("stream", None, None, box=None), event("left")])
    assert taken(folder) == []
    output.write(shown(8), [event("unknown", None)])
    assert taken(folder) == ["20260102-030405.678-track1-unknown.jpg"]


@pytest.fixture
def sharp(monkeypatch):
    """How sharp every face is, in a list."""
    value = [100.0]
    monkeypatch.setattr(snapshots, "sharpness", lambda crops: np.full((len(crops),), value[0], np.float32))
    return value


def square(side):
    """Return the frame of that number, with a face of that side."""
    return shown(side, WHO, (130 - side / 2, 90 - side / 2, 130 + side / 2, 90 + side / 2))


def test_a_better_view_takes_the_place_of_the_snapshot(folder, sharp):
    output = make(folder)

    def there():
        assert len(taken(folder)) == 1
        return decode_image((folder / taken(folder)[0]).read_bytes(), "snapshot").shape

    output.write(square(40), [event(box=(110, 70, 150, 110))])
    assert there() == (88, 88, 3)
    # Hardly better: it stays.
    output.write(square(48), [])
    assert there() == (88, 88, 3)
    output.write(square(60), [])
    assert there() == (132, 132, 3)
    assert mode_of(folder / taken(folder)[0]) == 0o600
    # Not better than the last one, though than the first.
    output.write(square(56), [])
    assert there() == (132, 132, 3)
    # Smaller, but much sharper: half of the weight is reached at 100.
    sharp[0] = 1000.0
    output.write(square(50), [])
    assert there() == (110, 110, 3)


def test_once_its_person_has_left_a_snapshot_stays(folder):
    output = make(folder)
    output.write(shown(7, (KIM, 130, 90, 30), (115, 75, 145, 105)), [event()])
    first = (folder / taken(folder)[0]).read_bytes()
    output.write(result(8), [event("left")])
    output.write(shown(9), [])
    assert (folder / taken(folder)[0]).read_bytes() == first


def test_a_changed_decision_has_a_snapshot_of_its_own(folder):
    output = make(folder)
    output.write(shown(7), [event("unknown", None)])
    output.write(shown(8), [event(second=6)])
    assert taken(folder) == ["20260102-030405.678-track1-unknown.jpg", "20260102-030406.678-track1-김철수.jpg"]


def test_snapshots_of_one_moment_have_different_names(folder):
    output = make(folder)
    output.write(shown(7, tracks=False), [event(track_number=None), event(track_number=None), event(track_number=None)])
    assert taken(folder) == [
        "20260102-030405.678-김철수-2.jpg",
        "20260102-030405.678-김철수-3.jpg",
        "20260102-030405.678-김철수.jpg",
    ]


def test_the_oldest_go_first_and_those_of_earlier_sessions_count(folder):
    folder.mkdir()
    for name in ("20250101-000000.000-track1-A.jpg", "20250102-000000.000-track1-B.jpg", "notes.txt", "holiday.jpg"):
        (folder / name).write_bytes(b"x")
    output = make(folder, kept=3)
    for number in range(2):
        output.write(shown(7 + number), [event(second=10 + number, number=number)])
    assert taken(folder) == [
        "20250102-000000.000-track1-B.jpg",
        "20260102-030410.678-track1-김철수.jpg",
        "20260102-030411.678-track1-김철수.jpg",
        "holiday.jpg",
        "notes.txt",
    ]
    again = make(folder, kept=1)
    again.write(shown(9), [event(second=20)])
    assert taken(folder) == ["20260102-030420.678-track1-김철수.jpg", "holiday.jpg", "notes.txt"]


def test_a_snapshot_that_is_gone_does_not_come_back(folder):
    output = make(folder, kept=1)
    output.write(shown(7, (KIM, 130, 90, 30), (115, 75, 145, 105)), [event()])
    output.write(result(8, [track(2, HAN, BOX)], image=picture(WHO)), [event("recognised", "Park", 2, second=6)])
    assert taken(folder) == ["20260102-030406.678-track2-Park.jpg"]
    # Track 1 is back with a better view, but was among the oldest.
    output.write(shown(9), [])
    assert taken(folder) == ["20260102-030406.678-track2-Park.jpg"]


def test_a_snapshot_that_somebody_else_removed_is_no_error(folder):
    output = make(folder, kept=1)
    output.write(shown(7), [event()])
    (folder / taken(folder)[0]).unlink()
    output.write(shown(8), [event(second=6)])
    assert len(taken(folder)) == 1


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Kim", "Kim"),
        ("김 철수", "김-철수"),
        ("../../etc/passwd", "etc-passwd"),
        ("/etc/passwd", "etc-passwd"),
        ("..", "person"),
        (".", "person"),
        ("a/b\\c:d*e", "a-b-c-d-e"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("a\0b\nc", "a-b-c"),
        ("..jpg", "jpg"),
        ("☂☂", "person"),
        ("가" * 200, "가" * 60),
    ],
)
def test_no_name_leaves_the_directory(folder, name, safe):
    assert safe_name(name) == safe
    output = make(folder)
    output.write(shown(7), [event(person=name)])
    assert taken(folder) == ["20260102-030405.678-track1-{}.jpg".format(safe)]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["snapshots"]


def test_hangul_is_a_files_name_in_any_locale(folder):
    text = PROGRAM.split("output =")[0].format(sources=SOURCES, here=HERE) + (
        "from test_outputs import Snapshots, shown\n"
        "for second in (5, 6):\n"
        "    Snapshots(sys.argv[1], ('recognised',), 1).write(shown(7), [event(second=second)])\n"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHON", "LANG"))}
    clean.update(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    done = subprocess.run(
        [sys.executable, "-c", text, str(folder)], stderr=subprocess.PIPE, env=clean, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert taken(folder) == ["20260102-030406.678-track1-김철수.jpg"]


def test_a_directory_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"file: cannot be used \(.*\); give another outputs\.snapshots"):
        make(tmp_path / "file")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(ConfigError, match=r"locked: cannot be written; give another outputs\.snapshots"):
            make(tmp_path / "locked")


def test_a_full_disk_is_an_error_and_leaves_nothing_half(folder, monkeypatch):
    output = make(folder)
    output.write(shown(7), [event()])
    before = (folder / taken(folder)[0]).read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        output.write(shown(8), [event(second=6)])
    assert caught.value.errno == errno.ENOSPC
    assert taken(folder) == ["20260102-030405.678-track1-김철수.jpg"]
    assert (folder / taken(folder)[0]).read_bytes() == before


@pytest.mark.parametrize(
    "box", [(-40, -40, 20, 20), (300, 150, 360, 210), (500, 500, 600, 600), (10, 10, 10, 10), (0, 0, 900, 900)]
)
def test_a_face_at_the_edge_is_cut_as_far_as_the_picture_reaches(box):
    part = cut(picture(), np.array(box, np.float32))
    assert part.size
    assert part.shape[0] <= 180
    assert part.shape[1] <= 320


def test_the_margin_is_as_wide_as_is_said():
    assert cut(np.zeros((400, 400, 3), np.uint8), np.array([100, 150, 200, 200], np.float32)).shape == (110, 220, 3)


def test_two_tracks_have_their_own_better_views(folder):
    output = make(folder)
    people = [(KIM, 80, 90, 30), (PARK, 230, 90, 60)]
    tracks = [track(1, HAN, (65, 75, 95, 105)), track(2, identity(RECOGNISED, "Park"), (200, 60, 260, 120))]
    image = picture(*people)
    output.write(
        result(7, tracks, image=image),
        [event(box=(65, 75, 95, 105)), event("recognised", "Park", 2, box=(200, 60, 260, 120))],
    )
    park = (folder / taken(folder)[1]).read_bytes()
    better = [track(1, HAN, (50, 60, 110, 120)), tracks[1]]
    output.write(result(8, better, image=picture((KIM, 80, 90, 60), people[1])), [])
    assert decode_image((folder / taken(folder)[0]).read_bytes(), "x").shape == (132, 132, 3)
    assert (folder / taken(folder)[1]).read_bytes() == park


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
