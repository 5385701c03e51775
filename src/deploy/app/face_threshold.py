"""The threshold on the measured curve, with what it means in plain words and the scores that are seen live."""

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from deploy.app import face_texts
from deploy.app.bridge import SessionBridge
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from deploy.score_history import SeenScore
from kface.bundle import Thresholds
from kface.recognizer import RECOGNISED
from kface.recognizer.threshold_meaning import ThresholdMeaning, curve_range, rates_at, threshold_meaning

#: A step of the slider, a cosine.
STEP = 0.005
#: Cosines beyond the measured ones that can be chosen.
AROUND = 0.1
#: The slider's range where nothing was measured.
UNMEASURED = (0.0, 1.0)
#: Milliseconds after the last move of the slider that the threshold is set, and between two looks at the scores.
SET_AFTER_MS, SCORES_EVERY_MS = 150, 1000
#: Room beside the curve, in heights of a line, and half of the slider's handle in pixels.
LEFT, RIGHT, HANDLE = 5.0, 1.5, 7
#: The lowest rate that is drawn.
LOWEST = 1e-6


class ThresholdState(NamedTuple):
    """What the page shows."""

    table: Optional[Thresholds]
    people: int
    threshold: float
    recommended: float
    scores: Tuple[SeenScore, ...]


class CurveView(QWidget):
    """Draws the error rates along the threshold, the threshold, and a histogram of the scores seen live."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(CurveView, self).__init__(parent)
        self._range = UNMEASURED
        self._table: Optional[Thresholds] = None
        self._scores: Sequence[SeenScore] = ()
        self._threshold = 0.0
        self.setMinimumSize(QSize(320, 190))

    def show_state(
        self, span: Tuple[float, float], table: Optional[Thresholds], scores: Sequence[SeenScore], threshold: float
    ) -> None:
        """Draw another state."""
        self._range, self._table, self._scores, self._threshold = span, table, scores, threshold
        self.update()

    def sizeHint(self) -> QSize:
        """Qt's."""
        return QSize(560, 230)

    def paintEvent(self, event: Any) -> None:
        """Qt's."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        metrics = painter.fontMetrics()
        line = metrics.height()
        area = QRectF(LEFT * line, line * 1.6, self.width() - (LEFT + RIGHT) * line, self.height() - 4.2 * line)
        palette = self.palette()
        dark = palette.window().color().lightness() < 128
        ink, weak = palette.windowText().color(), palette.mid().color()
        fmr_colour, fnmr_colour = (
            (QColor("#ff9d7a"), QColor("#7db4ff")) if dark else (QColor("#b83a0e"), QColor("#1a56b0"))
        )
        known, strange = (QColor("#4caf6d"), QColor("#8a8a8a"))
        painter.setPen(QPen(weak, 1))
        painter.drawRect(area)
        for exponent in (0, -2, -4, -6):
            y = self._y(area, 10.0**exponent)
            painter.setPen(QPen(weak, 1, Qt.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(ink)
            box = QRectF(0, y - line / 2, area.left() - 6, line)
            text = {0: "100 %", -2: "1 %", -4: "0.01 %"}.get(exponent, "0.0001 %")
            painter.drawText(box, Qt.AlignRight | Qt.AlignVCenter, text)
        self._draw_scores(painter, area, known, strange)
        low, high = self._range
        self._draw_rates(painter, area, fmr_colour, fnmr_colour)
        painter.setPen(ink)
        for part in (0.0, 0.25, 0.5, 0.75, 1.0):
            value = low + part * (high - low)
            box = QRectF(area.left() + part * area.width() - 40, area.bottom() + 2, 80, line)
            painter.drawText(box, Qt.AlignCenter, "{:.2f}".format(value))
        x = self._x(area, self._threshold)
        painter.setPen(QPen(ink, 2))
        painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom()))
        painter.drawText(QRectF(x - 60, 0, 120, line * 1.4), Qt.AlignCenter, "{:.3f}".format(self._threshold))
        legend = [
            (fmr_colour, tr("CurveView", "wrongly accepted (FMR)")),
            (fnmr_colour, tr("CurveView", "missed (FNMR)")),
            (known, tr("CurveView", "seen live: recognised")),
            (strange, tr("CurveView", "seen live: not recognised")),
        ]
        x, y = area.left(), area.bottom() + 1.35 * line
        advance = getattr(metrics, "horizontalAdvance", None) or metrics.width
        for colour, text in legend:
            width = advance(text) + 1.6 * line
            if x + width > self.width() and x > area.left():
                x, y = area.left(), y + line * 1.1
            painter.fillRect(QRectF(x, y + line * 0.25, line * 0.6, line * 0.6), colour)
            painter.setPen(ink)
            painter.drawText(QPointF(x + line * 0.8, y + line * 0.85), text)
            x += width
        painter.end()

    def _draw_scores(self, painter: QPainter, area: QRectF, known: QColor, strange: QColor) -> None:
        low, high = self._range
        bins = 40
        counts = [[0, 0] for _ in range(bins)]
        for one in self._scores:
            part = (one.score - low) / (high - low)
            counts[min(max(int(part * bins), 0), bins - 1)][one.state == RECOGNISED] += 1
        most = max([sum(one) for one in counts] + [1])
        width = area.width() / bins
        for number, (others, recognised) in enumerate(counts):
            bottom = area.bottom()
            for count, colour in ((others, strange), (recognised, known)):
                height = 0.9 * area.height() * count / most
                faint = QColor(colour)
                faint.setAlpha(130)
                painter.fillRect(QRectF(area.left() + number * width + 1, bottom - height, width - 2, height), faint)
                bottom -= height

    def _draw_rates(self, painter: QPainter, area: QRectF, fmr_colour: QColor, fnmr_colour: QColor) -> None:
        span = curve_range(self._table)
        if span is None or self._table is None:
            return
        steps = 80
        values = [span[0] + (span[1] - span[0]) * step / steps for step in range(steps + 1)]
        rates = [rates_at(self._table, value) for value in values]
        for which, colour in ((0, fmr_colour), (1, fnmr_colour)):
            points = [
                QPointF(self._x(area, value), self._y(area, pair[which].value or 0.0))
                for value, pair in zip(values, rates)
            ]
            painter.setPen(QPen(colour, 2.5))
            painter.drawPolyline(QPolygonF(points))
            painter.setBrush(colour)
            for row in self._table.rows:
                measured = row.fnmr if which else row.fmr
                if row.threshold is not None and measured is not None:
                    painter.drawEllipse(QPointF(self._x(area, row.threshold), self._y(area, measured.value)), 3, 3)
            painter.setBrush(Qt.NoBrush)

    def _x(self, area: QRectF, value: float) -> float:
        low, high = self._range
        return float(area.left() + area.width() * min(max((value - low) / (high - low), 0.0), 1.0))

    @staticmethod
    def _y(area: QRectF, rate: float) -> float:
        part = math.log10(max(rate, LOWEST)) / math.log10(LOWEST)
        return float(area.top() + area.height() * min(max(part, 0.0), 1.0))


class ThresholdPage(Translated, QWidget):
    """Shows what a threshold means, and sets it.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        applied: Signal: the threshold that the user has set, and the session has now.
    """

    applied = Signal(float)

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(ThresholdPage, self).__init__(parent)
        self._bridge = bridge
        self._state: Optional[ThresholdState] = None
        self._asking = False
        self.curve = CurveView()
        self.slider = QSlider(Qt.Horizontal)
        self.slider.setTickPosition(QSlider.TicksBelow)
        self.slider.valueChanged.connect(self._moved)
        self._strict, self._loose = QLabel(), QLabel()
        ends = QHBoxLayout()
        ends.addWidget(self._loose)
        ends.addStretch(1)
        ends.addWidget(self._strict)
        # Below the curve's axis, where half of the slider's handle stands out at either end.
        line = self.fontMetrics().height()
        below = QVBoxLayout()
        below.setContentsMargins(int(LEFT * line) - HANDLE, 0, int(RIGHT * line) - HANDLE, 0)
        below.addWidget(self.slider)
        below.addLayout(ends)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextSelectableByMouse | Qt.TextSelectableByKeyboard)
        self.live = QLabel()
        self.live.setWordWrap(True)
        self.recommended = QPushButton()
        self.recommended.setAutoDefault(False)
        self.recommended.clicked.connect(self.use_recommended)
        self.error = ErrorLine()
        layout = QVBoxLayout(self)
        layout.addWidget(self.curve, 1)
        layout.addLayout(below)
        layout.addWidget(self.words)
        layout.addWidget(self.live)
        layout.addWidget(self.recommended, 0, Qt.AlignLeft)
        layout.addWidget(self.error)
        self._setting = QTimer(self)
        self._setting.setSingleShot(True)
        self._setting.setInterval(SET_AFTER_MS)
        self._setting.timeout.connect(self._set)
        self._looking = QTimer(self)
        self._looking.setInterval(SCORES_EVERY_MS)
        self._looking.timeout.connect(self.load)
        self.setEnabled(False)
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        about = tr("ThresholdPage", "How alike a face and an enrolled picture must be, as a cosine")
        named(self.slider, tr("ThresholdPage", "Threshold"), about)
        named(self.curve, tr("ThresholdPage", "Error rates along the threshold, and the scores seen live"))
        self._loose.setText(tr("ThresholdPage", "<- knows more people, errs more often"))
        named(self.recommended, tr("ThresholdPage", "Use the recommended threshold"))
        self._strict.setText(tr("ThresholdPage", "errs less often, misses more people ->"))
        self._say()

    def showEvent(self, event: Any) -> None:
        """Qt's."""
        super(ThresholdPage, self).showEvent(event)
        self.load()
        self._looking.start()

    def hideEvent(self, event: Any) -> None:
        """Qt's."""
        self._looking.stop()
        super(ThresholdPage, self).hideEvent(event)

    # ---- state

    @property
    def value(self) -> float:
        """The cosine that the slider stands at."""
        return round(self.slider.value() * STEP, 4)

    def load(self) -> None:
        """Ask for the threshold in force and the scores."""
        if not self._asking:
            self._asking = True
            self._bridge.call(self._read, done=self._show, failed=self._failed, owner=self)

    def _read(self) -> ThresholdState:
        session = self._bridge.session
        faces = session.face_settings
        return ThresholdState(
            faces.thresholds,
            faces.meaning().people,
            session.threshold,
            faces.recommended(),
            tuple(faces.scores()),
        )

    def _show(self, state: ThresholdState) -> None:
        self._asking = False
        self._state = state
        self.setEnabled(True)
        # What the user is choosing counts more than what is in force.
        if not self.slider.isSliderDown() and not self._setting.isActive():
            low, high = self._span(state)
            self.slider.blockSignals(True)
            self.slider.setRange(int(math.floor(low / STEP)), int(math.ceil(high / STEP)))
            self.slider.setSingleStep(1)
            self.slider.setPageStep(10)
            self.slider.setTickInterval(10)
            self.slider.setValue(int(round(state.threshold / STEP)))
            self.slider.blockSignals(False)
        self._say()

    @staticmethod
    def _span(state: ThresholdState) -> Tuple[float, float]:
        """Return the range of the slider: what was measured, is in force and was seen, and a little around."""
        measured = curve_range(state.table) or UNMEASURED
        seen = [one.score for one in state.scores]
        low = min([measured[0] - AROUND, state.threshold, state.recommended] + seen)
        high = max([measured[1] + AROUND, state.threshold, state.recommended] + seen)
        return max(low, -1.0), min(high, 1.0)

    def _moved(self) -> None:
        self._setting.start()
        self._say()

    def _set(self) -> None:
        value = self.value

        def done(_: object) -> None:
            self.applied.emit(value)
            self.load()

        self.error.clear_error()
        self._bridge.call(lambda: self._bridge.session.set_threshold(value), done=done, failed=self._failed, owner=self)

    def use_recommended(self) -> None:
        """Use what the bundle recommends for the number of people enrolled."""
        if self._state is not None:
            self.slider.setValue(int(round(self._state.recommended / STEP)))

    def meaning(self) -> Optional[ThresholdMeaning]:
        """Return what the slider's place means."""
        if self._state is None:
            return None
        return threshold_meaning(self._state.table, self._shown(), self._state.people)

    def _shown(self) -> float:
        """Return the threshold to speak of: that in force where the slider stands at it, which knows steps only."""
        state = self._state
        if state is not None and abs(state.threshold - self.value) < STEP / 2:
            return state.threshold
        return self.value

    def _say(self) -> None:
        state, meaning = self._state, self.meaning()
        if state is None or meaning is None:
            return
        self.recommended.setText(
            tr("ThresholdPage", "Use the &recommended threshold ({:.3f})").format(state.recommended)
        )
        self.words.setText("\n".join(face_texts.meaning(meaning)))
        self.live.setText(self._live(state.scores, meaning.threshold))
        low, high = self.slider.minimum() * STEP, self.slider.maximum() * STEP
        self.curve.show_state((low, high), state.table, state.scores, meaning.threshold)
        self.slider.setAccessibleDescription("{:.3f}. {}".format(meaning.threshold, self.words.text()))

    @staticmethod
    def _live(scores: Sequence[SeenScore], threshold: float) -> str:
        values: List[float] = [one.score for one in scores]
        if not values:
            return tr("ThresholdPage", "No face has been compared with the people enrolled yet.")
        reach = sum(value >= threshold for value in values)
        text = tr("ThresholdPage", "Of the last {count} faces seen live, {reach} reach this threshold.")
        return text.format(count=len(values), reach=reach)

    def _failed(self, line: str) -> None:
        self._asking = False
        self.error.show_error(face_texts.fault(line))
