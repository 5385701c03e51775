"""Tools of the window's tests: a session without cameras, and what every window has to keep."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

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


def controls(window):
    """Return a window's controls: what a user can use, and no parts of others (a spin box's line, a scroll bar)."""
    return [
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, CONTROLS)
        and not isinstance(widget, QScrollBar)
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
