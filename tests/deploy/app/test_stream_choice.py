"""Table 6 as a value: read from a session's settings, checked field by field, turned back, and without secrets on disk."""

import pytest

from deploy.app.stream_choice import (
    FIELDS,
    FILE_ABSENT,
    FILE_NETWORK,
    FILE_UNUSABLE,
    ID_MISSING,
    KINDS,
    NO_CSI,
    Problem,
    StreamChoice,
)
from deploy.settings import DeploySettings
from kface.errors import ConfigError
from kface.recognizer import PipelineSettings, TrackSettings
from kface.streams import VIEW_SIZES, Secret, StreamSettings

CAMERA = StreamChoice("rtsp", address="10.0.0.7", path="/live", id="me", password=Secret("garden"))
STREAMS = {
    "csi": StreamSettings("csi", device=1, resolution="1920x1080", fps=21, view="704x480"),
    "rtsp": StreamSettings(
        "rtsp",
        address="카메라.local",
        id="me",
        password="pw:/@",
        port=8554,
        path="/live?channel=1",
        fps=5,
        view="320x240",
    ),
    "file": StreamSettings("file", file="영상/정문 (1).mp4", resolution="640x360", view="1600x900"),
    "v4l2": StreamSettings("v4l2", device="/dev/video2", resolution="640x480", fps=30, view="1280x720"),
    "sample": None,
}


def settings_of(kind, **others):
    stream = STREAMS[kind]
    view = (960, 540) if stream is None else stream.view
    return DeploySettings("toy", stream=stream, view=view)._replace(**others)


def fields(problems):
    return [problem.field for problem in problems]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sessions_settings_come_back_as_they_were(kind):
    settings = settings_of(kind, pipeline=PipelineSettings(TrackSettings(max_age=3), (480, 270)), loop=True)
    choice = StreamChoice.of(settings)
    assert choice.kind == kind
    assert (choice.dnn_resize, choice.dnn_size) == (True, "480x270")
    assert choice.settings(settings) == settings
    assert choice._replace(dnn_resize=False).settings(settings).pipeline == PipelineSettings(TrackSettings(max_age=3))


def test_what_the_window_does_not_show_stays():
    settings = settings_of("file", stream=STREAMS["file"]._replace(square_pixels=False), every_frame=True)
    choice = StreamChoice.of(settings)
    assert choice.settings(settings) == settings
    # Only a file is read without loss: a camera would be refused.
    camera = choice._replace(kind="v4l2").settings(settings)
    assert (camera.every_frame, camera.stream.square_pixels) == (False, False)


def test_fields_of_other_kinds_are_kept():
    choice = StreamChoice.of(settings_of("file"), before=StreamChoice.of(settings_of("rtsp")))
    assert choice.kind == "file"
    assert choice.address == "카메라.local"
    assert choice._replace(kind="rtsp").uri == "rtsp://카메라.local:8554/live?channel=1"


def test_the_url_has_no_password():
    choice = CAMERA._replace(password=Secret("gärten/9@:%"), path="/user=admin_password=hush_channel=1")
    assert choice.uri.startswith("rtsp://10.0.0.7:554/")
    for shown in (choice.uri, repr(choice), str(choice.problems(False))):
        assert "gärten" not in shown
        assert "g%C3%A4rten" not in shown
    assert "hush" not in choice.uri
    assert StreamChoice("rtsp", address="").uri == ""


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("csi", {"csi_device": "x"}),
        ("csi", {"csi_device": "10"}),
        ("csi", {"resolution": "1280"}),
        ("csi", {"resolution": "8x8"}),
        ("csi", {"fps": 0}),
        ("csi", {"fps": 31}),
        ("v4l2", {"usb_device": "/etc/passwd"}),
        ("v4l2", {"resolution": "99999x10"}),
        ("rtsp", {"address": ""}),
        ("rtsp", {"address": "me:pw@cam"}),
        ("rtsp", {"address": "두 단어"}),
        ("rtsp", {"port": 0}),
        ("rtsp", {"port": 65536}),
        ("rtsp", {"path": "/a\nb"}),
        ("rtsp", {"id": "a:b"}),
        ("rtsp", {"password": Secret("a\nb")}),
        ("rtsp", {"password": Secret("***")}),
        ("file", {"file": ""}),
        ("file", {"file": "a\0b"}),
        ("file", {"view": (641, 360)}),
        ("sample", {"view": (1, 1)}),
        ("sample", {"dnn_size": "640", "dnn_resize": True}),
        ("sample", {"dnn_size": "11x640", "dnn_resize": True}),
        ("sample", {"dnn_size": "640x9000", "dnn_resize": True}),
    ],
)
def test_a_wrong_field_is_named(kind, wrong):
    field = next(iter(wrong))
    right = {"csi": {}, "v4l2": {}, "sample": {}, "file": {"file": "a.mp4"}, "rtsp": {"address": "cam", "id": "me"}}
    choice = StreamChoice(kind, **dict(right[kind], **wrong))
    assert choice.problems(present=False) == [Problem(field)]
    with pytest.raises(ConfigError) as caught:
        choice.settings(settings_of("sample"))
    assert "\n" not in str(caught.value)


def test_every_wrong_field_is_named_at_once():
    choice = CAMERA._replace(address="", port=0, id="", view=(1, 1), dnn_resize=True, dnn_size="x", fps=99)
    assert fields(choice.problems()) == ["address", "port", "id", "fps", "view", "dnn_size"]
    assert choice.problems()[2] == Problem("id", ID_MISSING)


def test_only_the_chosen_kinds_fields_count():
    choice = CAMERA._replace(kind="sample", address="", port=0, csi_device="x", usb_device="x", resolution="x")
    assert choice.problems() == []
    assert CAMERA.problems() == []
    assert StreamChoice("dvd").problems(False)[-1].field == "kind"


def test_what_is_not_on_this_machine(tmp_path):
    empty = tmp_path / "빈 파일.mp4"
    empty.write_bytes(b"")
    assert StreamChoice("file", file=str(tmp_path / "none.mp4")).problems() == [Problem("file", FILE_ABSENT)]
    assert StreamChoice("file", file=str(empty)).problems() == [Problem("file", FILE_UNUSABLE)]
    assert StreamChoice("file", file=str(tmp_path)).problems() == [Problem("file", FILE_UNUSABLE)]
    found = StreamChoice("file", file="rtsp://me:garden@10.0.0.7/live").problems()
    assert found == [Problem("file", FILE_NETWORK)]
    empty.write_bytes(b"x")
    assert StreamChoice("file", file=str(empty)).problems() == []


def test_a_csi_camera_needs_a_jetson(monkeypatch):
    from kface.streams import backends

    monkeypatch.setattr(backends, "build", lambda: backends.Build(True, True, 60, False))
    assert StreamChoice("csi").problems() == [Problem("kind", NO_CSI)]
    monkeypatch.setattr(backends, "build", lambda: backends.Build(True, True, 60, True))
    assert StreamChoice("csi").problems() == []


def test_a_copied_url_goes_into_its_fields():
    choice = StreamChoice().with_uri("rtsp://admin:p%40ss@10.0.0.9:8554/live?channel=2")
    assert choice.kind == "rtsp"
    assert (choice.address, choice.port, choice.path) == ("10.0.0.9", 8554, "/live?channel=2")
    assert (choice.id, choice.password.reveal()) == ("admin", "p@ss")
    # Without a login, the one that is there stays.
    assert CAMERA.with_uri("rtsp://10.0.0.9/x").password == CAMERA.password
    for wrong in ("http://me:garden@x/", "/clip.mp4", "rtsp://me:garden/x@y/z"):
        with pytest.raises(ConfigError) as caught:
            CAMERA.with_uri(wrong)
        assert "garden" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_json_and_back(kind):
    choice = StreamChoice.of(settings_of(kind, pipeline=PipelineSettings(None, (320, 180))))
    values = choice.as_dict()
    assert "password" not in values
    assert StreamChoice.from_dict(values, "app.json") == choice._replace(password=Secret())


def test_nothing_secret_is_in_the_json():
    choice = CAMERA._replace(
        path="/live?password=hush",
        file="rtsp://me:garden@10.0.0.7/live",
        address="me:garden@10.0.0.7",
        id="me:garden",
        usb_device="rtsp://me:garden@x",
        resolution="garden",
        dnn_size="garden",
    )
    text = repr(choice.as_dict())
    assert "garden" not in text
    assert "hush" not in text
    assert choice.as_dict() == StreamChoice("rtsp").as_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "stream.surprise: unknown setting"),
        ({"kind": "dvd"}, "stream.kind: must be one of csi, rtsp, file, v4l2, sample"),
        ({"port": "554"}, "stream.port: must be a whole number from 1 to 65535"),
        ({"port": 0}, "stream.port: must be"),
        ({"fps": 31}, "stream.fps: must be a whole number from 1 to 30"),
        ({"view": "1x1"}, "stream.view: must be one of 320x240"),
        ({"dnn_resize": "yes"}, "stream.dnn_resize: must be true or false"),
        ({"address": 7}, "stream.address: must be a text"),
    ],
)
def test_json_that_is_not_ours_is_refused(change, message):
    with pytest.raises(ConfigError) as caught:
        StreamChoice.from_dict(dict(CAMERA.as_dict(), **change), "app.json")
    assert message in str(caught.value)


def test_every_field_of_the_table_is_there():
    named = {field for known in FIELDS.values() for field in known} | {"kind", "view", "dnn_resize", "dnn_size"}
    assert named == set(StreamChoice._fields)
    assert VIEW_SIZES == ((320, 240), (640, 360), (704, 480), (960, 540), (1280, 720), (1600, 900))
