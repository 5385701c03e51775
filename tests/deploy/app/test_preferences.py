"""The window's settings file: written as a whole, private, without secrets, and no obstacle where it is damaged."""

import json
import os
import stat
import threading

import pytest

from deploy.app import preferences
from deploy.app.preferences import KeptThreshold, KeptTracks, Preferences
from deploy.app.stream_choice import StreamChoice
from kface.errors import ConfigError
from kface.recognizer import TrackSettings
from kface.streams import Secret

CHOICE = StreamChoice(
    "rtsp", address="10.0.0.7", path="/live?password=hush", id="관리자", password=Secret("garden"), file="영상/정문.mp4"
)
THRESHOLD = KeptThreshold(0.55, 0.3, "a" * 64)
FULL = Preferences(
    CHOICE, "ko", "/영상", (960, 540), THRESHOLD, 60.5, KeptTracks(TrackSettings(max_age=4)), "/모델/하나", "/g.db"
)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "kface" / "app.json"


def test_nothing_is_there_at_first(path):
    assert preferences.default_file() == path
    assert preferences.load() == (Preferences(), "")
    assert not path.exists()


def test_written_and_read_again(path):
    preferences.save(FULL)
    text = path.read_text(encoding="utf-8")
    assert "garden" not in text
    assert "hush" not in text
    assert "정문" in text
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    read, trouble = preferences.load()
    assert trouble == ""
    assert read == FULL._replace(stream=CHOICE._replace(password=Secret(), path="/"))
    preferences.save(Preferences())
    assert preferences.load() == (Preferences(), "")
    assert os.listdir(str(path.parent)) == ["app.json"]


def test_a_path_that_is_not_utf_8_survives(path):
    name = os.fsdecode(b"/clips/\xff.mp4")
    preferences.save(Preferences(StreamChoice("file", file=name)))
    assert preferences.load()[0].stream.file == name


def changed(**change):
    return json.dumps(dict(FULL.as_dict(), **change)).encode("utf-8")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "must have settings"),
        (b"{}", "version: must be a whole number"),
        (b'{"version": 1, "version": 1}', "is not JSON"),
        (b" " * (1 << 17), "cannot be read (larger than"),
        (changed(version=3), "is of a later version (3)"),
        (changed(version=0), "version: must be"),
        (changed(version=True), "version: must be"),
        (changed(surprise=1), "surprise: unknown setting"),
        (changed(password="garden"), "password: unknown setting"),
        (changed(language="de"), "language: must be one of system, en, ko"),
        (changed(folder=["a"]), "folder: must be a text"),
        (changed(view="1x1"), "view: must be one of 320x240"),
        (changed(min_face=5), "min_face: must be a number from 20"),
        (changed(threshold={"recognised": 0.5}), "threshold.unknown: must be a number"),
        (changed(threshold=dict(THRESHOLD._asdict(), unknown=0.9)), "match.unknown: is above match.recognised"),
        (changed(threshold=dict(THRESHOLD._asdict(), model="x")), "threshold.model: must be"),
        (changed(tracks={"max_age": 3}), "tracks.enabled: must be true or false"),
        (changed(tracks={"enabled": True, "max_age": -1}), "tracks.max_age: must be"),
        (changed(tracks={"enabled": True, "max_age": "3"}), "tracks.max_age: must be"),
        (changed(bundle=7), "bundle: must be a text"),
        (changed(stream=7), "stream: must have settings of its own"),
        (changed(stream=dict(CHOICE.as_dict(), password="garden")), "stream.password: unknown setting"),
    ],
)
def test_a_damaged_file_is_one_line_and_the_defaults(path, data, message):
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    read, trouble = preferences.load()
    assert read == Preferences()
    assert message in trouble
    assert str(path) in trouble
    assert "\n" not in trouble
    assert "garden" not in trouble
    # What the user may want back is not overwritten.
    preferences.save(FULL)
    assert (path.parent / "app.json.unreadable").read_bytes() == data
    assert preferences.load()[1] == ""


def test_a_file_of_the_first_version_is_read(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(
        json.dumps({"version": 1, "stream": CHOICE.as_dict(), "language": "ko", "folder": "/영상"}).encode("utf-8")
    )
    read, trouble = preferences.load()
    assert trouble == ""
    assert read == Preferences(CHOICE._replace(password=Secret(), path="/"), "ko", "/영상")


def test_tracks_that_are_off_are_remembered_as_such(path):
    preferences.save(Preferences(tracks=KeptTracks(None)))
    assert preferences.load()[0].tracks == KeptTracks(None)


def test_changes_at_the_same_time_are_all_kept(path):
    preferences.save(Preferences())
    changes = [{"language": "ko"}, {"folder": "/f"}, {"view": (960, 540)}, {"min_face": 50.0}, {"bundle": "/b"}]
    threads = [threading.Thread(target=preferences.change, kwargs=change) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = preferences.load()[0]
    assert [getattr(kept, key) for change in changes for key in change] == ["ko", "/f", (960, 540), 50.0, "/b"]


def test_forgetting_removes_the_file(path):
    assert not preferences.forget()
    preferences.save(FULL)
    assert preferences.forget()
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_an_error(path):
    path.parent.mkdir(parents=True)
    path.mkdir()
    (path / "x").write_text("")
    assert "cannot be read (is a directory)" in preferences.load()[1]
    with pytest.raises(ConfigError, match="cannot be written"):
        preferences.save(FULL, path.parent / "app.json" / "x" / "app.json")
