"""The plain window on a virtual screen, with a real mouse and real keys where the programs for that are installed."""

import os
import shutil
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
from web_session import FakeSession

from deploy import window
from deploy.window import Window, find_backend, opencv_has_gui
from kface.errors import ConfigError

HEADLESS_5 = "General configuration\n\n  GUI:                           NONE\n\n  Media I/O:\n    ZLib: YES\n"
HEADLESS_41 = (
    "  GUI: \n    GTK+:                NO\n    VTK support:                 YES\n\n  Media I/O: \n    JPEG: YES\n"
)
JETPACK_46 = (
    "  GUI: \n    GTK+:                        YES (ver 2.24.32)\n      GThread :                  YES (ver 2.56.4)\n"
)
QT = "  GUI:                           QT5\n    QT:                          YES (ver 5.15.2 )\n"
WITHOUT_TOOLKIT = "  GUI: \n\n  Media I/O: \n    QT: YES\n"
DEADLINE_S = 30


@pytest.mark.parametrize(
    ("information", "there"),
    [(HEADLESS_5, False), (HEADLESS_41, False), (JETPACK_46, True), (QT, True), (WITHOUT_TOOLKIT, False), ("", False)],
)
def test_the_build_information_tells_of_a_gui(information, there):
    assert opencv_has_gui(information) is there


def test_opencv_comes_first_then_tkinter_then_one_line(monkeypatch):
    monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: JETPACK_46)
    assert find_backend() == "opencv"
    monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: HEADLESS_5)
    monkeypatch.setitem(sys.modules, "tkinter", type(sys)("tkinter"))
    assert find_backend() == "tkinter"
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(ConfigError) as caught:
        Window(FakeSession()).run()
    line = str(caught.value)
    assert "python3-opencv" in line
    assert "python3-tk" in line
    assert "web page" in line


def test_opencv_without_a_gui_is_one_line():
    if opencv_has_gui(cv2.getBuildInformation()):
        pytest.skip("this OpenCV can show windows")
    session = FakeSession()
    with pytest.raises(ConfigError, match="cannot open a window"):
        Window(session, backend="opencv").run()
    session.stop()


def test_no_screen_is_one_line(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    session = FakeSession()
    with pytest.raises(ConfigError, match="cannot open a window .*display"):
        Window(session, backend="tkinter").run()
    session.stop()


class Highgui:
    """Stands in for an OpenCV with a GUI: a click at 135, 150 on the third look, q on the sixth."""

    def __init__(self, monkeypatch):
        self.shown = []
        self.looks = 0
        self.open = []
        self.visible, self.mode = 1.0, 0.0
        for name in ("namedWindow", "setMouseCallback", "imshow", "waitKey", "getWindowProperty", "destroyWindow"):
            monkeypatch.setattr(window.cv2, name, getattr(self, name))

    def namedWindow(self, title, flags):
        self.open.append(title)

    def setMouseCallback(self, title, call):
        self.call = call

    def imshow(self, title, bgr):
        self.shown.append(bgr.copy())

    def waitKey(self, milliseconds):
        self.looks += 1
        if self.looks == 3:
            self.call(cv2.EVENT_MOUSEMOVE, 410, 110, 0, None)
            self.call(cv2.EVENT_LBUTTONDOWN, 135, 150, 0, None)
        return ord("q") if self.looks == 6 else -1

    def getWindowProperty(self, title, what):
        found = self.visible if what == cv2.WND_PROP_VISIBLE else self.mode
        if isinstance(found, Exception):
            raise found
        return found

    def destroyWindow(self, title):
        self.open.remove(title)


@pytest.mark.parametrize("visible", [1.0, -1.0])
def test_with_opencv_colours_clicks_and_keys(monkeypatch, visible):
    fake, session, told = Highgui(monkeypatch), FakeSession(), []
    fake.visible = visible
    session.backdrop = np.full((360, 640, 3), (200, 40, 10), np.uint8)
    Window(session, notify=told.append, backend="opencv").run()
    session.stop()
    # One more lets the window go.
    assert fake.looks == 7
    assert fake.open == []
    assert fake.shown[0][5, 5].tolist() == [10, 40, 200]
    assert session.calls == [("pick", 135, 150)]
    assert told == ["to enrol track 1: kface enrol NAME --track 1"]


# Qt tells that a window is closed; GTK of OpenCV 4.1 knows no visibility, and has no window then.
@pytest.mark.parametrize(
    ("visible", "mode"), [(0.0, 0.0), (-1.0, -1.0), (-1.0, cv2.error("NULL window")), (cv2.error("x"), 0.0)]
)
def test_with_opencv_the_cross_closes(monkeypatch, visible, mode):
    fake, session = Highgui(monkeypatch), FakeSession()
    fake.visible, fake.mode = visible, mode
    Window(session, backend="opencv").run()
    session.stop()
    assert fake.looks == 2


@pytest.mark.parametrize("how", ["end", "stop", "close"])
def test_the_end_of_the_session_or_a_call_closes_the_window(monkeypatch, how):
    fake, session = Highgui(monkeypatch), FakeSession()
    monkeypatch.setattr(window.cv2, "waitKey", lambda milliseconds: -1)
    shown = Window(session, backend="opencv")
    timer = threading.Timer(0.3, getattr(shown if how == "close" else session, how))
    timer.start()
    shown.run()
    timer.join()
    assert fake.open == []
    session.stop()


@pytest.fixture(scope="module")
def display(tmp_path_factory):
    """A virtual screen of 800x600."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip("{} is absent (apt-get install xvfb xdotool)".format(program))
    folder = tmp_path_factory.mktemp("screen")
    reading, writing = os.pipe()
    # Without -noreset the screen begins anew, and its file with it, whenever the last window is closed.
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-fbdir", str(folder), "-noreset"]
    command += ["-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as stream:
        number = stream.readline().strip()
    yield ":" + number, folder / "Xvfb_screen0"
    process.terminate()
    process.wait(20)


def screen_image(path):
    """Read the screen, uint8 (600, 800, 3) RGB, from Xvfb's frame buffer (an XWD file)."""
    data = path.read_bytes()
    head = np.frombuffer(data[:100], ">u4")
    size, colours, pitch = int(head[0]), int(head[19]), int(head[12])
    pixels = np.frombuffer(data[size + 12 * colours :], np.uint8)[: 600 * pitch]
    return pixels.reshape(600, pitch)[:, :3200].reshape(600, 800, 4)[:, :, 2::-1]


def xdotool(display, *arguments):
    command = ["xdotool"] + list(arguments)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, DISPLAY=display)
    )
    return done.stdout.decode("utf-8").split()


def wait_for(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def user(name, framebuffer, title, told):
    """Look at the window, click in it three times and press q; what is told is given back by `told`."""
    found = wait_for(
        lambda: xdotool(name, "search", "--onlyvisible", "--name", "^" + title + "$"), "the window is there"
    )[-1]
    wait_for(lambda: "HEIGHT=360" in xdotool(name, "getwindowgeometry", "--shell", found), "the window has its size")
    geometry = xdotool(name, "getwindowgeometry", "--shell", found)
    assert {"WIDTH=640", "HEIGHT=360"} <= set(geometry)
    left, top = (int(next(part for part in geometry if part.startswith(side))[2:]) for side in ("X=", "Y="))
    wait_for(lambda: screen_image(framebuffer)[top + 20, left + 600].tolist() == [200, 40, 10], "the picture, in RGB")
    first = screen_image(framebuffer)
    wait_for(lambda: (screen_image(framebuffer) != first).any(axis=2).sum() > 50, "another picture")
    if os.environ.get("KFACE_SCREENSHOTS"):
        shot = os.path.join(os.environ["KFACE_SCREENSHOTS"], title + ".png")
        cv2.imwrite(shot, np.ascontiguousarray(screen_image(framebuffer)[:, :, ::-1]))
    for x, y, line in ((135, 150, "--track 1"), (420, 125, "not good enough"), (5, 5, "no face at this point")):
        xdotool(name, "mousemove", str(left + x), str(top + y), "click", "1")
        wait_for(lambda line=line: line in (told() or [""])[-1], "the click is told: " + line)
    xdotool(name, "windowfocus", found, "key", "q")


def test_tkinter_on_a_screen_with_a_real_mouse(display, monkeypatch):
    pytest.importorskip("tkinter")
    name, framebuffer = display
    monkeypatch.setenv("DISPLAY", name)
    session, told, errors = FakeSession(), [], []
    session.backdrop = np.full((360, 640, 3), (200, 40, 10), np.uint8)
    shown = Window(session, "kface tkinter", told.append, backend="tkinter")

    def use():
        try:
            user(name, framebuffer, "kface tkinter", lambda: told)
        except BaseException as error:
            errors.append(error)
            shown.close()

    thread = threading.Thread(target=use)
    thread.start()
    timer = threading.Timer(3 * DEADLINE_S, shown.close)
    timer.start()
    shown.run()
    still = timer.is_alive()
    timer.cancel()
    thread.join()
    session.stop()
    assert errors == []
    assert still, "q did not close the window"
    assert [call[0] for call in session.calls] == ["pick"] * 3
    assert abs(session.calls[0][1] - 135) <= 2
    assert abs(session.calls[0][2] - 150) <= 2


SHOW = """
import numpy as np
from web_session import FakeSession
from deploy.window import Window
session = FakeSession()
session.backdrop = np.full((360, 640, 3), (200, 40, 10), np.uint8)
Window(session, "kface opencv", lambda line: print(line, flush=True), backend="opencv").run()
session.stop()
"""


def test_opencv_on_a_screen_with_a_real_mouse(display, tmp_path):
    # The wheels that the tests run with have no GUI; the system's own OpenCV has.
    name, framebuffer = display
    python = "/usr/bin/python3"
    look = "import cv2, numpy, sys; from deploy import window as w; sys.exit(not w.opencv_has_gui(cv2.getBuildInformation()))"
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = {"PATH": os.environ["PATH"], "DISPLAY": name, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join([os.path.join(os.path.dirname(tests), "src"), tests])
    if (
        not os.path.exists(python)
        or subprocess.run([python, "-c", look], stderr=subprocess.DEVNULL, env=environment).returncode
    ):
        pytest.skip("the system's Python has no OpenCV with a GUI (apt-get install python3-opencv)")
    output = tmp_path / "told"
    with output.open("wb") as stream:
        process = subprocess.Popen([python, "-B", "-c", SHOW], stdout=stream, stderr=stream, env=environment)
    try:
        user(name, framebuffer, "kface opencv", lambda: output.read_text().splitlines())
        assert process.wait(DEADLINE_S) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
