"""The live picture: scaled to the widget, with boxes and names drawn in the screen's own resolution."""

from typing import Any, Optional, Tuple

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from deploy.app.texts import tr
from deploy.app.widgets import Translated, image_of, named
from deploy.view import BACKDROP, COLOURS, UNDECIDED_COLOUR, LivePicture, ViewFace
from kface.recognizer import RECOGNISED, UNKNOWN

#: RGB of tracks, in turn: colours that people with red-green weakness can tell apart (Okabe and Ito), without those of boxes.
TRACK_COLOURS = ((86, 180, 233), (230, 159, 0), (204, 121, 167), (0, 114, 178), (250, 250, 250), (120, 94, 240))


class LiveView(Translated, QWidget):
    """Shows pictures, and reports clicks on faces. With the keyboard: the arrow keys go from face to face, Enter picks.

    Args:
        parent: Qt's.

    Attributes:
        picked: Signal: the :class:`deploy.view.ViewFace` that was clicked, None where there was none; x and y in the
            picture's pixels; and the picture's size.
        picture: The :class:`deploy.view.LivePicture` that is shown; None before the first.
        chosen: The number of the face that the arrow keys are at; None where they are at none.
    """

    picked = Signal(object, float, float, object)

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(LiveView, self).__init__(parent)
        self.picture: Optional[LivePicture] = None
        self.chosen: Optional[int] = None
        self._image: Optional[QImage] = None
        self._lines: Tuple[str, ...] = ()
        self._size = QSize(640, 360)
        self.setMinimumSize(320, 180)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.setFocusPolicy(Qt.StrongFocus)
        # Every pixel is painted.
        self.setAttribute(Qt.WA_OpaquePaintEvent)
        self.retranslate()

    def retranslate(self) -> None:
        """Set the name and the help."""
        named(
            self,
            tr("LiveView", "Live view"),
            tr("LiveView", "Click a face to register it. With the keyboard: arrow keys, then Enter."),
        )
        self.update()

    def sizeHint(self) -> QSize:
        """Return the view's size of Table 6."""
        return self._size

    def set_view(self, size: Tuple[int, int]) -> None:
        """Prefer another size."""
        self._size = QSize(*size)
        self.updateGeometry()

    def show_picture(self, picture: LivePicture) -> None:
        """Show a picture."""
        self.picture = picture
        rgb = picture.image if picture.plain is None else picture.plain
        self._image = image_of(rgb)
        if self.chosen is not None and self.chosen >= len(picture.faces):
            self.chosen = None
        self.update()

    def show_lines(self, *lines: str) -> None:
        """Write why there is no live picture, where there is none."""
        if self._lines != lines:
            self._lines = lines
            self.setAccessibleDescription(" ".join(lines))
            self.update()

    def place(self) -> QRectF:
        """Return where the picture is in the widget: in its middle, as large as its shape allows."""
        if self._image is None:
            return QRectF(self.rect())
        width, height = float(self._image.width()), float(self._image.height())
        scale = min(self.width() / width, self.height() / height)
        left, top = (self.width() - scale * width) / 2, (self.height() - scale * height) / 2
        return QRectF(left, top, scale * width, scale * height)

    def to_picture(self, x: float, y: float) -> Tuple[float, float]:
        """Return a point of the widget in the picture's pixels."""
        place = self.place()
        width = self._image.width() if self._image is not None else place.width()
        scale = width / max(place.width(), 1e-6)
        return (x - place.left()) * scale, (y - place.top()) * scale

    def face_at(self, x: float, y: float) -> Optional[ViewFace]:
        """Return the face at a point in the picture's pixels, the smallest where there are several."""
        found = [
            face
            for face in (() if self.picture is None else self.picture.faces)
            if face.box[0] <= x <= face.box[2] and face.box[1] <= y <= face.box[3]
        ]
        return min(found, key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]), default=None)

    # ---- Qt's

    def mousePressEvent(self, event: Any) -> None:
        """Report a click."""
        if event.button() != Qt.LeftButton or self.picture is None:
            super(LiveView, self).mousePressEvent(event)
            return
        x, y = self.to_picture(event.pos().x(), event.pos().y())
        self.picked.emit(self.face_at(x, y), x, y, self.picture.size)

    def keyPressEvent(self, event: Any) -> None:
        """Go from face to face, or pick the one that is chosen."""
        faces = () if self.picture is None else self.picture.faces
        key = event.key()
        if key in (Qt.Key_Left, Qt.Key_Right) and faces:
            order = sorted(range(len(faces)), key=lambda number: faces[number].box[0])
            step = 1 if key == Qt.Key_Right else -1
            place = order.index(self.chosen) + step if self.chosen in order else (0 if step > 0 else -1)
            self.chosen = order[place % len(order)]
            self.update()
        elif key in (Qt.Key_Return, Qt.Key_Enter) and self.chosen is not None and self.picture is not None:
            x1, y1, x2, y2 = faces[self.chosen].box
            self.picked.emit(faces[self.chosen], (x1 + x2) / 2, (y1 + y2) / 2, self.picture.size)
        else:
            super(LiveView, self).keyPressEvent(event)

    def paintEvent(self, event: Any) -> None:
        """Paint the picture, then the faces, in the widget's own resolution."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(*BACKDROP))
        place = self.place()
        if self._image is not None and self.picture is not None and self.picture.live:
            scaled = abs(place.width() * self.devicePixelRatioF() - self._image.width()) > 0.5
            painter.setRenderHint(QPainter.SmoothPixmapTransform, scaled)
            painter.drawImage(place, self._image)
            painter.setRenderHint(QPainter.Antialiasing)
            scale = place.width() / self._image.width()
            for number, face in enumerate(self.picture.faces):
                self._draw(painter, face, place, scale, number == self.chosen)
        elif self._lines:
            painter.setPen(Qt.white)
            room = self.rect().adjusted(24, 24, -24, -24)
            painter.drawText(room, Qt.AlignCenter | Qt.TextWordWrap, "\n".join(line for line in self._lines if line))
        if self.hasFocus():
            painter.setBrush(Qt.NoBrush)
            painter.setPen(QPen(self.palette().highlight().color(), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _draw(self, painter: QPainter, face: ViewFace, place: QRectF, scale: float, chosen: bool) -> None:
        x1, y1, x2, y2 = (side * scale for side in face.box)
        box = QRectF(place.left() + x1, place.top() + y1, x2 - x1, y2 - y1)
        colour = QColor(*COLOURS.get(face.state, UNDECIDED_COLOUR))
        painter.setBrush(Qt.NoBrush)
        painter.setPen(QPen(colour, 4 if chosen else 2))
        painter.drawRect(box)
        font = QFont(self.font())
        font.setBold(True)
        painter.setFont(font)
        text = caption(face)
        metrics = painter.fontMetrics()
        height = metrics.height() + 4
        chip = 0 if face.track is None else metrics.boundingRect("#{}".format(face.track)).width() + 10
        width = metrics.boundingRect(text).width() + 12 + chip
        top = box.top() - height if box.top() - height >= place.top() else box.bottom()
        left = max(min(box.left(), place.right() - width), place.left())
        bar = QRectF(left, top, width, height)
        painter.fillRect(bar, colour)
        painter.setPen(_ink(colour))
        painter.drawText(bar.adjusted(6, 0, 0, 0), Qt.AlignVCenter | Qt.AlignLeft, text)
        if face.track is not None:
            tint = QColor(*TRACK_COLOURS[face.track % len(TRACK_COLOURS)])
            end = QRectF(bar.right() - chip, bar.top(), chip, height)
            painter.fillRect(end, tint)
            painter.setPen(_ink(tint))
            painter.drawText(end, Qt.AlignCenter, "#{}".format(face.track))
            # The same colour at the box, so that a person can be followed without reading.
            painter.setPen(Qt.NoPen)
            painter.setBrush(tint)
            painter.drawEllipse(QPointF(box.right(), box.top()), 4, 4)


def caption(face: ViewFace) -> str:
    """Return what is written at a face: the name and the score, or what is not known."""
    if face.state == RECOGNISED and face.name is not None:
        return face.name if face.score is None else "{} {:.2f}".format(face.name, face.score)
    return tr("LiveView", "unknown") if face.state == UNKNOWN else tr("LiveView", "undecided")


def _ink(colour: QColor) -> Any:
    bright = 0.299 * colour.red() + 0.587 * colour.green() + 0.114 * colour.blue()
    return Qt.black if bright > 140 else Qt.white
