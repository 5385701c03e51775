"""A clip whose pictures say their number, and the real RTSP server that plays it; for tests on 127.0.0.1."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parent / "rtsp_server.py"
#: Debian's own interpreter: GStreamer's bindings are built for it, and its OpenCV has GStreamer.
SYSTEM_PYTHON = "/usr/bin/python3"
FPS = 25
_BITS = 11


def require_server():
    """Skip the test where the server cannot run."""
    if not Path(SYSTEM_PYTHON).is_file():
        pytest.skip(f"{SYSTEM_PYTHON} is absent: the RTSP server's bindings are installed for it")
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if subprocess.run([SYSTEM_PYTHON, "-c", code], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("GstRtspServer is absent (apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi)")
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is absent: it makes the clip that is played")


def draw(number):
    """Draw picture `number` of the clip, uint8 (240, 320, 3): its number in black and white bars, and a wandering disc."""
    image = np.full((240, 320, 3), 90, np.uint8)
    for bit in range(_BITS):
        image[:60, 6 + 28 * bit : 34 + 28 * bit] = 255 if number >> bit & 1 else 0
    cv2.circle(image, (20 + number * 3 % 280, 150 + number % 60), 20, (200, 60, 40), -1)
    return image


def number_in(image):
    """Read the number of a picture that was drawn by :func:`draw`, whatever was compressed and scaled since."""
    return sum(int(image[30, 20 + 28 * bit].mean() > 127) << bit for bit in range(_BITS))


def encode(path, arguments, data=None):
    """Make an H.264 clip with ffmpeg, a key picture a second."""
    command = ["ffmpeg", "-v", "error", "-y", *arguments, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"]
    command += ["-tune", "zerolatency", "-g", str(FPS), "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=data, check=True)
    return path


def make_clip(path, seconds):
    """Write a clip of numbered pictures."""
    pictures = b"".join(draw(number).tobytes() for number in range(seconds * FPS))
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x240", "-r", str(FPS), "-i", "-"]
    return encode(path, raw, pictures)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The server of `rtsp_server.py` in a process of its own; the credentials go through a pipe.

    Args:
        clip: What it plays to each client from the beginning.
        port: Where it listens; a free one by default.
        login: "none", "basic" or "digest".
        credentials: The id and the password that let in.
    """

    def __init__(self, clip, port=None, login="none", credentials=("", "")):
        self.port = port or free_port()
        self.uri = f"rtsp://127.0.0.1:{self.port}/clip"
        command = [SYSTEM_PYTHON, str(SCRIPT), "--port", str(self.port), "--login", login, str(clip)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process.stdin.write("".join(word + "\n" for word in credentials).encode("utf-8"))
        self._process.stdin.close()
        assert self._process.stdout.readline() == b"ready\n"

    def stall(self):
        """Stop the process: its connections stay open, and nothing comes through them."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
