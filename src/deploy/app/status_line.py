"""How the session is doing, in one line below the picture."""

from typing import Optional, Tuple

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from deploy.app.reasons import reason
from deploy.app.texts import tr
from deploy.app.widgets import Translated
from deploy.status import Status
from kface.streams import State


class StatusLine(Translated, QWidget):
    """Stream state, frame rate, latency, faces, people, and what else there is to know.

    Args:
        parent: Qt's.

    Attributes:
        status: What is shown; None before the first.
    """

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(StatusLine, self).__init__(parent)
        self.status: Optional[Status] = None
        self._recording: Optional[str] = None
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 4, 0)
        self.stream, self.rate, self.latency, self.faces, self.people, self.more = (QLabel() for _ in range(6))
        for label in (self.stream, self.rate, self.latency, self.faces, self.people):
            row.addWidget(label)
            row.addSpacing(12)
        row.addWidget(self.more, 1)

    def retranslate(self) -> None:
        """Set every text again."""
        if self.status is not None:
            self.show_status(self.status)

    def show_status(self, status: Status) -> None:
        """Show a status."""
        self.status = status
        self.stream.setText("● " + state_text(status.stream))
        self.stream.setToolTip("{}\n{}".format(status.source, reason(status.reason)).strip())
        self.rate.setText(tr("StatusLine", "{:.1f} fps").format(status.fps))
        p50 = status.latency_p50_ms
        self.latency.setText(
            tr("StatusLine", "Latency: –") if p50 is None else tr("StatusLine", "Latency: {:.0f} ms").format(p50)
        )
        self.faces.setText(tr("StatusLine", "Faces: {}").format(status.faces))
        self.people.setText(tr("StatusLine", "Registered people: {}").format(status.people))
        more = []
        if self._recording is not None:
            more.append(tr("StatusLine", "● Recording"))
        if status.brightened:
            more.append(tr("StatusLine", "dark picture: brightened copies are searched too"))
        if status.damaged:
            more.append(tr("StatusLine", "damaged in the gallery: {}").format(status.damaged))
        if status.dropped:
            more.append(tr("StatusLine", "frames missing from slow outputs: {}").format(status.dropped))
        self.more.setText("   ".join(more))

    def show_recording(self, file: Optional[str]) -> None:
        """Show whether a video is being recorded."""
        if file != self._recording:
            self._recording = file
            self.retranslate()

    @staticmethod
    def no_picture(status: Status) -> Tuple[str, ...]:
        """Return why there is no live picture, in some lines."""
        if status.stream == State.LIVE.value:
            return (tr("StatusLine", "Waiting for the first picture…"),)
        line = tr("StatusLine", "No live picture. Stream: {}").format(state_text(status.stream))
        return line, status.source, reason(status.reason)


def state_text(state: str) -> str:
    """Return a stream's state in the window's language."""
    return {
        State.CONNECTING.value: tr("StatusLine", "connecting"),
        State.LIVE.value: tr("StatusLine", "live"),
        State.LOST.value: tr("StatusLine", "lost"),
        State.ENDED.value: tr("StatusLine", "ended"),
        State.CLOSED.value: tr("StatusLine", "closed"),
    }.get(state, state)
