"""Check my gallery: what was enrolled wrongly or poorly, with a way to the person."""

from typing import Any, List, Optional

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from deploy.app import face_texts
from deploy.app.bridge import SessionBridge
from deploy.app.face_add import Progress
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from kface.gallery import Finding, Review


class ReviewPage(Translated, QWidget):
    """Runs the check, and lists what it finds.

    Args:
        bridge: To the session.
        parent: Qt's.

    Attributes:
        chosen: Signal: the name of the person whom a finding is about.
        review: What was found; None before.
    """

    chosen = Signal(str)

    def __init__(self, bridge: SessionBridge, parent: Optional[QWidget] = None) -> None:
        super(ReviewPage, self).__init__(parent)
        self._bridge = bridge
        self._progress: Optional[Progress] = None
        self.review: Optional[Review] = None
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.start_button, self.cancel = QPushButton(), QPushButton()
        self.start_button.clicked.connect(self.start)
        self.cancel.clicked.connect(self.stop)
        self.cancel.setEnabled(False)
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setValue(0)
        row = QHBoxLayout()
        row.addWidget(self.start_button)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setSpacing(4)
        self.list.itemActivated.connect(self._choose)
        self.list.currentItemChanged.connect(lambda *_: self._enable())
        self.show_person = QPushButton()
        self.show_person.clicked.connect(lambda: self._choose(self.list.currentItem()))
        self.error = ErrorLine()
        layout = QVBoxLayout(self)
        layout.addWidget(self.about)
        layout.addLayout(row)
        layout.addWidget(self.summary)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.show_person, 0, Qt.AlignLeft)
        layout.addWidget(self.error)
        for button in (self.start_button, self.cancel, self.show_person):
            button.setAutoDefault(False)
        self._enable()
        self.retranslate()

    def retranslate(self) -> None:
        """Set every text again."""
        self.about.setText(
            tr(
                "ReviewPage",
                "Looks for pictures that resemble another person more than their own, for people who are too much alike, for"
                " pictures enrolled twice, and for people with one poor picture.",
            )
        )
        self.start_button.setText(tr("ReviewPage", "Check &my gallery"))
        self.cancel.setText(tr("ReviewPage", "&Cancel"))
        named(self.bar, tr("ReviewPage", "Progress of the check"))
        named(self.list, tr("ReviewPage", "What was found"))
        self.show_person.setText(tr("ReviewPage", "&Show this person"))
        self._fill()

    def start(self) -> None:
        """Begin the check."""
        if self._progress is not None:
            return
        self._progress = progress = Progress(self)
        progress.stepped.connect(self._stepped)
        self.error.clear_error()
        self.start_button.setEnabled(False)
        self.cancel.setEnabled(True)
        self._bridge.call(
            lambda: self._bridge.session.face_settings.review(progress.step, progress.cancelled.is_set),
            done=self._done,
            failed=self._failed,
            owner=self,
        )

    def stop(self) -> None:
        """Cancel the check."""
        if self._progress is not None:
            self._progress.cancelled.set()

    def _stepped(self, part: float, _: object) -> None:
        self.bar.setValue(int(round(100 * part)))

    def _done(self, review: Review) -> None:
        self._end()
        self.bar.setValue(100)
        self.review = review
        self._fill()

    def _failed(self, line: str) -> None:
        self._end()
        self.bar.setValue(0)
        self.error.show_error(face_texts.fault(line))

    def _end(self) -> None:
        self._progress = None
        self.start_button.setEnabled(True)
        self.cancel.setEnabled(False)

    def _fill(self) -> None:
        review = self.review
        self.list.clear()
        if review is None:
            self.summary.clear()
            return
        findings: List[Finding] = list(review.findings)
        if findings:
            text = tr("ReviewPage", "People: {people}, pictures: {templates}. To look at: {count}.")
        else:
            text = tr("ReviewPage", "People: {people}, pictures: {templates}. Nothing is wrong.")
        self.summary.setText(text.format(people=review.people, templates=review.templates, count=len(findings)))
        for one in findings:
            item = QListWidgetItem(face_texts.finding(one))
            item.setData(Qt.UserRole, one.name)
            self.list.addItem(item)
        self._enable()

    def _enable(self) -> None:
        self.show_person.setEnabled(self.list.currentItem() is not None)

    def _choose(self, item: Any) -> None:
        if item is not None:
            self.chosen.emit(item.data(Qt.UserRole))
