import os

import cv2
import pytest
from stream_fakes import CAMERA

from kface.errors import ConfigError
from kface.streams import StreamError, StreamSettings, backends, pipelines
from kface.streams.backends import Build, build, check, open_capture, sources

INFORMATION = """
  Video I/O:
    FFMPEG:                      YES
      avcodec:                   YES (58.62.100)
      avformat:                  YES ({})
    GStreamer:                   {}
"""
JETSON = Build(True, True, 57, True)
PC = Build(True, True, 59, False)
WHEEL = Build(False, True, 62, False)
FILE = StreamSettings("file", file='/a "b".MP4')


def test_what_opencv_says_of_itself():
    assert build(INFORMATION.format("58.35.100", "NO"))[:3] == (False, True, 58)
    assert build(INFORMATION.format("ver 57.83.100", "YES (1.14.5)"))[:3] == (True, True, 57)
    assert build("nothing")[:3] == (False, False, 0)
    assert build().ffmpeg is ("FFMPEG:                      YES" in cv2.getBuildInformation())


def texts(settings, able, codec=""):
    return [source.location.reveal() for source in sources(settings, able, codec)]


def test_a_wheels_opencv_decodes_with_ffmpeg():
    assert texts(CAMERA, WHEEL) == ["rtsp://watcher:hush-hush@127.0.0.1:554/live"]
    assert sources(CAMERA, WHEEL)[0].api == cv2.CAP_FFMPEG
    assert texts(FILE, WHEEL) == ['/a "b".MP4']
    assert os.path.isabs(texts(StreamSettings("file", file="rtsp:x.mp4"), WHEEL)[0]), (
        "or FFmpeg would take it for a URL"
    )


@pytest.mark.parametrize(
    ("codec", "parser"), [("H264", "rtph264depay ! h264parse"), ("H265", "rtph265depay ! h265parse")]
)
def test_a_jetson_decodes_in_hardware_and_falls_back(codec, parser):
    found = sources(CAMERA._replace(password='a"b\\c'), JETSON, codec)
    assert [source.api for source in found] == [cv2.CAP_GSTREAMER, cv2.CAP_GSTREAMER, cv2.CAP_FFMPEG]
    assert found[0].location.reveal() == (
        'rtspsrc location="rtsp://127.0.0.1:554/live" user-id="watcher" user-pw="a\\"b\\\\c" latency=200 protocols=tcp '
        "tcp-timeout=4000000 ! " + parser + " ! nvv4l2decoder enable-max-performance=1 ! nvvidconv ! "
        "video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    )
    assert "decodebin" in found[1].location.reveal()
    assert "hush" not in repr(sources(CAMERA, JETSON, codec))


def test_codecs_without_a_hardware_pipeline_are_decoded_in_software():
    assert "nvv4l2decoder" not in " ".join(texts(CAMERA, JETSON, "JPEG") + texts(CAMERA, PC, "H264"))
    assert " ! decodebin ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true" in texts(CAMERA, PC)[0]
    assert "user-id" not in texts(CAMERA._replace(id="", password=""), PC)[0]


def test_files_lose_nothing_and_reach_their_end():
    found = texts(FILE, JETSON)
    assert found[0].startswith('filesrc location="/a \\"b\\".MP4" ! qtdemux ! h264parse ! nvv4l2decoder ! nvvidconv')
    assert found[1] == '/a "b".MP4', "FFmpeg before GStreamer's software decoders, of which some never see the end"
    assert "decodebin" in found[2]
    assert texts(FILE, PC) == found[1:]
    assert texts(StreamSettings("file", file="/a.gif"), JETSON)[0] == "/a.gif"
    assert texts(FILE, PC._replace(ffmpeg=False)) == found[2:]
    assert all("drop=false" in found[number] for number in (0, 2))


@pytest.mark.parametrize(
    ("resolution", "fps", "sensor", "wanted"),
    [
        (None, None, "width=1280,height=720,format=NV12,framerate=30/1", "width=1280,height=720,format=BGRx"),
        ((640, 360), 10, "width=1280,height=720,format=NV12,framerate=10/1", "width=640,height=360,format=BGRx"),
        ((1600, 900), None, "width=1920,height=1080,format=NV12,framerate=30/1", "width=1600,height=900,format=BGRx"),
        ((3264, 2464), 30, "width=3264,height=2464,format=NV12,framerate=21/1", "width=3264,height=2464,format=BGRx"),
    ],
)
def test_a_csi_cameras_sensor_mode(resolution, fps, sensor, wanted):
    settings = StreamSettings("csi", device="1", resolution=resolution, fps=fps)
    assert texts(settings, JETSON) == [
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),"
        + sensor
        + " ! nvvidconv flip-method=0 ! video/x-raw,"
        "" + wanted + " ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    ]
    assert pipelines.choose(settings, jetson=False) == []


def test_a_usb_camera_is_asked_for_what_is_wanted():
    (source,) = sources(StreamSettings("v4l2", resolution=(1280, 720), fps=15), WHEEL)
    assert (source.location.reveal(), source.api) == ("/dev/video0", cv2.CAP_V4L2)
    wanted = dict(source.properties)
    assert wanted[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert wanted[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert wanted[cv2.CAP_PROP_FPS] == 15
    assert wanted[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    (source,) = sources(StreamSettings("v4l2"), WHEEL)
    assert dict(source.properties) == {cv2.CAP_PROP_BUFFERSIZE: 1}


def test_what_no_waiting_mends_is_refused_at_once(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for able in (WHEEL, PC):
        with pytest.raises(ConfigError, match="csi://0: needs a Jetson with GStreamer support in OpenCV"):
            check(StreamSettings("csi"), able)
    check(StreamSettings("csi"), JETSON)
    for path, said in ((tmp_path / "absent.mp4", "No such file"), (tmp_path, "is not a file"), (empty, "is empty")):
        with pytest.raises(ConfigError, match=said):
            check(StreamSettings("file", file=path))


def test_a_usb_camera_that_is_not_there_may_come_yet():
    with pytest.raises(StreamError, match="v4l2:///dev/video987: no such camera; plug it in"):
        open_capture(StreamSettings("v4l2", device="987"))


def test_a_file_that_no_decoder_takes(tmp_path, capfd):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no film " * 100)
    with pytest.raises(StreamError, match="cannot be decoded; convert it"):
        open_capture(StreamSettings("file", file=path))
    assert "clip.mp4" not in "".join(capfd.readouterr())


@pytest.fixture
def reachable(monkeypatch):
    """No camera is asked, and no decoder gets the location."""
    opened = []

    class Refusing(object):
        def __init__(self, *arguments):
            opened.append(arguments)

        def isOpened(self):
            return False

        def release(self):
            opened.append("released")

    monkeypatch.setattr(backends, "video_codec", lambda settings: "H264")
    monkeypatch.setattr(backends, "build", lambda: PC)
    monkeypatch.setattr(cv2, "VideoCapture", Refusing)
    return opened


def test_every_way_is_tried_and_released(reachable):
    with pytest.raises(
        StreamError, match=r"^rtsp://127\.0\.0\.1:554/live: cannot be decoded; check the camera's codec"
    ) as caught:
        open_capture(CAMERA)
    assert [call if call == "released" else call[1] for call in reachable] == [
        cv2.CAP_GSTREAMER,
        "released",
        cv2.CAP_FFMPEG,
        "released",
    ]
    assert "hush" not in repr(caught.value)


def test_credentials_that_ffmpeg_would_cut_off_are_refused(reachable, monkeypatch):
    monkeypatch.setattr(backends, "build", lambda: WHEEL)
    with pytest.raises(ConfigError, match="limit of 127 characters") as caught:
        open_capture(CAMERA._replace(password="길" * 14))
    assert not reachable
    assert "%EA" not in repr(caught.value)
    with pytest.raises(StreamError, match="cannot be decoded"):
        open_capture(CAMERA._replace(password="x" * (127 - len("watcher:"))))
    assert reachable


@pytest.mark.parametrize(("able", "option"), [(JETSON, "|stimeout;"), (WHEEL, "|timeout;"), (PC, "|timeout;")])
def test_decoders_are_kept_silent_and_impatient(monkeypatch, able, option):
    # Set first, so that monkeypatch puts back what was there.
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "")
    monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS")
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "56")
    monkeypatch.setenv("OPENCV_FFMPEG_DEBUG", "1")
    monkeypatch.setenv("GST_DEBUG", "5")
    backends.silence(able)
    assert os.environ["OPENCV_FFMPEG_LOGLEVEL"] == "-8"
    assert "OPENCV_FFMPEG_DEBUG" not in os.environ
    assert "GST_DEBUG" not in os.environ
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"].startswith("rtsp_transport;tcp|")
    assert option in os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"]
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    backends.silence(able)
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp", "the user's own choice stays"


def test_an_opencv_that_would_print_passwords_gets_none(reachable, monkeypatch):
    monkeypatch.setattr(backends, "_log_switch", lambda: None)
    monkeypatch.setenv("OPENCV_VIDEOIO_DEBUG", "1")
    with pytest.raises(ConfigError, match="OPENCV_VIDEOIO_DEBUG: makes OpenCV log passwords; unset it"):
        open_capture(CAMERA)
    assert not reachable
    monkeypatch.setenv("OPENCV_VIDEOIO_DEBUG", "0")
    with pytest.raises(StreamError, match="cannot be decoded"):
        open_capture(CAMERA)


def test_gstreamer_makes_pixels_square_where_it_decodes_in_software_and_that_is_wanted(reachable):
    with pytest.raises(StreamError):
        open_capture(CAMERA)
    assert " ! decodebin ! videoscale ! video/x-raw,pixel-aspect-ratio=1/1 ! videoconvert ! " in reachable[0][0]
    del reachable[:]
    with pytest.raises(StreamError):
        open_capture(CAMERA._replace(square_pixels=False))
    assert " ! decodebin ! videoconvert ! " in reachable[0][0]
    assert "hush" not in str(reachable), "the decoder gets no password"
