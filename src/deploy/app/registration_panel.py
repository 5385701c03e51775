"""The Registration View of the paper's Fig. 13: a frozen face, what it lacks, its name, and the button."""

import math
from typing import Any, List, Optional, Sequence

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QCompleter, QGroupBox, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named, thumbnail
from deploy.registration import FaceCandidate, QualityMeasure

#: Side of the face, in pixels that do not depend on the screen's scaling.
FACE = 160


class RegistrationPanel(Translated, QGroupBox):
    """Shows a face that was picked, and asks for its name. Enter registers, Esc drops.

    Args:
        parent: Qt's.

    Attributes:
        submitted: Signal: the candidate's ID, the name, and whether it is to be registered although it is not good enough.
        dropped: Signal: the face was dropped.
        candidate: The :class:`deploy.registration.FaceCandidate`; None where there is none.
    """

    submitted = Signal(str, str, bool)
    dropped = Signal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(RegistrationPanel, self).__init__(parent)
        self.candidate: Optional[FaceCandidate] = None
        self._busy = False
        self.face = QLabel()
        self.face.setAlignment(Qt.AlignCenter)
        self.hints = QLabel()
        self.hints.setWordWrap(True)
        self.hints.setTextFormat(Qt.PlainText)
        self.name_label = QLabel()
        self.name = QLineEdit()
        self.name_label.setBuddy(self.name)
        self._known = QStringListModel(self)
        completer = QCompleter(self._known, self)
        completer.setCaseSensitivity(Qt.CaseInsensitive)
        completer.setFilterMode(Qt.MatchContains)
        self.name.setCompleter(completer)
        self.anyway = QCheckBox()
        self.register = QPushButton()
        self.drop_button = QPushButton()
        self.error = ErrorLine()
        layout = QVBoxLayout(self)
        for widget in (
            self.face, self.hints, self.name_label, self.name, self.anyway, self.register, self.drop_button, self.error,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setMinimumWidth(240)
        self.name.textChanged.connect(self._refresh)
        self.anyway.toggled.connect(self._refresh)
        self.name.returnPressed.connect(self.submit)
        self.register.clicked.connect(self.submit)
        self.drop_button.clicked.connect(self.drop)
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        self.setTitle(tr("RegistrationPanel", "Registration View"))
        self.name_label.setText(tr("RegistrationPanel", "Registration &Name"))
        named(
            self.name,
            tr("RegistrationPanel", "Registration Name"),
            tr("RegistrationPanel", "The person's name. A known name adds this face to that person."),
        )
        self.register.setText(tr("RegistrationPanel", "&Registration"))
        named(
            self.register, tr("RegistrationPanel", "Registration"), tr("RegistrationPanel", "Register the face (Enter)")
        )
        self.drop_button.setText(tr("RegistrationPanel", "&Drop"))
        named(self.drop_button, tr("RegistrationPanel", "Drop"), tr("RegistrationPanel", "Drop the face (Esc)"))
        self.anyway.setText(tr("RegistrationPanel", "Register &anyway"))
        named(
            self.anyway,
            tr("RegistrationPanel", "Register anyway"),
            tr("RegistrationPanel", "A face that is not good enough is missed, or mistaken for another person, later."),
        )
        self._refresh()

    def set_known(self, names: Sequence[str]) -> None:
        """Complete these names."""
        self._known.setStringList(list(names))

    def show_candidate(self, candidate: FaceCandidate) -> None:
        """Freeze a face."""
        self.candidate = candidate
        self._busy = False
        self.error.clear_error()
        self.anyway.setChecked(False)
        self.name.setText(candidate.name)
        self._refresh()
        self.name.setFocus()
        self.name.selectAll()

    def drop(self) -> None:
        """Forget the face."""
        if self.candidate is not None:
            self.candidate = None
            self._busy = False
            self.name.clear()
            self.error.clear_error()
            self._refresh()
            self.dropped.emit()

    def submit(self) -> None:
        """Ask for the registration, where it can be done."""
        if self.register.isEnabled() and self.candidate is not None:
            self._busy = True
            self.error.clear_error()
            self._refresh()
            self.submitted.emit(self.candidate.id, self.name.text(), self.anyway.isChecked())

    def show_error(self, line: str) -> None:
        """Show why it was not registered; the face stays."""
        self._busy = False
        self._refresh()
        self.error.show_error(line)

    def keyPressEvent(self, event: Any) -> None:
        """Qt's: Esc drops."""
        if event.key() == Qt.Key_Escape and self.candidate is not None:
            self.drop()
            return
        super(RegistrationPanel, self).keyPressEvent(event)

    def _refresh(self, *_: object) -> None:
        candidate = self.candidate
        self.face.setPixmap(thumbnail(None if candidate is None else candidate.crop, FACE))
        short = bool(candidate is not None and candidate.refusals)
        if candidate is None:
            self.hints.setText(tr("RegistrationPanel", "Click a face in the live view or in the strip below."))
        else:
            self.hints.setText("\n".join(hints(candidate)))
        self.anyway.setVisible(short)
        there = candidate is not None and not self._busy
        self.name.setEnabled(candidate is not None)
        self.drop_button.setEnabled(candidate is not None)
        self.register.setEnabled(there and bool(self.name.text().strip()) and (not short or self.anyway.isChecked()))
        face = tr("RegistrationPanel", "The face to register") if candidate else tr("RegistrationPanel", "No face")
        self.face.setAccessibleName(face)


def hints(candidate: FaceCandidate) -> List[str]:
    """Return what a face lacks, a line each, or that it lacks nothing."""
    lines = [_hint(one) for one in candidate.measures if one.short]
    if not lines:
        lines = list(candidate.refusals)
    if not lines:
        return [tr("RegistrationPanel", "✓ Size, sharpness and pose are good enough.")]
    return ["✗ " + line for line in lines]


def _hint(one: QualityMeasure) -> str:
    # What is short is rounded up: "60, 0 too little" would puzzle.
    by = abs(one.short)
    if not math.isfinite(by):
        return tr("RegistrationPanel", "Pose: the face cannot be seen from the front; look into the camera.")
    if one.what == "size":
        return tr("RegistrationPanel", "Size: {:.0f} pixels, {:.0f} too few; come nearer.").format(
            math.floor(one.value), math.ceil(by)
        )
    if one.what == "sharpness":
        return tr("RegistrationPanel", "Sharpness: {:.0f}, {:.0f} too little; hold still, in more light.").format(
            math.floor(one.value), math.ceil(by)
        )
    if one.what == "yaw":
        return tr("RegistrationPanel", "Pose: turned aside by {:.0f}°, {:.0f}° too far; look into the camera.").format(
            degrees(one.value), degrees(one.value) - degrees(one.value - one.short)
        )
    if one.what == "pitch":
        if one.short < 0:
            return tr("RegistrationPanel", "Pose: looking up (nose at {:.2f}, {:.2f} too high); chin down.").format(
                one.value, by
            )
        return tr("RegistrationPanel", "Pose: looking down (nose at {:.2f}, {:.2f} too low); chin up.").format(
            one.value, by
        )
    if one.what == "roll":
        return tr("RegistrationPanel", "Pose: tilted by {:.0f}°, {:.0f}° too far; hold the head upright.").format(
            abs(one.value), by
        )
    return tr("RegistrationPanel", "The face extends beyond the picture by {:.0f} %, {:.0f} % too much.").format(
        100 * one.value, 100 * by
    )


def degrees(yaw: float) -> float:
    """Return about how far a face is turned: :attr:`kface.gallery.quality.Quality.yaw` is half the angle's tangent."""
    return math.degrees(math.atan(2 * abs(yaw)))
