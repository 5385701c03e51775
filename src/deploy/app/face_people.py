"""The people enrolled, with their pictures: add, rename, merge, delete and undo (Table 7 of the paper)."""

from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from deploy.app import face_texts
from deploy.app.bridge import SessionBridge
from deploy.app.face_add import FaceAddDialog, dropped_files
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, ThumbnailList, Translated, named
from deploy.undo import Deletion
from kface.errors import GalleryError
from kface.gallery import Person, Template

#: Pictures of one person that are shown.
MOST_SHOWN = 200


class ShownTemplate(NamedTuple):
    """A template, and its crop where there is one that can be read."""

    template: Template
    crop: Optional[np.ndarray]


class PeoplePage(Translated, QWidget):
    """Shows and changes who is enrolled.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        changed: Signal: people have changed.
        people: Who is enrolled, as was last seen.
    """

    changed = Signal()

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(PeoplePage, self).__init__(parent)
        self._bridge = bridge
        self.people: List[Person] = []
        self._wanted: Optional[str] = None
        self._deletions: List[Deletion] = []
        self._template: Optional[int] = None
        self.question: Optional[QMessageBox] = None
        self.adding: Optional[FaceAddDialog] = None
        self.setAcceptDrops(True)
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.list = QListWidget()
        self.list.setSpacing(2)
        self.list.currentItemChanged.connect(lambda *_: self._show_person())
        self.add = QPushButton()
        # Without Qt's argument, whether it is checked.
        self.add.clicked.connect(lambda _: self.open_adding())
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.search, self.list, self.add):
            column.addWidget(widget)
        splitter = QSplitter()
        splitter.addWidget(left)
        splitter.addWidget(self._make_details())
        splitter.setChildrenCollapsible(False)
        splitter.setSizes([240, 480])
        self.undo_label = QLabel()
        self.undo_button = QPushButton()
        self.undo_button.clicked.connect(self.undo)
        undoing = QHBoxLayout()
        undoing.addWidget(self.undo_label, 1)
        undoing.addWidget(self.undo_button)
        self.error = ErrorLine()
        layout = QVBoxLayout(self)
        layout.addWidget(splitter, 1)
        layout.addLayout(undoing)
        layout.addWidget(self.error)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        self._show_undo()
        self.retranslate()
        self._show_person()

    def _make_details(self) -> QWidget:
        self.details = QGroupBox()
        self.pictures = ThumbnailList("")
        self.pictures.setMinimumHeight(110)
        self.pictures.setIconSize(QSize(72, 72))
        self.pictures.currentItemChanged.connect(lambda *_: self._enable())
        self.none = QLabel()
        self.none.setWordWrap(True)
        self.new_name = QLineEdit()
        self.new_name.returnPressed.connect(self.rename)
        self.rename_button = QPushButton()
        self.rename_button.clicked.connect(self.rename)
        self.merge_with = QComboBox()
        self.merge_button = QPushButton()
        self.merge_button.clicked.connect(self.ask_merge)
        self.delete_picture = QPushButton()
        self.delete_picture.clicked.connect(self.delete_template)
        self.delete_person = QPushButton()
        self.delete_person.clicked.connect(self.ask_delete)
        self._rename_label, self._merge_label = QLabel(), QLabel()
        self._rename_label.setBuddy(self.new_name)
        self._merge_label.setBuddy(self.merge_with)
        column = QVBoxLayout(self.details)
        column.addWidget(self.none)
        column.addWidget(self.pictures, 1)
        for label, field, button in (
            (self._rename_label, self.new_name, self.rename_button),
            (self._merge_label, self.merge_with, self.merge_button),
        ):
            row = QHBoxLayout()
            row.addWidget(label)
            row.addWidget(field, 1)
            row.addWidget(button)
            column.addLayout(row)
        row = QHBoxLayout()
        row.addWidget(self.delete_picture)
        row.addStretch(1)
        row.addWidget(self.delete_person)
        column.addLayout(row)
        return self.details

    def retranslate(self) -> None:
        """Set every text again."""
        named(self.search, tr("PeoplePage", "Search people"))
        self.search.setPlaceholderText(tr("PeoplePage", "Search"))
        named(self.list, tr("PeoplePage", "People enrolled"))
        self.add.setText(tr("PeoplePage", "&Add pictures..."))
        named(
            self.add,
            tr("PeoplePage", "Add pictures"),
            tr("PeoplePage", "Enrol from picture files; they can be dropped here"),
        )
        named(self.pictures, tr("PeoplePage", "Pictures of this person"))
        self._rename_label.setText(tr("PeoplePage", "&Name"))
        named(self.new_name, tr("PeoplePage", "New name"))
        self.rename_button.setText(tr("PeoplePage", "&Rename"))
        self._merge_label.setText(tr("PeoplePage", "Same &person as"))
        for widget in (self.merge_with, self.merge_with.view()):
            named(widget, tr("PeoplePage", "Same person as"))
        self.merge_button.setText(tr("PeoplePage", "&Merge..."))
        named(
            self.merge_button,
            tr("PeoplePage", "Merge"),
            tr("PeoplePage", "Gives all pictures to the other name, and forgets this one"),
        )
        self.delete_picture.setText(tr("PeoplePage", "Delete p&icture"))
        self.delete_person.setText(tr("PeoplePage", "&Delete person..."))
        self.undo_button.setText(tr("PeoplePage", "&Undo"))
        named(
            self.undo_button, tr("PeoplePage", "Undo"), tr("PeoplePage", "Possible for five minutes after a deletion")
        )
        self._fill_list()
        self._show_undo()
        self._head()

    # ---- what is there

    @property
    def current(self) -> Optional[Person]:
        """The person who is chosen."""
        item = self.list.currentItem()
        if item is None or item.isHidden():
            return None
        return next((one for one in self.people if one.id == item.data(Qt.UserRole)), None)

    def load(self, choose: Optional[str] = None) -> None:
        """Ask who is enrolled.

        Args:
            choose: Name of the person to choose then; the same as before where None.
        """
        if choose is not None:
            self._wanted = choose
        self._bridge.call(
            lambda: list(self._bridge.session.people()), done=self._loaded, failed=self._failed, owner=self
        )

    def _loaded(self, people: List[Person]) -> None:
        # Before the list has others: the one who is chosen is looked up in it.
        before = self.current
        self.people = people
        self._fill_list(before)
        self.changed.emit()

    def _fill_list(self, before: Optional[Person] = None) -> None:
        chosen = before if before is not None else self.current
        self.list.blockSignals(True)
        self.list.clear()
        for person in self.people:
            text = tr("PeoplePage", "{name}  ({count})").format(name=person.name, count=person.templates)
            item = QListWidgetItem(text)
            item.setData(Qt.UserRole, person.id)
            item.setData(
                Qt.AccessibleTextRole,
                tr("PeoplePage", "{name}, pictures: {count}").format(name=person.name, count=person.templates),
            )
            self.list.addItem(item)
        for row, person in enumerate(self.people):
            if person.name == self._wanted or (self._wanted is None and chosen is not None and person.id == chosen.id):
                self.list.setCurrentRow(row)
        self._wanted = None
        if self.list.currentRow() < 0 and self.people:
            self.list.setCurrentRow(0)
        self.list.blockSignals(False)
        self._filter()
        self._show_person()

    def _filter(self) -> None:
        wanted = self.search.text().casefold()
        for row, person in enumerate(self.people[: self.list.count()]):
            self.list.item(row).setHidden(wanted not in person.name.casefold())

    def _show_person(self) -> None:
        person = self.current
        self.pictures.clear()
        self._template = None
        self.merge_with.clear()
        self.new_name.setText("" if person is None else person.name)
        self._head()
        self._enable()
        if person is None:
            return
        self.merge_with.addItems([one.name for one in self.people if one.id != person.id])
        self._enable()
        self._bridge.call(
            lambda: (person.id, self._read(person.id)), done=self._show_pictures, failed=self._failed, owner=self
        )

    def _head(self) -> None:
        person = self.current
        self.details.setTitle("" if person is None else person.name)
        self.none.setVisible(person is None)
        self.none.setText(
            tr(
                "PeoplePage",
                "Nobody is enrolled yet. Add pictures, drop them here, or click a face in the live picture.",
            )
        )

    def _enable(self) -> None:
        there = self.current is not None
        for widget in (self.new_name, self.rename_button, self.delete_person, self.pictures):
            widget.setEnabled(there)
        for widget in (self.merge_with, self.merge_button):
            widget.setEnabled(there and self.merge_with.count() > 0)
        self.delete_picture.setEnabled(there and self.pictures.currentItem() is not None)

    def _read(self, person_id: str) -> List[ShownTemplate]:
        """Read a person's pictures; in a thread of the bridge."""
        faces = self._bridge.session.face_settings
        shown = []
        for template in faces.templates(person_id)[:MOST_SHOWN]:
            try:
                crop = faces.crop(template.id) if template.crop else None
            except GalleryError:
                # One damaged picture must not hide the others; the check names it.
                crop = None
            shown.append(ShownTemplate(template, crop))
        return shown

    def _show_pictures(self, found: Tuple[str, List[ShownTemplate]]) -> None:
        person_id, shown = found
        # Another person may have been chosen meanwhile.
        if self.current is None or self.current.id != person_id:
            return
        self.pictures.clear()
        for template, crop in shown:
            when = template.created[:10]
            about = tr("PeoplePage", "Template {}, enrolled {}").format(template.id, template.created)
            if crop is None:
                about += ". " + tr("PeoplePage", "Its picture was not kept.")
            self.pictures.put(template.id, crop, when, about)
        self._enable()

    # ---- changes

    def open_adding(self, files: Tuple[str, ...] = ()) -> None:
        """Open the dialog that adds pictures."""
        person = self.current
        dialog = FaceAddDialog(
            self._bridge, "" if person is None else person.name, [one.name for one in self.people], self
        )
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.added.connect(self.load)
        self.adding = dialog
        dialog.open()
        # With a name that stands there only because someone was chosen, nothing begins by itself.
        dialog.name.selectAll()
        dialog.name.setFocus()
        if files:
            dialog.offer_files(files)

    def rename(self) -> None:
        """Rename the person who is chosen."""
        person, name = self.current, self.new_name.text()
        if person is not None and name != person.name:
            self._change(lambda: self._bridge.session.rename(person.id, name), choose=name)

    def ask_merge(self) -> None:
        """Ask whether two names are one person."""
        person, other = self.current, self.merge_with.currentText()
        if person is None or not other:
            return
        text = tr("PeoplePage", "Give all pictures of {name} to {other}?").format(name=person.name, other=other)
        about = tr("PeoplePage", "{} is then no longer a name of its own. This cannot be undone.").format(person.name)
        self._ask(text, about, tr("PeoplePage", "Merge"), lambda: self.merge(other, person))

    def merge(self, into: str, other: Person) -> None:
        """Give one person the other's pictures."""
        self._change(lambda: self._bridge.session.face_settings.merge(into, other.id), choose=into)

    def ask_delete(self) -> None:
        """Ask whether the person who is chosen is to be deleted."""
        person = self.current
        if person is None:
            return
        text = tr("PeoplePage", "Delete {name}? Pictures: {count}").format(name=person.name, count=person.templates)
        about = tr("PeoplePage", "You can undo this for five minutes, until the program is closed.")
        self._ask(text, about, tr("PeoplePage", "Delete"), lambda: self.delete(person.id))

    def delete(self, person_id: str, template: Optional[int] = None) -> None:
        """Delete a person, or a picture of theirs, so that it can be undone."""

        def done(deletion: Deletion) -> None:
            self._deletions.append(deletion)
            self._show_undo()
            self.load()

        self.error.clear_error()
        self._bridge.call(
            lambda: self._bridge.session.face_settings.delete(person_id, template),
            done=done,
            failed=self._failed,
            owner=self,
        )

    def delete_template(self) -> None:
        """Delete the picture that is chosen."""
        person, item = self.current, self.pictures.currentItem()
        if person is not None and item is not None:
            self.delete(person.id, int(item.data(Qt.UserRole)))

    def undo(self) -> None:
        """Undo the last deletion."""
        if not self._deletions:
            return
        deletion = self._deletions.pop()
        self._show_undo()

        def failed(line: str) -> None:
            if "was enrolled under this name" in line or "locked" in line:
                # There is a way on: the deletion waits for it.
                self._deletions.append(deletion)
                self._show_undo()
            self._failed(line)

        self.error.clear_error()
        self._bridge.call(
            lambda: self._bridge.session.face_settings.undo(deletion.id),
            done=lambda _: self.load(deletion.name),
            failed=failed,
            owner=self,
        )

    def _change(self, work: Any, choose: Optional[str] = None) -> None:
        self.error.clear_error()
        self._bridge.call(work, done=lambda _: self.load(choose), failed=self._failed, owner=self)

    def _ask(self, text: str, about: str, yes: str, then: Any) -> None:
        question = QMessageBox(QMessageBox.Question, self.window().windowTitle(), text, QMessageBox.Cancel, self)
        question.setInformativeText(about)
        button = question.addButton(yes, QMessageBox.AcceptRole)
        question.button(QMessageBox.Cancel).setText(tr("PeoplePage", "Cancel"))
        question.setDefaultButton(QMessageBox.Cancel)
        question.setAttribute(Qt.WA_DeleteOnClose)
        question.buttonClicked.connect(lambda clicked: then() if clicked is button else None)
        self.question = question
        question.open()

    def _show_undo(self) -> None:
        there = bool(self._deletions)
        self.undo_button.setVisible(there)
        self.undo_label.setVisible(there)
        if there:
            last = self._deletions[-1]
            if last.complete:
                text = tr("PeoplePage", "{} was deleted.")
            else:
                text = tr("PeoplePage", "A picture of {} was deleted.")
            self.undo_label.setText(text.format(last.name))

    def _failed(self, line: str) -> None:
        self.error.show_error(face_texts.fault(line))
        if "no such person" in line:
            self.load()

    # ---- drag and drop

    def dragEnterEvent(self, event: Any) -> None:
        """Qt's."""
        if dropped_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Qt's."""
        event.acceptProposedAction()
        self.open_adding(dropped_files(event.mimeData()))
