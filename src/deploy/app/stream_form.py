"""The fields of the stream settings, Table 6 of the paper: only those of the chosen kind can be used, each with its error."""

import glob
import os
from typing import Any, Dict, List, Optional

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from deploy.app import stream_texts
from deploy.app.stream_choice import DNN_SIZES, FIELDS, KINDS, RESOLUTIONS, Problem, StreamChoice, parsed, written
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from kface.errors import ConfigError
from kface.streams import VIEW_SIZES, Secret
from kface.streams.settings import FPS

#: Radio buttons in a row.
_COLUMNS = 3
#: So many characters at once were pasted, not typed.
_PASTED = 8


class StreamForm(Translated, QWidget):  # type: ignore[misc]
    """Shows a :class:`StreamChoice`, and lets it be changed.

    Args:
        parent: Qt's.

    Attributes:
        changed: Signal: a field is another now.
    """

    changed = Signal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(StreamForm, self).__init__(parent)
        self._labels: Dict[str, QLabel] = {}
        self._errors: Dict[str, ErrorLine] = {}
        self.editors: Dict[str, QWidget] = {}
        self._address_before = ""
        self._problems: List[Problem] = []
        #: Where the file chooser begins.
        self.folder = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in (self._make_source(), self._make_picture()):
            box.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Maximum)
            layout.addWidget(box)
        layout.addStretch(1)
        self._choose_kind("sample")
        self.retranslate()

    # ---- what it holds

    @property
    def kind(self) -> str:
        """The kind that is chosen."""
        return next((kind for kind, button in self.kinds.items() if button.isChecked()), "sample")

    def choice(self) -> StreamChoice:
        """Return what the fields hold, as it is."""
        return StreamChoice(
            kind=self.kind,
            csi_device=str(self.csi_device.value()),
            usb_device=self.usb_device.currentText(),
            resolution="" if self._as_source() else self.resolution.currentText(),
            fps=self.fps.value() or None,
            address=self.address.text(),
            port=self.port.value(),
            path=self.path.text(),
            id=self.id.text(),
            password=Secret(self.password.text()),
            file=self.file.text(),
            view=parsed(self.view.currentText()),
            dnn_resize=self.dnn_resize.isChecked(),
            dnn_size=self.dnn_size.currentText(),
        )

    def show_choice(self, choice: StreamChoice) -> None:
        """Show a choice; no field is wrong then."""
        self.csi_device.setValue(int(choice.csi_device))
        self.usb_device.setEditText(choice.usb_device)
        if choice.resolution:
            self.resolution.setEditText(choice.resolution)
        else:
            self.resolution.setCurrentIndex(0)
        self.fps.setValue(choice.fps or 0)
        self.address.setText(choice.address)
        self.port.setValue(choice.port)
        self.path.setText(choice.path)
        self.id.setText(choice.id)
        self.password.setText(choice.password.reveal())
        self.file.setText(choice.file)
        self.view.setCurrentText(written(choice.view))
        self.dnn_resize.setChecked(choice.dnn_resize)
        self.dnn_size.setEditText(choice.dnn_size)
        self._choose_kind(choice.kind)
        self.show_problems([])

    def show_problems(self, problems: List[Problem], focus: bool = False) -> None:
        """Show a sentence beside each field that is wrong, and nothing beside the others.

        Args:
            problems: What is wrong.
            focus: Whether the keyboard goes to the first of them.
        """
        wrong = {problem.field: stream_texts.sentence(problem) for problem in reversed(problems)}
        for key, line in self._errors.items():
            if key in wrong:
                line.show_error(wrong[key])
            else:
                line.clear_error()
            # A screen reader says it with the field that gets the keyboard.
            self.editors[key].setAccessibleDescription(wrong.get(key) or self.editors[key].toolTip())
        self._problems = list(problems)
        if focus and problems:
            first = self.editors[problems[0].field]
            first.setFocus(Qt.OtherFocusReason)

    def show_place(self, place: str) -> None:
        """Say where the password is kept: "keyring" or "file"."""
        self._place = place
        self._say_place()

    def choose_file(self) -> None:
        """Let the user choose the video file."""
        begin = self.file.text() or self.folder
        kinds = "*.mp4 *.m4v *.mov *.mkv *.avi *.webm *.ts *.mpg *.mpeg *.wmv"
        filters = "{} ({});;{} (*)".format(tr("StreamDialog", "Videos"), kinds, tr("StreamDialog", "All files"))
        found = QFileDialog.getOpenFileName(self, tr("StreamDialog", "Choose a video file"), begin, filters)
        path = found[0] if isinstance(found, tuple) else found
        if path:
            self.use_file(str(path))

    def use_file(self, path: str) -> None:
        """Choose a video file."""
        self._choose_kind("file")
        self.file.setText(path)
        self.folder = os.path.dirname(path)

    def take_url(self) -> None:
        """Where a camera's whole URL stands in the field of its address, bring its parts into their fields."""
        text = self.address.text().strip()
        if text.lower().startswith("rtsp://"):
            try:
                self.show_choice(self.choice().with_uri(text))
            except ConfigError:
                # It is refused as an address, then.
                return

    # ---- what it is made of

    def _make_source(self) -> QGroupBox:
        self.source = QGroupBox()
        layout = QVBoxLayout(self.source)
        grid = QGridLayout()
        self.kinds: Dict[str, QRadioButton] = {}
        group = QButtonGroup(self)
        for number, kind in enumerate(KINDS):
            button = self.kinds[kind] = QRadioButton()
            group.addButton(button)
            grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
            button.toggled.connect(self._kind_toggled)
        layout.addLayout(grid)
        self._errors["kind"] = ErrorLine()
        self.editors["kind"] = self.kinds["csi"]
        layout.addWidget(self._errors["kind"])
        self.pages = QStackedWidget()
        for kind in KINDS:
            page = QWidget()
            form = QFormLayout(page)
            form.setContentsMargins(0, 4, 0, 0)
            form.setFieldGrowthPolicy(QFormLayout.AllNonFixedFieldsGrow)
            getattr(self, "_make_" + kind)(form)
            self.pages.addWidget(page)
        layout.addWidget(self.pages)
        return self.source

    def _make_csi(self, form: QFormLayout) -> None:
        self.csi_device = QSpinBox()
        self.csi_device.setRange(0, 9)
        self._add(form, "csi_device", self.csi_device)

    def _make_v4l2(self, form: QFormLayout) -> None:
        self.usb_device = _combo(sorted(glob.glob("/dev/video*")) or ["/dev/video0"])
        self._add(form, "usb_device", self.usb_device)

    def _make_file(self, form: QFormLayout) -> None:
        self.file, self.browse = QLineEdit(), QPushButton()
        self.browse.setAutoDefault(False)
        self.browse.clicked.connect(lambda *_: self.choose_file())
        self._add(form, "file", self.file, self.browse)

    def _make_sample(self, form: QFormLayout) -> None:
        self._about_sample = QLabel()
        self._about_sample.setWordWrap(True)
        form.addRow(self._about_sample)

    def _make_rtsp(self, form: QFormLayout) -> None:
        self.address, self.path, self.id, self.password = QLineEdit(), QLineEdit(), QLineEdit(), QLineEdit()
        self.port = QSpinBox()
        self.port.setRange(1, 65535)
        self.password.setEchoMode(QLineEdit.Password)
        # Neither an input method nor the system's suggestions get to see it.
        self.password.setInputMethodHints(
            Qt.ImhHiddenText | Qt.ImhSensitiveData | Qt.ImhNoPredictiveText | Qt.ImhNoAutoUppercase
        )
        self.reveal = QPushButton()
        self.reveal.setCheckable(True)
        self.reveal.setAutoDefault(False)
        self.reveal.toggled.connect(self._reveal)
        self._kept = QLabel()
        self._kept.setWordWrap(True)
        self._place = ""
        self._add(form, "address", self.address)
        self._add(form, "port", self.port)
        self._add(form, "path", self.path)
        self._add(form, "id", self.id)
        self._add(form, "password", self.password, self.reveal)
        form.addRow("", self._kept)
        self._url_label, self.url = QLabel(), QLabel()
        self.url.setTextFormat(Qt.PlainText)
        self.url.setWordWrap(True)
        self.url.setTextInteractionFlags(Qt.TextSelectableByMouse)
        form.addRow(self._url_label, self.url)
        self.address.editingFinished.connect(self.take_url)
        self.address.textEdited.connect(self._address_edited)

    def _make_picture(self) -> QGroupBox:
        self.picture = QGroupBox()
        form = QFormLayout(self.picture)
        form.setFieldGrowthPolicy(QFormLayout.AllNonFixedFieldsGrow)
        self.resolution = _combo([""] + [written(size) for size in RESOLUTIONS])
        self.fps = QSpinBox()
        # 0 stands for all of them.
        self.fps.setRange(0, FPS[1])
        self.view = QComboBox()
        self.view.addItems([written(size) for size in VIEW_SIZES])
        self.dnn_resize = QCheckBox()
        self.dnn_size = _combo([written(size) for size in DNN_SIZES])
        self._add(form, "resolution", self.resolution)
        self._add(form, "fps", self.fps)
        self._add(form, "view", self.view)
        self._add(form, "dnn_size", self.dnn_size, before=self.dnn_resize)
        self.dnn_resize.toggled.connect(self._changed)
        return self.picture

    def _add(
        self,
        form: QFormLayout,
        key: str,
        editor: QWidget,
        beside: Optional[QWidget] = None,
        before: Optional[QWidget] = None,
    ) -> None:
        """Add a field with its label, and room for its error below it."""
        label = self._labels[key] = QLabel()
        label.setBuddy(editor)
        label.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Preferred)
        error = self._errors[key] = ErrorLine()
        self.editors[key] = editor
        row = QHBoxLayout()
        for widget in (before, editor, beside):
            if widget is not None:
                row.addWidget(widget, 1 if widget is editor else 0)
        column = QVBoxLayout()
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(error)
        form.addRow(label, column)
        if isinstance(editor, QLineEdit):
            editor.textChanged.connect(self._changed)
        elif isinstance(editor, QSpinBox):
            editor.valueChanged.connect(self._changed)
        elif isinstance(editor, QComboBox):
            editor.currentTextChanged.connect(self._changed)

    # ---- what happens

    def _as_source(self) -> bool:
        return self.resolution.currentText().strip() in ("", self.resolution.itemText(0))

    def _choose_kind(self, kind: str) -> None:
        self.kinds[kind].setChecked(True)
        self._use_kind()

    def _kind_toggled(self, on: bool) -> None:
        if on:
            self._use_kind()

    def _use_kind(self) -> None:
        kind = self.kind
        self.pages.setCurrentIndex(KINDS.index(kind))
        for number in range(self.pages.count()):
            page = self.pages.widget(number)
            used = number == self.pages.currentIndex()
            page.setEnabled(used)
            # The page in front alone decides about the height.
            page.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Preferred if used else QSizePolicy.Ignored)
        self.pages.adjustSize()
        for key in ("resolution", "fps"):
            self.editors[key].setEnabled(key in FIELDS[kind])
            self._labels[key].setEnabled(key in FIELDS[kind])
        self._changed()

    def _changed(self, *_: Any) -> None:
        self.dnn_size.setEnabled(self.dnn_resize.isChecked())
        uri = self.choice().uri
        self.url.setText(uri or "–")
        self.url.setAccessibleName(tr("StreamDialog", "Resulting URL, without the password: {}").format(uri or "–"))
        self.changed.emit()

    def _reveal(self, shown: bool) -> None:
        self.password.setEchoMode(QLineEdit.Normal if shown else QLineEdit.Password)
        self._name_reveal()

    def _address_edited(self, text: str) -> None:
        pasted = len(text) - len(self._address_before) >= _PASTED
        self._address_before = text
        if pasted:
            # At once: it may hold the password.
            self.take_url()
            self._address_before = self.address.text()

    # ---- texts

    def retranslate(self) -> None:
        """Set every text, tool tip and accessible name again."""
        self.source.setTitle(tr("StreamDialog", "Source"))
        self.picture.setTitle(tr("StreamDialog", "Picture"))
        for kind, button in self.kinds.items():
            button.setText(stream_texts.kind_name(kind))
        for key, (text, about) in stream_texts.labels().items():
            self._labels[key].setText(text)
            named(self.editors[key], stream_texts.plain(text), about)
        # The fields of all kinds begin at one line.
        width = max(label.sizeHint().width() for label in self._labels.values())
        for label in list(self._labels.values()) + [self._url_label]:
            label.setMinimumWidth(width)
        named(self.dnn_resize, tr("StreamDialog", "Reduce frames for finding faces"))
        self.dnn_resize.setText(tr("StreamDialog", "On"))
        self.browse.setText(tr("StreamDialog", "&Browse…"))
        named(self.browse, tr("StreamDialog", "Choose a video file"))
        self.address.setPlaceholderText("192.168.0.10")
        self.path.setPlaceholderText("/live")
        self.fps.setSpecialValueText(tr("StreamDialog", "All"))
        typed = None if self._as_source() else self.resolution.currentText()
        self.resolution.setItemText(0, tr("StreamDialog", "As the source has it"))
        if typed is None:
            self.resolution.setCurrentIndex(0)
            self.resolution.setEditText(self.resolution.itemText(0))
        self._about_sample.setText(
            tr("StreamDialog", "A clip of drawn people, for trying the application without a camera.")
        )
        self._url_label.setText(tr("StreamDialog", "URL"))
        self._name_reveal()
        self._say_place()
        self.show_problems(self._problems)
        self._changed()

    def _name_reveal(self) -> None:
        shown = self.reveal.isChecked()
        self.reveal.setText(tr("StreamDialog", "&Hide") if shown else tr("StreamDialog", "S&how"))
        named(
            self.reveal, tr("StreamDialog", "Hide the password") if shown else tr("StreamDialog", "Show the password")
        )

    def _say_place(self) -> None:
        texts = {
            "keyring": tr("StreamDialog", "The password is kept in the system's keyring."),
            "file": tr("StreamDialog", "The password is kept encrypted with the gallery's key."),
        }
        self._kept.setText(texts.get(self._place, ""))
        self._kept.setVisible(bool(self._place))


def _combo(items: List[str]) -> QComboBox:
    """Return a box with texts to choose from, in which others can be typed."""
    made = QComboBox()
    made.addItems(items)
    made.setEditable(True)
    made.setInsertPolicy(QComboBox.NoInsert)
    # Otherwise what is typed would be taken for a choice that begins likewise.
    made.setCompleter(None)
    return made
