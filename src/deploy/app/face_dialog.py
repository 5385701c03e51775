"""The face settings, Table 7 of the paper: people, threshold, detection and tracks, and a check of the gallery."""

from typing import Any, Optional

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTabWidget, QVBoxLayout, QWidget

from deploy.app.bridge import SessionBridge
from deploy.app.face_detection import DetectionPage
from deploy.app.face_people import PeoplePage
from deploy.app.face_review import ReviewPage
from deploy.app.face_threshold import ThresholdPage
from deploy.app.texts import tr
from deploy.app.widgets import Translated, named


class FaceDialog(Translated, QDialog):
    """The settings of faces; every change is in force at once.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        people: The page of people.
        threshold: The page of the threshold.
        detection: The page of detector and tracks.
        review: The page that checks the gallery.

    Example:
        >>> FaceDialog(bridge, window).open()  # doctest: +SKIP
    """

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(FaceDialog, self).__init__(parent)
        self.resize(760, 600)
        self.people = PeoplePage(bridge)
        self.threshold = ThresholdPage(bridge)
        self.detection = DetectionPage(bridge)
        self.review = ReviewPage(bridge)
        self.review.chosen.connect(self.show_person)
        self.tabs = QTabWidget()
        for page in (self.people, self.threshold, self.detection, self.review):
            self.tabs.addTab(page, "")
        self.tabs.currentChanged.connect(self._load)
        self.buttons = QDialogButtonBox(QDialogButtonBox.Close)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.tabs)
        layout.addWidget(self.buttons)
        self.buttons.button(QDialogButtonBox.Close).setAutoDefault(False)
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        self.setWindowTitle(tr("FaceDialog", "Face settings"))
        texts = (
            tr("FaceDialog", "People"),
            tr("FaceDialog", "Threshold"),
            tr("FaceDialog", "Detection and tracks"),
            tr("FaceDialog", "Check"),
        )
        for number, text in enumerate(texts):
            self.tabs.setTabText(number, text)
        named(self.tabs.tabBar(), tr("FaceDialog", "Pages of the face settings"))
        self.buttons.button(QDialogButtonBox.Close).setText(tr("FaceDialog", "Close"))

    def showEvent(self, event: Any) -> None:
        """Qt's."""
        super(FaceDialog, self).showEvent(event)
        self._load()

    def show_person(self, name: str) -> None:
        """Show a person on the page of people."""
        self.people.search.clear()
        self.people.load(name)
        self.tabs.setCurrentWidget(self.people)

    def done(self, result: int) -> None:
        """Qt's: close; a check that runs is cancelled."""
        self.review.stop()
        super(FaceDialog, self).done(result)

    def _load(self, *_: object) -> None:
        page = self.tabs.currentWidget()
        if page is self.people:
            self.people.load()
        elif page is self.detection:
            self.detection.load()
