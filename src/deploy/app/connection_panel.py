"""The panel beside the stream settings that tries a stream: a picture, or the reason why there is none."""

from typing import Optional, Tuple

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QFrame, QGroupBox, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from deploy.app import stream_texts
from deploy.app.bridge import Call, SessionBridge
from deploy.app.connection_test import PATIENCE_S, ConnectionTest, Outcome
from deploy.app.stream_choice import StreamChoice
from deploy.app.stream_texts import plain
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, image_of, named

#: Seconds after which a connection test is given up, even where its decoder hangs.
LONGEST_TEST_S = PATIENCE_S + 5.0
_PICTURE = (320, 180)


class ConnectionPanel(Translated, QGroupBox):
    """Shows how a connection test goes and what came out.

    Args:
        bridge: Runs it.
        parent: Qt's.
    """

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(ConnectionPanel, self).__init__(parent)
        self._bridge = bridge
        self._test: Optional[ConnectionTest] = None
        self._call: Optional[Call] = None
        self._tested: Optional[StreamChoice] = None
        self.outcome: Optional[Outcome] = None
        self._cancelled = False
        self.picture, self.line, self.error = QLabel(), QLabel(), ErrorLine()
        self.picture.setMinimumSize(*_PICTURE)
        self.picture.setAlignment(Qt.AlignCenter)
        self.picture.setFrameShape(QFrame.StyledPanel)
        self.picture.setWordWrap(True)
        self.line.setWordWrap(True)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        room = self.busy.sizePolicy()
        room.setRetainSizeWhenHidden(True)
        self.busy.setSizePolicy(room)
        self.busy.hide()
        self.button = QPushButton()
        self.button.setAutoDefault(False)
        self.button.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.timeout.connect(self._too_long)
        layout = QVBoxLayout(self)
        for widget in (self.picture, self.busy, self.line, self.error, self.button):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.retranslate()

    @property
    def running(self) -> bool:
        """Whether a test is running."""
        return self._test is not None

    def begin(self, choice: StreamChoice, square_pixels: bool) -> None:
        """Try a choice that has no problems."""
        stream = choice.stream(square_pixels)
        if stream is None or self.running:
            return
        session = self._bridge.session if self._bridge.has_session else None
        test = self._test = ConnectionTest(stream, session)
        self.outcome, self._tested, self._cancelled = None, choice, False
        self._call = self._bridge.call(test.run, done=self._done, failed=self._failed, owner=self)
        self._limit.start(int(LONGEST_TEST_S * 1000))
        self._show()

    def cancel(self) -> None:
        """End the test, if one is running."""
        if self._test is not None:
            self._cancelled = True
            self._end()
            self._show()

    def forget(self, choice: StreamChoice) -> None:
        """Forget what came out where it was another choice's."""
        if self._tested is not None and choice != self._tested:
            self._end()
            self.outcome, self._tested, self._cancelled = None, None, False
            self._show()

    def _end(self) -> None:
        self._limit.stop()
        if self._test is not None:
            self._test.cancel()
        if self._call is not None:
            self._call.forget()
        self._test = self._call = None

    def _done(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._end()
        self._show()

    def _failed(self, line: str) -> None:
        self._done(Outcome(reason=line))

    def _too_long(self) -> None:
        self._done(Outcome(reason=": no frame within {:g} s".format(LONGEST_TEST_S)))

    def _show(self) -> None:
        outcome = self.outcome
        self.busy.setVisible(self.running)
        self.error.clear_error()
        self.picture.setPixmap(QPixmap())
        line, about = self._words(outcome)
        self.line.setText(line)
        if outcome is not None and outcome.image is not None:
            ratio = self.devicePixelRatioF()
            size: Tuple[int, int] = (int(_PICTURE[0] * ratio), int(_PICTURE[1] * ratio))
            image = image_of(outcome.image).scaled(size[0], size[1], Qt.KeepAspectRatio, Qt.SmoothTransformation)
            pixmap = QPixmap.fromImage(image)
            pixmap.setDevicePixelRatio(ratio)
            self.picture.setPixmap(pixmap)
        elif outcome is not None:
            self.error.show_error(stream_texts.reason(outcome.reason))
        if outcome is None or outcome.image is None:
            self.picture.setText(about)
        self.picture.setAccessibleName(about)
        text = tr("StreamDialog", "Cancel &test") if self.running else tr("StreamDialog", "&Test connection")
        self.button.setText(text)
        named(self.button, plain(text), tr("StreamDialog", "Connect once and show a picture, or the reason"))

    def _words(self, outcome: Optional[Outcome]) -> Tuple[str, str]:
        """Return the line below the picture, and what stands for the picture."""
        none = tr("StreamDialog", "No picture yet")
        if self.running:
            return tr("StreamDialog", "Connecting: this takes {} seconds at most.").format(int(LONGEST_TEST_S)), none
        if self._cancelled:
            return tr("StreamDialog", "The test was cancelled."), none
        if outcome is None:
            return "", none
        if outcome.size is None:
            return "", tr("StreamDialog", "No picture")
        size = "{}x{}".format(*outcome.size)
        return (
            tr("StreamDialog", "The connection works: the picture has {} pixels.").format(size),
            tr("StreamDialog", "Picture of the stream, {} pixels").format(size),
        )

    def retranslate(self) -> None:
        """Set every text, tool tip and accessible name again."""
        self.setTitle(tr("StreamDialog", "Connection"))
        self.busy.setAccessibleName(tr("StreamDialog", "Connecting"))
        self._show()
