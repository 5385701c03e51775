"""Which decoder opens a stream: GStreamer, with a Jetson's hardware decoder where there is one, or FFmpeg.

A decoder of a network camera gets no credentials: it plays through :mod:`kface.streams.relay`, which logs in.
"""

import os
import re
import stat
import threading
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import cv2

from kface.errors import ConfigError
from kface.streams import pipelines
from kface.streams.credentials import Secret
from kface.streams.frame import StreamError
from kface.streams.probe import video_codec
from kface.streams.relay import Relay
from kface.streams.settings import StreamSettings

#: What cv2.VideoCapture has, and a stand-in needs: grab() -> bool, retrieve() -> (bool, BGR image), get(property) -> float,
#: release().
Capture = Any

#: The decoder's own patience in milliseconds. The watchdog does not rely on it; blocked reads return sooner.
DECODER_PATIENCE = 4000
#: FFmpeg (libavformat/rtsp.c) cuts the credentials of a URL here. Ours are in none, but a login that only plays here would
#: surprise those who try the camera with a player.
FFMPEG_CREDENTIALS = 127

#: V4L2's name of JPEG pictures, as OpenCV takes it.
MJPEG = float(int.from_bytes(b"MJPG", "little"))

_silenced = threading.Lock()


class Build(NamedTuple):
    """What this machine and its OpenCV can do.

    Attributes:
        gstreamer: OpenCV has GStreamer.
        ffmpeg: OpenCV has FFmpeg.
        avformat: Major version of FFmpeg's libavformat, 0 where it is not known.
        jetson: This is a Jetson.
    """

    gstreamer: bool
    ffmpeg: bool
    avformat: int
    jetson: bool


class DecoderChoice(NamedTuple):
    """One way to open a stream.

    Attributes:
        location: URL, path, device or pipeline.
        api: OpenCV's number of the backend.
        properties: (number, value) of what is asked of the capture once it is open.
    """

    location: Secret
    api: int
    properties: Tuple[Tuple[int, float], ...] = ()


def build(information: Optional[str] = None) -> Build:
    """Return what this machine can do.

    Args:
        information: Instead of ``cv2.getBuildInformation()``.
    """
    text = cv2.getBuildInformation() if information is None else information

    def has(name: str) -> bool:
        return re.search(r"^\s*{}:\s+YES".format(name), text, re.MULTILINE) is not None

    version = re.search(r"avformat:\s+YES \((?:ver )?(\d+)", text)
    jetson = os.path.exists("/etc/nv_tegra_release")
    return Build(has("GStreamer"), has("FFMPEG"), int(version.group(1)) if version else 0, jetson)


def sources(settings: StreamSettings, able: Build, codec: str = "") -> List[DecoderChoice]:
    """Return the ways to open a stream, the best first.

    Args:
        settings: The stream.
        able: What this machine can do.
        codec: The network camera's, as in its description.
    """
    if settings.kind == "v4l2":
        wanted = [(cv2.CAP_PROP_BUFFERSIZE, 1.0)]
        if settings.resolution is not None:
            # USB 2 carries larger pictures at full speed only as JPEG.
            wanted += [(cv2.CAP_PROP_FOURCC, MJPEG)]
            wanted += list(zip((cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT), map(float, settings.resolution)))
        if settings.fps is not None:
            wanted.append((cv2.CAP_PROP_FPS, float(settings.fps)))
        return [DecoderChoice(Secret(settings.device), cv2.CAP_V4L2, tuple(wanted))]
    found = []
    if able.gstreamer:
        texts = pipelines.choose(settings, able.jetson, codec)
        found = [DecoderChoice(Secret(text), cv2.CAP_GSTREAMER) for text in texts]
    if able.ffmpeg and settings.kind != "csi":
        url = settings.reveal_uri() if settings.kind == "rtsp" else os.path.abspath(settings.file)
        # Some of GStreamer's demultiplexers (GIF) wait for ever at a file's end: of files it gets those for the hardware.
        place = len(found) - 1 if settings.kind == "file" and found else len(found)
        found.insert(place, DecoderChoice(Secret(url), cv2.CAP_FFMPEG))
    return found


def check(settings: StreamSettings, able: Optional[Build] = None) -> None:
    """Refuse what no waiting will mend.

    Raises:
        ConfigError: The video file is not there or cannot be read, or this machine has no CSI camera.
    """
    able = build() if able is None else able
    if settings.kind == "csi" and not (able.gstreamer and able.jetson):
        raise ConfigError(
            "needs a Jetson with GStreamer support in OpenCV",
            settings.uri,
            "use JetPack's OpenCV, or another kind of stream",
        )
    if settings.kind == "file":
        try:
            found = os.stat(settings.file)
        except (OSError, ValueError) as error:
            raise ConfigError(
                "cannot be opened ({})".format(getattr(error, "strerror", None) or "no such file"), settings.file
            )
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError("is not a file", settings.file)
        if not found.st_size:
            raise ConfigError("is empty (0 bytes)", settings.file)
        if not os.access(settings.file, os.R_OK):
            raise ConfigError("cannot be opened (Permission denied)", settings.file)


def open_capture(settings: StreamSettings) -> Capture:
    """Open a stream with the best decoder that takes it.

    Raises:
        ConfigError: See :func:`check`.
        StreamRefusedError: A network camera does not accept the credentials.
        StreamError: It cannot be opened now.
    """
    able = build()
    check(settings, able)
    silence(able)
    if settings.password and _talks():
        raise ConfigError("makes OpenCV log passwords", "OPENCV_VIDEOIO_DEBUG", "unset it and start again")
    codec = ""
    if settings.kind == "rtsp":
        codec = video_codec(settings)
        _check_length(settings)
        relay = Relay(settings)
        try:
            capture = _first(relay.settings, able, codec)
        finally:
            relay.close()
        if capture is None and relay.failure is not None:
            raise relay.failure
    else:
        if settings.kind == "v4l2":
            _check_device(settings)
        capture = _first(settings, able, codec)
    if capture is not None:
        return capture
    remedy = {
        "rtsp": "check the camera's codec: H.264 suits every decoder",
        "csi": "check the ribbon cable, and that no other program uses the camera",
        "file": "convert it: ffmpeg -i FILE new.mp4",
        "v4l2": "check that no other program uses the camera",
    }
    raise StreamError(
        "cannot be decoded" if settings.kind in ("rtsp", "file") else "cannot be opened",
        settings.uri,
        remedy[settings.kind],
    )


def _first(settings: StreamSettings, able: Build, codec: str) -> Optional[Capture]:
    """Return the best decoder's capture, None where none takes the stream."""
    for source in sources(settings, able, codec):
        if source.api == cv2.CAP_GSTREAMER and settings.square_pixels:
            source = source._replace(location=Secret(pipelines.square(source.location.reveal())))
        capture = _open(source)
        if capture.isOpened():
            for number, value in source.properties:
                capture.set(number, value)
            return capture
        capture.release()
    return None


def silence(able: Build) -> None:
    """Keep FFmpeg, GStreamer and OpenCV's video part quiet in this process: they print locations, with the credentials.

    FFmpeg reads its level when the process opens its first video. What there is to say, a stream's state and reason say.
    """
    with _silenced:
        for name in ("OPENCV_FFMPEG_DEBUG", "GST_DEBUG"):
            os.environ.pop(name, None)
        os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
        # The option had another name, and this one another meaning (wait for a caller), before FFmpeg 5.
        name = "stimeout" if 0 < able.avformat < 59 else "timeout"
        options = "rtsp_transport;tcp|{};{}".format(name, DECODER_PATIENCE * 1000)
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", options)
        quiet = _log_switch()
        if quiet is not None:
            quiet(0)


def _log_switch() -> Optional[Callable[[int], object]]:
    """Return what sets the level of OpenCV's log, None for an OpenCV (4.1 of a Nano) that cannot."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    return getattr(logging, "setLogLevel", None) or getattr(cv2, "setLogLevel", None)


def _talks() -> bool:
    # Read by OpenCV when it is loaded: nothing that is done now would keep it from printing every location.
    return _log_switch() is None and os.environ.get("OPENCV_VIDEOIO_DEBUG", "0").lower() not in (
        "",
        "0",
        "false",
        "off",
    )


def _open(source: DecoderChoice) -> Capture:
    location = source.location.reveal()
    if source.api == cv2.CAP_FFMPEG and hasattr(cv2, "CAP_PROP_OPEN_TIMEOUT_MSEC"):
        patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, DECODER_PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC, DECODER_PATIENCE]
        return cv2.VideoCapture(location, source.api, patience)
    return cv2.VideoCapture(location, source.api)


def _check_device(settings: StreamSettings) -> None:
    if not os.path.exists(settings.device):
        raise StreamError("no such camera", settings.uri, "plug it in; `ls /dev/video*` lists the cameras")
    if not os.access(settings.device, os.R_OK | os.W_OK):
        raise StreamError("this user may not open it", settings.uri, "add the user to the group video")


def _check_length(settings: StreamSettings) -> None:
    user = settings.reveal_uri()[len("rtsp://") :].rpartition("@" + settings.authority)[0]
    if len(user.encode("utf-8")) > FFMPEG_CREDENTIALS:
        raise ConfigError(
            "id and password are longer than FFmpeg's limit of {} characters (percent-encoded)".format(
                FFMPEG_CREDENTIALS
            ),
            settings.uri,
            "use shorter ones",
        )
