"""The smallest face that is looked for, and how faces are followed."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from deploy.app import face_texts
from deploy.app.bridge import SessionBridge
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from kface.mtcnn.settings import MIN_FACE_OF_STREAMS, MIN_FACE_RANGE
from kface.recognizer import TrackSettings

#: The fields of :class:`~kface.recognizer.TrackSettings` that can be changed here, with their ranges.
FIELDS: Tuple[Tuple[str, int, int], ...] = (
    ("detect_every", 1, 100),
    ("max_age", 0, 1000),
    ("min_views", 1, 30),
    ("max_views", 1, 1000),
    ("refresh", 1, 1000),
)


class DetectionState(NamedTuple):
    """What the page shows."""

    min_face: float
    tracks: Optional[TrackSettings]


class DetectionPage(Translated, QWidget):
    """Shows and changes detection and tracks while the session goes on.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        applied: Signal: a :class:`DetectionState` that the session has now, and the one before.
    """

    applied = Signal(object, object)

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(DetectionPage, self).__init__(parent)
        self._bridge = bridge
        self._state = DetectionState(MIN_FACE_RANGE[0], TrackSettings())
        self.min_face = QDoubleSpinBox()
        self.min_face.setRange(MIN_FACE_RANGE[0], 2000)
        self.min_face.setDecimals(1)
        self.min_face.setSingleStep(10)
        self._detector, self._tracks = QGroupBox(), QGroupBox()
        self._min_label, self._min_about = QLabel(), QLabel()
        self._min_about.setWordWrap(True)
        self._min_label.setBuddy(self.min_face)
        form = QFormLayout(self._detector)
        form.addRow(self._min_label, self.min_face)
        form.addRow(self._min_about)
        self.follow = QCheckBox()
        self.follow.toggled.connect(self._enable)
        form = QFormLayout(self._tracks)
        form.addRow(self.follow)
        self.fields: Dict[str, QSpinBox] = {}
        self._labels: Dict[str, QLabel] = {}
        for key, least, most in FIELDS:
            self.fields[key], self._labels[key] = QSpinBox(), QLabel()
            self.fields[key].setRange(least, most)
            self._labels[key].setBuddy(self.fields[key])
            self._labels[key].setWordWrap(True)
            form.addRow(self._labels[key], self.fields[key])
        self.apply_button, self.defaults = QPushButton(), QPushButton()
        self.apply_button.clicked.connect(self.apply)
        self.defaults.clicked.connect(self.show_defaults)
        buttons = QHBoxLayout()
        buttons.addWidget(self.defaults)
        buttons.addStretch(1)
        buttons.addWidget(self.apply_button)
        for button in (self.apply_button, self.defaults):
            button.setAutoDefault(False)
        self.done = QLabel()
        self.done.setWordWrap(True)
        self.error = ErrorLine()
        layout = QVBoxLayout(self)
        for widget in (self._detector, self._tracks):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.done)
        layout.addWidget(self.error)
        layout.addStretch(1)
        self.setEnabled(False)
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        self._detector.setTitle(tr("DetectionPage", "Detection"))
        self._min_label.setText(tr("DetectionPage", "&Smallest face"))
        self.min_face.setSuffix(tr("DetectionPage", " pixels"))
        self._min_about.setText(
            tr("DetectionPage", "Smaller faces are found from further away, but take more time for each picture.")
        )
        named(self.min_face, tr("DetectionPage", "Smallest face"), self._min_about.text())
        self._tracks.setTitle(tr("DetectionPage", "Tracks"))
        self.follow.setText(tr("DetectionPage", "&Follow faces from picture to picture"))
        labels = {
            "detect_every": tr("DetectionPage", "Look for &new faces at least every"),
            "max_age": tr("DetectionPage", "Keep a &lost face for"),
            "min_views": tr("DetectionPage", "Decide after"),
            "max_views": tr("DetectionPage", "Remember at most"),
            "refresh": tr("DetectionPage", "Look again at a known face after"),
        }
        frames, views = tr("DetectionPage", " pictures"), tr("DetectionPage", " views")
        for key, text in labels.items():
            self._labels[key].setText(text)
            named(self.fields[key], text.replace("&", ""))
            self.fields[key].setSuffix(views if key in ("min_views", "max_views") else frames)
        self.apply_button.setText(tr("DetectionPage", "&Apply"))
        self.defaults.setText(tr("DetectionPage", "&Defaults"))

    def load(self) -> None:
        """Ask what is in force."""

        def read() -> DetectionState:
            faces = self._bridge.session.face_settings
            return DetectionState(faces.min_face, faces.tracks)

        self._bridge.call(read, done=self._show, failed=self._failed, owner=self)

    def state(self) -> DetectionState:
        """Return what the fields hold; the settings that have none stay as they are."""
        if not self.follow.isChecked():
            return DetectionState(self.min_face.value(), None)
        before = self._state.tracks or TrackSettings()
        return DetectionState(
            self.min_face.value(), before._replace(**{key: field.value() for key, field in self.fields.items()})
        )

    def apply(self) -> None:
        """Let the session work with what the fields hold."""
        before, state = self._state, self.state()

        def work() -> DetectionState:
            session = self._bridge.session
            faces = session.face_settings
            # A value that was not touched is not rounded to what its field can show.
            if abs(state.min_face - before.min_face) > 0.05:
                faces.set_min_face(state.min_face)
            if state.tracks != before.tracks:
                session.change_pipeline(session.settings.pipeline._replace(tracks=state.tracks))
            return DetectionState(faces.min_face, faces.tracks)

        def done(now: DetectionState) -> None:
            self._show(now)
            self.done.setText(tr("DetectionPage", "Applied. Everyone in the picture is recognised again."))
            self.applied.emit(now, before)

        self.error.clear_error()
        self.done.clear()
        self._bridge.call(work, done=done, failed=self._failed, owner=self)

    def show_defaults(self) -> None:
        """Show the defaults; nothing is applied yet."""
        self._fill(DetectionState(MIN_FACE_OF_STREAMS, TrackSettings()))

    def _show(self, state: DetectionState) -> None:
        self._state = state
        self.setEnabled(True)
        self._fill(state)

    def _fill(self, state: DetectionState) -> None:
        self.min_face.setValue(state.min_face)
        self.follow.setChecked(state.tracks is not None)
        for key, field in self.fields.items():
            field.setValue(getattr(state.tracks or TrackSettings(), key))
        self._enable()

    def _enable(self, *_: Any) -> None:
        widgets: List[QWidget] = list(self.fields.values()) + list(self._labels.values())
        for widget in widgets:
            widget.setEnabled(self.follow.isChecked())

    def _failed(self, line: str) -> None:
        self.error.show_error(face_texts.fault(line))
