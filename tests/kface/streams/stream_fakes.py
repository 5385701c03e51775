"""Captures that do what cameras do at their worst, and patience short enough for tests."""

import threading
import time

import cv2
import numpy as np

from kface.streams import StreamSettings, Timing

CAMERA = StreamSettings("rtsp", address="127.0.0.1", id="watcher", password="hush-hush", path="/live")
QUICK = Timing(
    stall=0.4, opening=1.0, first_wait=0.02, longest_wait=0.1, refused_wait=0.5, settled=5.0, oldest=1.0, abandoned=2
)
#: Noisy machines are given this long for what takes milliseconds.
GENEROUS = 10.0


def picture(number, size=(32, 24)):
    """BGR: the number in blue, 200 in red."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, :, 0], image[:, :, 2] = number % 256, 200
    return image


def number_of(frame):
    return int(frame.image[0, 0, 2])


def until(condition, seconds=GENEROUS):
    """Wait for a condition, and return whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


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
