"""A picture of everybody who came by: named, replaced by better ones, kept within limits and to its owner."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from deploy_fakes import BOX, HAN, KIM, PARK, WHO, event, identity, mode_of, picture, result, track

import kface
from deploy.outputs import snapshots
from deploy.outputs.snapshots import Snapshots, cut, safe_name
from kface.errors import ConfigError
from kface.gallery import Quality
from kface.images import decode_image
from kface.recognizer import RECOGNISED, UNDECIDED

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))


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
    """How sharp every face is, and how far it is turned, in a list."""
    value = [100.0, 0.0]
    monkeypatch.setattr(
        snapshots, "measure", lambda box, landmarks, crop: Quality(float(box[2] - box[0]), value[0], value[1], 0.5)
    )
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
    # Larger, but turned away.
    sharp[1] = -0.6
    output.write(square(76), [])
    assert there() == (110, 110, 3)
    sharp[1] = np.inf
    output.write(square(78), [])
    assert there() == (110, 110, 3)


@pytest.mark.parametrize(
    "who", [identity(UNDECIDED), identity(RECOGNISED, "박영희")], ids=["in doubt", "somebody else"]
)
def test_a_better_view_of_a_track_that_is_no_longer_that_person_is_not_taken(folder, sharp, who):
    output = make(folder)
    output.write(square(40), [event(box=(110, 70, 150, 110))])
    before = (folder / taken(folder)[0]).read_bytes()
    large = result(60, [track(1, who, (80, 40, 180, 140))], image=picture(WHO))
    output.write(large, [])
    assert (folder / taken(folder)[0]).read_bytes() == before
    # Once it is that person again, it is taken.
    output.write(square(60), [])
    assert (folder / taken(folder)[0]).read_bytes() != before


def test_a_view_from_the_front_takes_the_place_of_one_from_the_side(folder, sharp):
    output = make(folder)
    sharp[1] = 0.5
    output.write(square(60), [event(box=(100, 60, 160, 120))])
    sharp[1] = -0.1
    output.write(square(50), [])
    assert decode_image((folder / taken(folder)[0]).read_bytes(), "snapshot").shape == (110, 110, 3)


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
    output.write(shown(7), [event(name=name)])
    assert taken(folder) == ["20260102-030405.678-track1-{}.jpg".format(safe)]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["snapshots"]


def test_hangul_is_a_files_name_in_any_locale(folder):
    text = "import sys\nsys.path[:0] = {!r}\n".format([SOURCES, HERE, os.path.dirname(HERE)]) + (
        "from deploy_fakes import event\nfrom test_snapshots import Snapshots, shown\n"
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
    with pytest.raises(ConfigError, match=r"file: cannot be used \(.*\); choose another outputs\.snapshots"):
        make(tmp_path / "file")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(ConfigError, match=r"locked: cannot be written; choose another outputs\.snapshots"):
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


def test_older_snapshots_that_others_could_read_become_their_owners_alone(folder, tmp_path):
    folder.mkdir()
    old, other = folder / "20200101-000000.000-track1-Kim.jpg", tmp_path / "other.jpg"
    for path in (old, other):
        path.write_bytes(b"")
        path.chmod(0o644)
    (folder / "20200101-000000.001-track1-Kim.jpg").symlink_to(other)
    make(folder)
    assert mode_of(old) == 0o600
    assert mode_of(other) == 0o644
