"""Enrolling from image files: chosen or dropped, with what became of each, and a choice where a picture has several faces."""

import contextlib
import os
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QCompleter,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from deploy.app import face_texts
from deploy.app.bridge import SessionBridge
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, ThumbnailList, Translated, named
from kface.gallery import FileResult, FoundFace, several

#: What the file chooser shows.
PATTERNS = "*.jpg *.jpeg *.png *.bmp *.webp *.tif *.tiff"


class Progress(QObject):
    """Carries the progress of a call from its thread to Qt's, and the wish to cancel it back.

    Attributes:
        stepped: Signal: how far, and what with.
        cancelled: Whether it is cancelled.
    """

    stepped = Signal(object, object)

    def __init__(self, parent: Optional[QObject] = None) -> None:
        super(Progress, self).__init__(parent)
        self.cancelled = threading.Event()

    def step(self, part: object, what: object = None) -> None:
        """Report; from any thread."""
        # Qt may have taken the object away already.
        with contextlib.suppress(RuntimeError):
            self.stepped.emit(part, what)


class FaceAddDialog(Translated, QDialog):
    """Adds pictures to a person, new or known.

    Args:
        bridge: To the session.
        name: The person's, to begin with.
        known: Names to complete.
        parent: Qt's.

    Attributes:
        added: Signal: a person has one more picture.
        results: What became of each file.
    """

    added = Signal(str)

    def __init__(
        self, bridge: SessionBridge, name: str = "", known: Sequence[str] = (), parent: Optional[QWidget] = None
    ) -> None:
        super(FaceAddDialog, self).__init__(parent)
        self._bridge = bridge
        self._progress: Optional[Progress] = None
        self._files: List[str] = []
        self.results: List[FileResult] = []
        self._rows: Dict[int, str] = {}
        self.setAcceptDrops(True)
        self.resize(680, 560)

        self.name = QLineEdit(name)
        completer = QCompleter(list(known), self)
        completer.setCaseSensitivity(Qt.CaseInsensitive)
        self.name.setCompleter(completer)
        self.name.returnPressed.connect(self._name_entered)
        self._name_label = QLabel()
        self._name_label.setBuddy(self.name)
        form = QFormLayout()
        form.addRow(self._name_label, self.name)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.choose = QPushButton()
        self.choose.clicked.connect(self.choose_files)
        self.table = QTableWidget(0, 2)
        self.table.setEditTriggers(QTableWidget.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectRows)
        self.table.setSelectionMode(QTableWidget.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(True)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(1, QHeaderView.Stretch)
        self.table.itemSelectionChanged.connect(self._show_row)
        self.bar = QProgressBar()
        self.cancel = QPushButton()
        self.cancel.clicked.connect(self.cancel_adding)
        self.cancel.setEnabled(False)
        running = QHBoxLayout()
        running.addWidget(self.bar, 1)
        running.addWidget(self.cancel)
        self.pick_label = QLabel()
        self.pick_label.setWordWrap(True)
        self.faces = ThumbnailList("", one_row=True)
        self.faces.setFixedHeight(130)
        self.faces.chosen.connect(self.add_face)
        self.anyway = QPushButton()
        self.anyway.clicked.connect(self.add_anyway)
        self.error = ErrorLine()
        self.buttons = QDialogButtonBox(QDialogButtonBox.Close)
        self.buttons.rejected.connect(self.reject)
        top = QHBoxLayout()
        top.addWidget(self.hint, 1)
        top.addWidget(self.choose)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        layout.addLayout(running)
        layout.addWidget(self.pick_label)
        layout.addWidget(self.faces)
        layout.addWidget(self.anyway, 0, Qt.AlignLeft)
        layout.addWidget(self.error)
        layout.addWidget(self.buttons)
        # Enter in the name must not open the file chooser.
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        self._show_faces(None)
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        self.setWindowTitle(tr("FaceAddDialog", "Add pictures"))
        self._name_label.setText(tr("FaceAddDialog", "&Name"))
        for widget in (self.name, self.name.completer().popup()):
            named(widget, tr("FaceAddDialog", "Name of the person"))
        self.name.setPlaceholderText(tr("FaceAddDialog", "New, or already enrolled"))
        self.hint.setText(
            tr(
                "FaceAddDialog",
                "Choose pictures of this person, or drop them here. Sharp ones from the front work best.",
            )
        )
        self.choose.setText(tr("FaceAddDialog", "Choose &files..."))
        named(self.table, tr("FaceAddDialog", "What became of each picture"))
        self.table.setHorizontalHeaderLabels([tr("FaceAddDialog", "Picture"), tr("FaceAddDialog", "Result")])
        named(self.bar, tr("FaceAddDialog", "Pictures that are done"))
        self.bar.setFormat(tr("FaceAddDialog", "%v of %m pictures"))
        self.cancel.setText(tr("FaceAddDialog", "&Cancel"))
        named(self.faces, tr("FaceAddDialog", "Faces of the picture: choose the one to add"))
        self.anyway.setText(tr("FaceAddDialog", "Add &anyway"))
        named(self.anyway, self.anyway.text(), tr("FaceAddDialog", "Adds this face although it is not good enough"))
        self.buttons.button(QDialogButtonBox.Close).setText(tr("FaceAddDialog", "C&lose"))
        self._label_faces()
        for row, result in enumerate(self.results):
            self._fill(row, result)

    # ---- files

    def choose_files(self) -> None:
        """Let the user choose image files."""
        filters = "{} ({});;{} (*)".format(tr("FaceAddDialog", "Pictures"), PATTERNS, tr("FaceAddDialog", "All files"))
        found = QFileDialog.getOpenFileNames(self, tr("FaceAddDialog", "Choose pictures"), "", filters)
        self.add_files(found[0] if isinstance(found, tuple) else found)

    def add_files(self, files: Sequence[str]) -> None:
        """Begin to enrol files under the name."""
        self.error.clear_error()
        if not files:
            return
        if self._progress is not None:
            self.error.show_error(tr("FaceAddDialog", "Wait until the pictures before are done, or cancel them."))
            return
        name = self.name.text()
        if not name.strip():
            self.offer_files(files)
            return
        self._files = []
        self._start(name, [str(file) for file in files])

    def offer_files(self, files: Sequence[str]) -> None:
        """Wait for the name of the person before files are enrolled."""
        self._files = list(files)
        self.error.show_error(
            tr("FaceAddDialog", "Pictures that wait: {}. Enter the name, and press Enter.").format(len(self._files))
        )
        self.name.setFocus()

    def _name_entered(self) -> None:
        if self._files:
            self.add_files(self._files)

    def _start(self, name: str, files: List[str]) -> None:
        self._progress = progress = Progress(self)
        progress.stepped.connect(self._stepped)
        self.bar.setRange(0, len(files))
        self.bar.setValue(0)
        self.cancel.setEnabled(True)
        self.choose.setEnabled(False)
        self._bridge.call(
            lambda: self._bridge.session.face_settings.add_files(name, files, progress.step, progress.cancelled.is_set),
            done=self._finished,
            failed=self._failed,
            owner=self,
        )

    def cancel_adding(self) -> None:
        """Stop after the picture that is being looked at."""
        if self._progress is not None:
            self._progress.cancelled.set()

    def reject(self) -> None:
        """Close; what is not done yet is cancelled."""
        self.cancel_adding()
        super(FaceAddDialog, self).reject()

    def _stepped(self, count: int, result: FileResult) -> None:
        self.bar.setValue(count)
        self.results.append(result)
        row = self.table.rowCount()
        self.table.insertRow(row)
        self._fill(row, result)
        if result.made is not None:
            self.added.emit(result.made.name)

    def _finished(self, results: List[FileResult]) -> None:
        self._end()
        first = [row for row, one in enumerate(self.results) if one.state == several.CHOOSE]
        refused = [row for row, one in enumerate(self.results) if one.state == several.REFUSED]
        for row in (first or refused)[:1]:
            self.table.selectRow(row)

    def _failed(self, line: str) -> None:
        self._end()
        self.error.show_error(face_texts.fault(line))

    def _end(self) -> None:
        self._progress = None
        self.cancel.setEnabled(False)
        self.choose.setEnabled(True)

    def _fill(self, row: int, result: FileResult) -> None:
        for column, text in enumerate((os.path.basename(result.file), face_texts.file_result(result))):
            item = QTableWidgetItem(text)
            item.setToolTip(result.file if column == 0 else text)
            self.table.setItem(row, column, item)
        self.table.resizeRowToContents(row)

    # ---- picking a face

    def _row(self) -> Optional[int]:
        rows = self.table.selectionModel().selectedRows()
        return rows[0].row() if rows else None

    def _show_row(self) -> None:
        row = self._row()
        self._show_faces(None if row is None or row >= len(self.results) else self.results[row])

    def _show_faces(self, result: Optional[FileResult]) -> None:
        self.faces.clear()
        choices = () if result is None or result.made is not None else several.choices(result)
        for number in choices:
            face = self._face(result, number)
            why = face_texts.refusals(face.refusals)
            text = tr("FaceAddDialog", "Face {}").format(number + 1)
            self.faces.put(number, face.crop, text if not why else text + " (!)", why or text)
        for widget in (self.faces, self.pick_label):
            widget.setVisible(bool(choices))
        self.anyway.setVisible(len(choices) == 1)
        self._label_faces()

    def _label_faces(self) -> None:
        if self.faces.count() > 1:
            self.pick_label.setText(
                tr("FaceAddDialog", "Which of these faces is it? Click it, or choose it with the arrow keys and Enter.")
            )
        else:
            self.pick_label.setText(
                tr("FaceAddDialog", "This face was refused. If it is the best there is, add it anyway.")
            )

    @staticmethod
    def _face(result: Optional[FileResult], number: int) -> FoundFace:
        found = None if result is None else result.found
        assert found is not None
        return found.faces[number]

    def add_face(self, number: Any) -> None:
        """Enrol the face that was chosen of the picture that is selected."""
        self._add(int(number), False)

    def add_anyway(self) -> None:
        """Enrol the face that was refused."""
        keys = self.faces.keys()
        if keys:
            self._add(int(keys[0]), True)

    def _add(self, number: int, force: bool) -> None:
        row, name = self._row(), self.name.text()
        if row is None:
            return
        self.error.clear_error()
        result = self.results[row]
        face = self._face(result, number)
        if face.refusals and not force:
            self._offer(number, face)
            return

        def done(made: Any) -> None:
            self.results[row] = result._replace(state=several.ADDED, made=made)
            self._fill(row, self.results[row])
            self._show_faces(None)
            self.added.emit(made.name)

        self._bridge.call(
            lambda: self._bridge.session.face_settings.add_found(name, face, force),
            done=done,
            failed=self._failed,
            owner=self,
        )

    def _offer(self, number: int, face: FoundFace) -> None:
        """Say why a face is not good enough, and leave it alone for the button that adds it anyway."""
        others = self.faces.keys()
        for key in others:
            if key != number:
                self.faces.remove(key)
        self.anyway.show()
        self.anyway.setFocus()
        self._label_faces()
        self.error.show_error(face_texts.refusals(face.refusals))

    # ---- drag and drop

    def dragEnterEvent(self, event: Any) -> None:
        """Qt's."""
        if dropped_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Qt's."""
        event.acceptProposedAction()
        self.add_files(dropped_files(event.mimeData()))


def dropped_files(data: Any) -> Tuple[str, ...]:
    """Return the files that are dropped."""
    urls = data.urls() if data.hasUrls() else ()
    return tuple(str(url.toLocalFile()) for url in urls if url.isLocalFile())
