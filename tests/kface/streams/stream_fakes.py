"""Captures that do what cameras do at their worst, and patience short enough for tests."""

import threading
import time

import cv2
import numpy as np
import pytest

from kface.streams import StreamSettings, Timing

CAMERA = StreamSettings("rtsp", address="127.0.0.1", id="watcher", password="hush-hush", path="/live")
QUICK = Timing(
    stall=0.4, opening=1.0, first_wait=0.02, longest_wait=0.1, refused_wait=0.5, settled=5.0, oldest=1.0, abandoned=2
)


def picture(number, size=(32, 24)):
    """BGR: the number in blue, 200 in red."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, :, 0], image[:, :, 2] = number % 256, 200
    return image


def number_of(frame):
    return int(frame.image[0, 0, 2])


class Capture(object):
    """Plays a script: an image, or something to do (called; its result is what grab returns), picture by picture.

    Behind the script's end it goes on at `fps` pictures a second, or says that it has ended. Pictures are numbered from
    `mark`.
    """

    def __init__(self, script=(), endless=False, fps=100.0, mark=0):
        self.script = list(script)
        self.endless = endless
        self.fps = fps
        self.mark = mark
        self.image = None
        self.reads = 0
        self.released_by = None

    def grab(self):
        number, self.reads = self.reads, self.reads + 1
        if number < len(self.script):
            step = self.script[number]
            if callable(step):
                self.image = picture(self.mark + number)
                return step()
            self.image = step
            return True
        if not self.endless:
            return False
        time.sleep(1.0 / self.fps)
        self.image = picture(self.mark + number)
        return True

    def retrieve(self):
        return True, self.image

    def get(self, prop):
        return self.fps if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self):
        self.released_by = threading.current_thread().name


class Opener(object):
    """Opens the given captures in turn, the last one again and again; an exception is raised, a function called."""

    def __init__(self, *captures):
        self.captures = captures
        self.times = []

    def __call__(self, settings):
        capture = self.captures[min(len(self.times), len(self.captures) - 1)]
        self.times.append(time.monotonic())
        if isinstance(capture, Exception):
            raise capture
        return capture() if callable(capture) else capture


def write_video(path, pictures, codec, fps=25.0):
    """Write BGR pictures with OpenCV's FFmpeg, and return the path as a text; skips where it has no such encoder."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write {}".format(codec))
    for image in pictures:
        writer.write(image)
    writer.release()
    return str(path)


def interlace(path, first=0):
    """Mark the pictures of an MPEG-2 video as interlaced from one on (ISO/IEC 13818-2, 6.2.2.3 and 6.2.3.1)."""
    with open(str(path), "rb") as stream:
        data = bytearray(stream.read())
    place, number = data.find(b"\0\0\1\xb5"), 0
    while place >= 0:
        body = place + 4
        if data[body] >> 4 == 1:
            data[body + 1] &= 0xF7
        elif data[body] >> 4 == 8:
            if number >= first:
                data[body + 3] &= 0xFE
                data[body + 4] &= 0x7F
            number += 1
        place = data.find(b"\0\0\1\xb5", body)
    assert number
    with open(str(path), "wb") as stream:
        stream.write(bytes(data))
