"""GStreamer's pipelines: decoding in a Jetson's hardware, or in software elsewhere."""

from typing import List, Tuple

from kface.streams.settings import Size, StreamSettings

#: Sensor modes of the common CSI cameras (IMX219): (width, height) in pixels and frames a second.
SENSOR_MODES: Tuple[Tuple[Size, int], ...] = (((1280, 720), 30), ((1920, 1080), 30), ((3264, 2464), 21))
#: The newest picture only, for live sources; every picture, for files.
NEWEST = "appsink drop=true max-buffers=1 sync=false"
EVERY = "appsink drop=false max-buffers=4 sync=false"
#: Out of the video memory, and to OpenCV's order of colours.
HARDWARE = "nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR"
SOFTWARE = "videoconvert ! video/x-raw,format=BGR"
#: Depayloader and parser by the codec's name in a stream's description; the hardware decoder takes these.
PARSERS = {"H264": "rtph264depay ! h264parse", "H265": "rtph265depay ! h265parse"}
DECODER = "nvv4l2decoder"
#: Microseconds without data after which a connection is given up.
PATIENCE = 4000000
#: Milliseconds that packets wait for those before them.
LATENCY = 200


def choose(settings: StreamSettings, jetson: bool, codec: str = "") -> List[str]:
    """Return the pipelines that may open a stream, the best first; they hold the credentials.

    Args:
        settings: Of any kind but "v4l2".
        jetson: Whether the hardware decoder is there.
        codec: The network camera's, as its description names it.
    """
    if settings.kind == "csi":
        return [_csi(settings)] if jetson else []
    if settings.kind == "rtsp":
        start = _rtspsrc(settings)
        software = "{} ! application/x-rtp,media=video ! decodebin ! {} ! {}".format(start, SOFTWARE, NEWEST)
        if not jetson or codec not in PARSERS:
            return [software]
        parts = (start, PARSERS[codec], DECODER + " enable-max-performance=1", HARDWARE, NEWEST)
        return [" ! ".join(parts), software]
    start = "filesrc location={}".format(quote(settings.file))
    software = "{} ! decodebin ! {} ! {}".format(start, SOFTWARE, EVERY)
    if not jetson or not settings.file.lower().endswith((".mp4", ".m4v", ".mov")):
        return [software]
    return [" ! ".join((start, "qtdemux", "h264parse", DECODER, HARDWARE, EVERY)), software]


def square(pipeline: str) -> str:
    """Return a pipeline that makes pixels square when it decodes in software; OpenCV does not report the shape of GStreamer's.

    Args:
        pipeline: Of :func:`choose`; one that decodes in hardware is returned as it is.
    """
    return pipeline.replace(" decodebin ! ", " decodebin ! videoscale ! video/x-raw,pixel-aspect-ratio=1/1 ! ", 1)


def quote(text: str) -> str:
    """Return a text as the value of a property, whatever signs it has."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _rtspsrc(settings: StreamSettings) -> str:
    location = "rtsp://{}{}".format(settings.authority, settings.encoded_path)
    words = ["rtspsrc location=" + quote(location)]
    if settings.id:
        words += ["user-id=" + quote(settings.id.reveal()), "user-pw=" + quote(settings.password.reveal())]
    words.append("latency={} protocols=tcp tcp-timeout={}".format(LATENCY, PATIENCE))
    return " ".join(words)


def _csi(settings: StreamSettings) -> str:
    width, height = settings.resolution or SENSOR_MODES[0][0]
    fitting = [mode for mode in SENSOR_MODES if mode[0][0] >= width and mode[0][1] >= height]
    sensor, rate = fitting[0] if fitting else SENSOR_MODES[-1]
    return " ! ".join(
        (
            "nvarguscamerasrc sensor-id={}".format(settings.device),
            "video/x-raw(memory:NVMM),width={},height={},format=NV12,framerate={}/1".format(
                sensor[0], sensor[1], min(rate, settings.fps or rate)
            ),
            "nvvidconv flip-method=0",
            "video/x-raw,width={},height={},format=BGRx".format(width, height),
            SOFTWARE,
            NEWEST,
        )
    )
