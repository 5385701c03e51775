"""The window's settings file: written as a whole, private, without secrets, and no obstacle where it is damaged."""

import json
import os
import stat

import pytest

from deploy.app import preferences
from deploy.app.preferences import Preferences
from deploy.app.stream_choice import StreamChoice
from kface.errors import ConfigError
from kface.streams import Secret

CHOICE = StreamChoice(
    "rtsp", address="10.0.0.7", path="/live?password=hush", id="관리자", password=Secret("garden"), file="영상/정문.mp4"
)
FULL = Preferences(CHOICE, "ko", "/영상")


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
        (changed(version=2), "is of a later version (2)"),
        (changed(version=0), "version: must be"),
        (changed(version=True), "version: must be"),
        (changed(surprise=1), "surprise: unknown setting"),
        (changed(password="garden"), "password: unknown setting"),
        (changed(language="de"), "language: must be one of system, en, ko"),
        (changed(folder=["a"]), "folder: must be a text"),
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


def test_a_file_that_cannot_be_written_is_an_error(path):
    path.parent.mkdir(parents=True)
    path.mkdir()
    (path / "x").write_text("")
    assert "cannot be read (is a directory)" in preferences.load()[1]
    with pytest.raises(ConfigError, match="cannot be written"):
        preferences.save(FULL, path.parent / "app.json" / "x" / "app.json")
