"""One person who is enrolled: the pictures, and the controls that rename, merge and delete."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from deploy.app.bridge import SessionBridge
from deploy.app.texts import tr
from deploy.app.widgets import ThumbnailList, Translated, named
from kface.errors import GalleryError
from kface.gallery import Person, Template

#: Pictures of one person that are shown.
MOST_SHOWN = 200


class ShownTemplate(NamedTuple):
    """A template, and its crop where there is one that can be read."""

    template: Template
    crop: Optional[np.ndarray]


class PersonDetails(Translated, QGroupBox):
    """Shows one person, and has the controls for changes, which the page makes.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        failed: Signal: the pictures could not be read; why, in one line.
        person: The one who is shown.
    """

    failed = Signal(str)

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(PersonDetails, self).__init__(parent)
        self._bridge = bridge
        self.person: Optional[Person] = None
        self._nobody = True
        self.pictures = ThumbnailList("")
        self.pictures.setMinimumHeight(110)
        self.pictures.setIconSize(QSize(72, 72))
        self.pictures.currentItemChanged.connect(lambda *_: self._enable())
        self.none = QLabel()
        self.none.setWordWrap(True)
        self.new_name = QLineEdit()
        self.rename_button = QPushButton()
        self.merge_with = QComboBox()
        self.merge_button = QPushButton()
        self.delete_picture = QPushButton()
        self.delete_person = QPushButton()
        self._rename_label, self._merge_label = QLabel(), QLabel()
        self._rename_label.setBuddy(self.new_name)
        self._merge_label.setBuddy(self.merge_with)
        column = QVBoxLayout(self)
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
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        named(self.pictures, tr("PersonDetails", "Pictures of this person"))
        self._rename_label.setText(tr("PersonDetails", "&Name"))
        named(self.new_name, tr("PersonDetails", "New name"))
        self.rename_button.setText(tr("PersonDetails", "&Rename"))
        self._merge_label.setText(tr("PersonDetails", "Same &person as"))
        for widget in (self.merge_with, self.merge_with.view()):
            named(widget, tr("PersonDetails", "Same person as"))
        self.merge_button.setText(tr("PersonDetails", "&Merge..."))
        named(
            self.merge_button,
            tr("PersonDetails", "Merge"),
            tr("PersonDetails", "Gives all pictures to the other name, and forgets this one"),
        )
        self.delete_picture.setText(tr("PersonDetails", "Delete p&icture"))
        self.delete_person.setText(tr("PersonDetails", "&Delete person..."))
        self._head()

    def show_person(self, person: Optional[Person], people: Sequence[Person]) -> None:
        """Show a person, and ask for the pictures.

        Args:
            person: None where no one is chosen.
            people: Everyone who is enrolled.
        """
        self.person, self._nobody = person, not people
        self.pictures.clear()
        self.merge_with.clear()
        self.new_name.setText("" if person is None else person.name)
        self._head()
        self._enable()
        if person is None:
            return
        self.merge_with.addItems([one.name for one in people if one.id != person.id])
        self._enable()
        self._bridge.call(
            lambda: (person.id, self._read(person.id)), done=self._show_pictures, failed=self.failed.emit, owner=self
        )

    def _head(self) -> None:
        person = self.person
        self.setTitle("" if person is None else person.name)
        self.none.setVisible(self._nobody)
        self.none.setText(
            tr(
                "PersonDetails",
                "Nobody is enrolled yet. Add pictures, drop them here, or click a face in the live picture.",
            )
        )

    def _enable(self) -> None:
        there = self.person is not None
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
        if self.person is None or self.person.id != person_id:
            return
        self.pictures.clear()
        for template, crop in shown:
            when = template.created[:10]
            about = tr("PersonDetails", "Template {}, enrolled {}").format(template.id, template.created)
            if crop is None:
                about += ". " + tr("PersonDetails", "Its picture was not kept.")
            self.pictures.put(template.id, crop, when, about)
        self._enable()
