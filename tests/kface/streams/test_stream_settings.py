import copy
import os

import pytest

from kface.errors import ConfigError
from kface.streams import VIEW_SIZES, Secret, StreamSettings
from kface.streams.credentials import find, mask

HARD = "p@ss/w:ö r%d?#1"
CAMERA = StreamSettings("rtsp", address="10.0.0.7", id="adm@in", password=HARD, port=8554, path="/live?channel=1")


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        ("clip.mp4", {"kind": "file", "file": "clip.mp4"}),
        ("얼굴 a%20b.mp4", {"kind": "file", "file": "얼굴 a%20b.mp4"}),
        ("C:\\clips\\a.mp4", {"kind": "file", "file": "C:\\clips\\a.mp4"}),
        ("file:/a b%20.mp4", {"kind": "file", "file": "/a b%20.mp4"}),
        ("FILE:rel.mp4", {"kind": "file", "file": "rel.mp4"}),
        ("file:///a%20b.mp4", {"kind": "file", "file": "/a b.mp4"}),
        ("file://localhost/a.mp4", {"kind": "file", "file": "/a.mp4"}),
        ("rtsp://10.0.0.7", {"kind": "rtsp", "address": "10.0.0.7", "port": 554, "path": "/"}),
        ("rtsp://cam.local:8554/a/b?c=1&d=2", {"address": "cam.local", "port": 8554, "path": "/a/b?c=1&d=2"}),
        ("rtsp://cam?x=1", {"address": "cam", "path": "/?x=1"}),
        ("rtsp://[fe80::1]:99/x", {"address": "fe80::1", "port": 99, "path": "/x"}),
        ("RTSP://u:p%40%2F%C3%B6@cam/x", {"id": Secret("u"), "password": Secret("p@/ö"), "address": "cam"}),
        ("rtsp://u:p@q:r@cam/x", {"id": Secret("u"), "password": Secret("p@q:r"), "address": "cam"}),
        ("rtsp://u@cam", {"id": Secret("u"), "password": Secret()}),
        ("csi://0", {"kind": "csi", "device": "0"}),
        ("csi://", {"kind": "csi", "device": "0"}),
        ("v4l2:///dev/video2", {"kind": "v4l2", "device": "/dev/video2"}),
        ("v4l2://2", {"kind": "v4l2", "device": "/dev/video2"}),
        ("/dev/video2", {"kind": "v4l2", "device": "/dev/video2"}),
        ("v4l2:///dev/v4l/by-id/usb-a_b.c-index0", {"device": "/dev/v4l/by-id/usb-a_b.c-index0"}),
    ],
)
def test_uris(uri, fields):
    settings = StreamSettings.from_uri(uri, fps=10, resolution="1280x720", view=(320, 240))
    assert {name: getattr(settings, name) for name in fields} == fields
    assert (settings.fps, settings.resolution, settings.view) == (10, (1280, 720), (320, 240))
    again = StreamSettings.from_uri(settings.reveal_uri(), fps=10, resolution=[1280, 720], view="320x240")
    assert again == settings


@pytest.mark.parametrize("path", ["//double", "/a#b", "/a%2Fb", "/ü x"])
def test_paths_survive_the_way_through_a_uri(path):
    file = StreamSettings("file", file=path)
    assert StreamSettings.from_uri(file.reveal_uri()) == file
    camera = CAMERA._replace(path=path)
    there = StreamSettings.from_uri(camera.reveal_uri())
    assert there.reveal_uri() == camera.reveal_uri()
    assert there.password == camera.password


def test_credentials_are_percent_encoded_for_the_decoder():
    assert CAMERA.reveal_uri() == ("rtsp://adm%40in:p%40ss%2Fw%3A%C3%B6%20r%25d%3F%231@10.0.0.7:8554/live?channel=1")


def test_table_6():
    settings = StreamSettings("csi")
    assert (settings.device, settings.view, settings.fps, settings.resolution) == ("0", (640, 360), None, None)
    assert VIEW_SIZES == ((320, 240), (640, 360), (704, 480), (960, 540), (1280, 720), (1600, 900))
    assert [StreamSettings("csi", fps=fps).fps for fps in (1, 30)] == [1, 30]
    assert StreamSettings("v4l2").device == "/dev/video0"
    assert StreamSettings("rtsp", address="a", path="x").path == "/x"


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("kind", {"kind": "webcam"}),
        ("view", {"kind": "csi", "view": (641, 360)}),
        ("view", {"kind": "csi", "view": "big"}),
        ("fps", {"kind": "csi", "fps": 0}),
        ("fps", {"kind": "csi", "fps": 31}),
        ("fps", {"kind": "csi", "fps": True}),
        ("fps", {"kind": "csi", "fps": 12.5}),
        ("resolution", {"kind": "csi", "resolution": (0, 360)}),
        ("resolution", {"kind": "csi", "resolution": (640, 360, 3)}),
        ("resolution", {"kind": "csi", "resolution": 640}),
        ("resolution", {"kind": "csi", "resolution": (640.5, 360)}),
        ("device", {"kind": "csi", "device": "first"}),
        ("device", {"kind": "csi", "device": "0 ! fakesink"}),
        ("device", {"kind": "v4l2", "device": "video0"}),
        ("device", {"kind": "v4l2", "device": "/etc/passwd"}),
        ("file", {"kind": "file"}),
        ("file", {"kind": "file", "file": "a\0b"}),
        ("address", {"kind": "rtsp"}),
        ("address", {"kind": "rtsp", "address": "a b"}),
        ("address", {"kind": "rtsp", "address": "a/b"}),
        ("address", {"kind": "rtsp", "address": "1::2::3"}),
        ("address", {"kind": "rtsp", "address": None}),
        ("port", {"kind": "rtsp", "address": "a", "port": 0}),
        ("port", {"kind": "rtsp", "address": "a", "port": "554"}),
        ("path", {"kind": "rtsp", "address": "a", "path": "/a\r\nX: y"}),
        ("id", {"kind": "rtsp", "address": "a", "id": "a:hush", "password": "hush"}),
        ("id", {"kind": "rtsp", "address": "a", "password": "hush"}),
        ("id", {"kind": "rtsp", "address": "a", "id": "hush\n", "password": "hush"}),
        ("password", {"kind": "rtsp", "address": "a", "id": "a", "password": "hush\r\n"}),
        ("password", {"kind": "rtsp", "address": "a", "id": "a", "password": "***"}),
        ("password", {"kind": "rtsp", "address": "a", "id": "a", "password": 1234}),
    ],
)
def test_what_is_out_of_range_is_refused_by_its_name(setting, values):
    with pytest.raises(ConfigError) as caught:
        StreamSettings(**values)
    assert str(caught.value).startswith("stream.{}: ".format(setting))
    assert "hush" not in str(caught.value)
    assert "1234" not in str(caught.value)


def test_a_changed_copy_is_checked_too():
    assert CAMERA._replace(fps=5).fps == 5
    assert CAMERA._replace(password="new").password == Secret("new")
    with pytest.raises(ConfigError, match=r"stream\.fps"):
        CAMERA._replace(fps=31)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        " ",
        None,
        "http://u:hush@cam/x",
        "rtsps://u:hush@cam/x",
        "rtsp:cam",
        "csi:0",
        "rtsp://u:hush/hush@cam/x",
        "rtsp://u:12/hush@cam/x",
        "rtsp://u:hu?sh@cam/x",
        "rtsp://u:hush@cam:port/x",
        "rtsp://u:hush@cam:99999/x",
        "rtsp://u:hush@/x",
        "rtsp://u:hush%FF@cam/x",
        "rtsp://***:***@cam/x",
        "file://elsewhere/a.mp4",
        "csi://hush",
        "v4l2:///tmp/x",
    ],
)
def test_what_is_no_uri_is_refused_without_showing_it(uri):
    with pytest.raises(ConfigError) as caught:
        StreamSettings.from_uri(uri)
    text = str(caught.value) + repr(caught.value)
    assert str(caught.value).startswith("stream")
    if uri and not uri.startswith("csi"):
        assert "hush" not in text


def test_nothing_printed_holds_credentials():
    camera = CAMERA._replace(path="/user=adm@in_password=hush-hush_channel=1?token=hush-hush&x=1")
    texts = [repr(camera), str(camera), "{}".format(camera), camera.uri, str(tuple(CAMERA)), str(CAMERA._asdict())]
    texts += [repr([camera]), repr(camera.password), str(camera.id), "{!r} {!s}".format(camera.id, camera.password)]
    for text in texts:
        assert "hush" not in text
        assert "p@ss" not in text
        assert "p%40ss" not in text
        assert "adm@in" not in text
    assert camera.uri == "rtsp://10.0.0.7:8554/user=***?token=***&x=1"
    assert CAMERA.uri == "rtsp://10.0.0.7:8554/live?channel=1"
    assert "password=***" in repr(CAMERA)
    assert "password=''" in repr(StreamSettings("csi"))


def test_a_secret_is_equal_by_value_and_is_never_pickled():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert bool(Secret()) is False
    assert copy.deepcopy(CAMERA) == CAMERA
    with pytest.raises(TypeError, match="cannot be pickled"):
        Secret("a").__reduce__()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cannot open rtsp://u:p@cam/x", "cannot open rtsp://***@cam/x"),
        ("login administrator as admin, garden9!", "login administrator as ***, ***"),
        ("garden9%21 twice garden9!garden9!", "*** twice ******"),
        ("two\nlines\tand\x1b[31m red", "two lines and [31m red"),
        ("/h264?user=x&pwd=y&a=1", "/h264?user=***&pwd=***&a=1"),
    ],
)
def test_masking_what_others_say(text, wanted):
    assert mask(text, Secret("garden9!"), Secret("admin")) == wanted


def test_a_password_of_a_letter_does_not_eat_the_message():
    assert mask("cannot open a door", Secret("a")) == "cannot open *** door"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cameras"
    path.write_text("# ours\n10.0.0.8 other none\n\n10.0.0.7 admin p w  d\n* any all\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def plain(address, known_id="", **options):
    found = find(address, Secret(known_id), **options)
    return found and (found.id.reveal(), found.password.reveal())


def test_credentials_from_a_file_by_address(file):
    assert plain("10.0.0.7", file=file, environ={}) == ("admin", "p w  d")
    assert plain("10.0.0.7", "any", file=file, environ={}) == ("any", "all")
    assert plain("cam", environ={"KFACE_STREAM_CREDENTIALS": str(file)}) == ("any", "all")
    assert plain("cam", "nobody", file=file, environ={}) is None


def test_credentials_from_the_environment():
    both = {"KFACE_STREAM_ID": "i", "KFACE_STREAM_PASSWORD": "p"}
    assert plain("cam", environ=both) == ("i", "p")
    assert plain("cam", "i", environ=both) == ("i", "p")
    assert plain("cam", "j", environ=both) is None, "a password of another id"
    assert plain("cam", "j", environ={"KFACE_STREAM_PASSWORD": "p"}) == ("j", "p")
    assert plain("cam", environ={"KFACE_STREAM_PASSWORD": "p"}) is None
    assert plain("cam", environ={}) is None


def test_settings_take_what_they_lack(file):
    bare = StreamSettings.from_uri("rtsp://10.0.0.7/live", fps=5)
    filled = bare.with_credentials(file, environ={})
    assert (filled.id.reveal(), filled.password.reveal(), filled.fps) == ("admin", "p w  d", 5)
    assert CAMERA.with_credentials(file, environ={}) is CAMERA
    assert bare.with_credentials(environ={}) is bare
    assert StreamSettings("csi").with_credentials("/nowhere", environ={}).kind == "csi"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_can_open_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        find("10.0.0.7", Secret(), file, {})


def test_files_that_are_no_credentials_are_refused_without_showing_them(file, tmp_path):
    for data, said in ((b"cam hush\n", "line 1"), (b"cam a \xff\n", "UTF-8"), (b"c a b\n" * 20000, "too large")):
        file.write_bytes(data)
        with pytest.raises(ConfigError, match=said) as caught:
            list(map(str, [find("nowhere", Secret(), file, {})]))
        assert "hush" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        find("cam", Secret(), tmp_path / "absent", {})
    with pytest.raises(ConfigError, match="is not a file|Is a directory"):
        find("cam", Secret(), tmp_path, {})
    pipe = tmp_path / "pipe"
    os.mkfifo(str(pipe), 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        find("cam", Secret(), pipe, {})


@pytest.mark.parametrize(
    "data",
    [
        "10.0.0.7 관리자 비밀 번호".encode("utf-8-sig"),
        "10.0.0.7 관리자 비밀 번호\r\n".encode("utf-8-sig"),
        "10.0.0.7 관리자 비밀 번호\r\n".encode("utf-16"),
        b"\xfe\xff" + "10.0.0.7 관리자 비밀 번호".encode("utf-16-be"),
        "10.0.0.7 관리자 비밀 번호\n".encode("utf-16-le"),
        "10.0.0.7 관리자 비밀 번호\r\n".encode("cp949"),
        "\ufeff# 카메라\r10.0.0.7\t관리자\t비밀 번호  \t \r\r".encode("utf-8"),
        "  \n\t# a b c\n\n \t10.0.0.7   관리자 \t 비밀 번호 \n".encode("utf-8"),
    ],
)
def test_a_file_of_credentials_may_come_from_any_editor(file, data):
    file.write_bytes(data)
    assert plain("10.0.0.7", file=file, environ={}) == ("관리자", "비밀 번호")


def test_a_number_is_the_usb_camera_of_that_number(tmp_path, monkeypatch):
    for given in (0, "0", 3):
        settings = StreamSettings.from_uri(given)
        assert (settings.kind, settings.uri) == ("v4l2", "v4l2:///dev/video{}".format(given))
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / "7").touch()
    assert StreamSettings.from_uri("7").kind == "file", "a file of that name is meant"
    for wrong in (True, -1, 1.0):
        with pytest.raises(ConfigError):
            StreamSettings.from_uri(wrong)
