"""The people who were recognised or unknown last, each with a picture and the time."""

from typing import Optional, Sequence, Tuple

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QWidget

from deploy.app.texts import tr
from deploy.app.widgets import THUMBNAIL, ThumbnailList, Translated
from deploy.sightings import Sighting
from kface.recognizer import RECOGNISED


class PeopleStrip(Translated, ThumbnailList):
    """One row, the newest first; a click on a person picks the face to be registered.

    Args:
        parent: Qt's.

    Attributes:
        chosen: Signal: the :attr:`deploy.sightings.Sighting.id`.
    """

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super(PeopleStrip, self).__init__("", one_row=True, parent=parent)
        self._shown: Tuple[Sighting, ...] = ()
        self._state: Tuple[Tuple[str, int], ...] = ()
        self.setFixedHeight(THUMBNAIL + 3 * self.fontMetrics().height() + 26)
        self.setGridSize(QSize(THUMBNAIL + 44, THUMBNAIL + 2 * self.fontMetrics().height() + 12))
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        self.setAccessibleName(tr("PeopleStrip", "Last seen people"))
        self.setToolTip(tr("PeopleStrip", "The last people: click one to register the face"))
        self._state = ()
        self.show_sightings(self._shown)

    def show_sightings(self, sightings: Sequence[Sighting]) -> None:
        """Show these, the newest first; nothing happens where they are shown already."""
        state = tuple((one.id, one.number) for one in sightings)
        if state == self._state:
            return
        self._state, self._shown = state, tuple(sightings)
        current = self.currentItem()
        focused = None if current is None else current.data(256)
        self.clear()
        for one in sightings:
            who = one.name if one.kind == RECOGNISED and one.name else tr("PeopleStrip", "unknown")
            when = one.time[11:19]
            about = tr("PeopleStrip", "{name}, {time}; click to register").format(name=who, time=when)
            self.put(one.id, one.crop, "{}\n{}".format(who, when), about)
        item = self.item_of(focused)
        if item is not None:
            self.setCurrentItem(item)
