"""Small widgets that several windows have, each with a name for screen readers."""

from typing import Any, Optional, Tuple

import numpy as np
from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap
from qtpy.QtWidgets import QLabel, QListView, QListWidget, QListWidgetItem, QSizePolicy, QWidget

from deploy.app.texts import tr

#: Side of a thumbnail, in pixels that do not depend on the screen's scaling.
THUMBNAIL = 72


def named(widget: Any, name: str, about: str = "") -> Any:
    """Give a control the name that a screen reader says, and what it does as its tool tip; returns the control."""
    widget.setAccessibleName(name)
    if about:
        widget.setAccessibleDescription(about)
        widget.setToolTip(about)
    return widget


def image_of(rgb: np.ndarray) -> QImage:
    """Return a picture, uint8 (h, w, 3) RGB, as Qt's; a copy."""
    pixels = np.ascontiguousarray(rgb)
    height, width = pixels.shape[:2]
    # Qt does not keep the array: the copy does not need it.
    return QImage(pixels.data, width, height, 3 * width, QImage.Format_RGB888).copy()


class Translated(object):
    """What a window or widget is besides its Qt class, where it has texts: ``class Dialog(Translated, QDialog)``.

    :meth:`retranslate` sets all texts; the constructor calls it at its end, and Qt when the language has changed.
    """

    def retranslate(self) -> None:
        """Set every text, tool tip and accessible name again."""
        raise NotImplementedError

    def changeEvent(self, event: Any) -> None:
        """Qt's."""
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
        super(Translated, self).changeEvent(event)  # type: ignore[misc]


class ErrorLine(QLabel):
    """One line about what went wrong; takes no room while nothing has."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(ErrorLine, self).__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.PlainText)
        self.setTextInteractionFlags(Qt.TextSelectableByMouse | Qt.TextSelectableByKeyboard)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Minimum)
        self.setObjectName("error")
        # Dark red on pale red can be read in both palettes.
        self.setStyleSheet("#error { background: #fbe3e0; color: #7a1405; border-radius: 4px; padding: 6px; }")
        self.clear_error()

    def show_error(self, line: str) -> None:
        """Show a line, such as a :class:`kface.errors.KFaceError` has."""
        self.setText(line)
        self.setAccessibleName(tr("ErrorLine", "Error: {}").format(line))
        self.setVisible(bool(line))

    def clear_error(self) -> None:
        """Show nothing."""
        self.setText("")
        self.setAccessibleName(tr("ErrorLine", "Error: none"))
        self.hide()


class ThumbnailList(QListWidget):
    """Small pictures with texts below, each with a key; the keyboard moves and chooses too.

    Args:
        name: For screen readers.
        one_row: Whether they stand in one row, newest first, rather than in as many as needed.
        parent: Qt's.

    Attributes:
        chosen: Signal: the key of the one that was clicked, or of the current one where Enter was pressed.
    """

    chosen = Signal(object)

    def __init__(self, name: str, one_row: bool = False, parent: Optional[QWidget] = None) -> None:
        super(ThumbnailList, self).__init__(parent)
        self.setAccessibleName(name)
        self.setViewMode(QListView.IconMode)
        self.setMovement(QListView.Static)
        self.setResizeMode(QListView.Adjust)
        self.setWordWrap(True)
        self.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.setSpacing(4)
        if one_row:
            self.setFlow(QListView.LeftToRight)
            self.setWrapping(False)
            self.setHorizontalScrollBarPolicy(Qt.ScrollBarAsNeeded)
            self.setVerticalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.itemClicked.connect(self._choose)

    def put(self, key: Any, picture: Optional[np.ndarray], text: str, about: str = "", place: int = -1) -> None:
        """Add a picture, or change the one with this key.

        Args:
            key: Names it; compared by ``==``.
            picture: uint8 (h, w, 3), RGB; a placeholder where None.
            text: Below it.
            about: A longer text, for the tool tip and screen readers.
            place: Where a new one goes; -1 for the end.
        """
        item = self.item_of(key)
        if item is None:
            item = QListWidgetItem()
            item.setData(Qt.UserRole, key)
            self.insertItem(self.count() if place < 0 else place, item)
        item.setIcon(QIcon(thumbnail(picture)))
        item.setText(text)
        item.setToolTip(about or text)
        item.setData(Qt.AccessibleTextRole, about or text)

    def item_of(self, key: Any) -> Optional[QListWidgetItem]:
        """Return the item with a key; None where there is none."""
        for row in range(self.count()):
            if self.item(row).data(Qt.UserRole) == key:
                return self.item(row)
        return None

    def keys(self) -> Tuple[Any, ...]:
        """Return all keys, in order."""
        return tuple(self.item(row).data(Qt.UserRole) for row in range(self.count()))

    def remove(self, key: Any) -> None:
        """Remove the one with a key, if there is one."""
        item = self.item_of(key)
        if item is not None:
            self.takeItem(self.row(item))

    def keyPressEvent(self, event: Any) -> None:
        """Qt's: Enter chooses the current one."""
        if event.key() in (Qt.Key_Return, Qt.Key_Enter) and self.currentItem() is not None:
            self._choose(self.currentItem())
            return
        super(ThumbnailList, self).keyPressEvent(event)

    def _choose(self, item: QListWidgetItem) -> None:
        self.chosen.emit(item.data(Qt.UserRole))


def thumbnail(picture: Optional[np.ndarray], side: int = THUMBNAIL) -> QPixmap:
    """Return a picture that fits into a square, in its middle; a silhouette where there is none."""
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.Antialiasing)
    if picture is None:
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(128, 128, 128, 60))
        painter.drawRoundedRect(0, 0, side, side, 6, 6)
        painter.setBrush(QColor(128, 128, 128, 160))
        painter.drawEllipse(int(side * 0.34), int(side * 0.2), int(side * 0.32), int(side * 0.36))
        painter.drawChord(int(side * 0.2), int(side * 0.62), int(side * 0.6), int(side * 0.6), 0, 180 * 16)
    else:
        scaled = image_of(picture).scaled(side, side, Qt.KeepAspectRatio, Qt.SmoothTransformation)
        painter.drawImage((side - scaled.width()) // 2, (side - scaled.height()) // 2, scaled)
    painter.end()
    return pixmap
