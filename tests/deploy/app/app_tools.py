"""Tools of the window's tests: a session without cameras, and what every window has to keep."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QWidget,
)
from web_session import FakeSession

from deploy.registration import measures_of
from deploy.sightings import Sighting
from kface.faces import Faces
from kface.gallery import Limits
from kface.gallery.quality import Quality

CONTROLS = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)


class FakeAppSession(FakeSession):
    """The page's fake session with what only the window asks for."""

    @property
    def running(self):
        return self.stream[0] not in ("ended", "closed")

    def start(self):
        return self

    def wait(self, timeout=None):
        return not self.running

    view = (640, 360)
    recording = None
    seen = ()

    def change_view(self, size):
        self._called("change_view", size)
        self.view = size

    def pick(self, x, y, size=None):
        return super().pick(x, y)

    def sightings(self):
        return self.seen

    def pick_sighting(self, id):
        self._called("pick_sighting", id)
        (one,) = [one for one in self.seen if one.id == id]
        return self._make(self.faces()[0])._replace(crop=one.crop)

    def save_picture(self, path):
        self._called("save_picture", path)

    def start_recording(self, path):
        self._called("start_recording", path)
        self.recording = path

    def stop_recording(self):
        self._called("stop_recording")
        path, self.recording = self.recording, None
        return path


def sighting(number, kind, name=None):
    """Return a person who was there."""
    crop = np.full((112, 112, 3), 60 + 30 * number % 150, np.uint8)
    face = Faces(np.zeros((1, 4), np.float32), np.ones((1,), np.float32), np.zeros((1, 5, 2), np.float32))
    return Sighting(
        "s{}".format(number), number, "2026-11-24T09:30:{:02}.000+09:00".format(number % 60), kind, name, 0.5, number,
        crop, crop, face, Quality(80, 90, 0, 0.5), (0, 0, 10, 10),
    )  # fmt: skip


def controls(window):
    """Return a window's controls: what a user can use, and no parts of others (a spin box's line, a scroll bar)."""
    return [
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, CONTROLS)
        and not isinstance(widget, QScrollBar)
        # The list that a combo box drops down is in a frame of its own.
        and not isinstance(widget.parent().parent(), QComboBox)
        and not isinstance(widget.parent(), (QAbstractSpinBox, QComboBox, QAbstractItemView, QLineEdit))
        and not widget.objectName().startswith("qt_")
    ]


def unnamed(window):
    """Return the controls of a window that a screen reader has no name for."""
    return [
        "{} {!r}".format(type(widget).__name__, widget.objectName())
        for widget in controls(window)
        if not (widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()))
    ]


def unreachable(window):
    """Return the visible, enabled controls of a window that the Tab key does not come to."""
    reached, widget = set(), window
    for _ in range(1000):
        widget = widget.nextInFocusChain()
        if widget is window or widget is None:
            break
        reached.add(widget)
    return [
        "{} {!r}".format(type(widget).__name__, widget.accessibleName())
        for widget in controls(window)
        if widget.isVisibleTo(window)
        and widget.isEnabled()
        and (not widget.focusPolicy() & Qt.TabFocus or widget not in reached)
    ]


#: Those of a face that is too small, not sharp, and turned aside.
MEASURES = measures_of(Quality(40.0, 22.0, 0.45, 0.5, 3.0, 0.0), Limits())
