"""The people enrolled, with their pictures: add, rename, merge, delete and undo (Table 7 of the paper)."""

from typing import Any, List, Optional, Tuple

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
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
from deploy.app.face_person import PersonDetails
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from deploy.undo import Deletion
from kface.gallery import Person


class PeoplePage(Translated, QWidget):
    """Shows and changes who is enrolled.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        changed: Signal: people have changed.
        details: The person who was chosen, also while the search hides the name; its controls are the page's too.
        people: Who is enrolled, as was last seen.
    """

    changed = Signal()

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(PeoplePage, self).__init__(parent)
        self._bridge = bridge
        self.people: List[Person] = []
        self._wanted: Optional[str] = None
        self._deletions: List[Deletion] = []
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
        splitter.addWidget(self._make_details(bridge))
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

    def _make_details(self, bridge: SessionBridge) -> QWidget:
        self.details = details = PersonDetails(bridge)
        details.failed.connect(self._failed)
        self.pictures, self.new_name, self.merge_with = details.pictures, details.new_name, details.merge_with
        self.rename_button, self.merge_button = details.rename_button, details.merge_button
        self.delete_picture, self.delete_person = details.delete_picture, details.delete_person
        self.new_name.returnPressed.connect(self.rename)
        self.rename_button.clicked.connect(self.rename)
        self.merge_button.clicked.connect(self.ask_merge)
        self.delete_picture.clicked.connect(self.delete_template)
        self.delete_person.clicked.connect(self.ask_delete)
        return details

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
        self.undo_button.setText(tr("PeoplePage", "&Undo"))
        named(
            self.undo_button, tr("PeoplePage", "Undo"), tr("PeoplePage", "Possible for five minutes after a deletion")
        )
        self._fill_list()
        self._show_undo()

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
        self.details.show_person(self.current, self.people)

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
        person, name = self.details.person, self.new_name.text()
        if person is not None and name != person.name:
            self._change(lambda: self._bridge.session.rename(person.id, name), choose=name)

    def ask_merge(self) -> None:
        """Ask whether two names are one person."""
        person, other = self.details.person, self.merge_with.currentText()
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
        person = self.details.person
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
        person, item = self.details.person, self.pictures.currentItem()
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
