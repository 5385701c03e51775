"""Choosing a model: the bundles that are there, their cards, and what to do where one does not match the gallery."""

import os
from typing import Any, Dict, List, NamedTuple, Optional

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from deploy import bundle_choice
from deploy.app import face_texts
from deploy.app.bridge import SessionBridge
from deploy.app.face_add import Progress
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from deploy.bundle_choice import BundleEntry, Fit
from deploy.settings import DeploySettings
from kface.errors import ModelError

#: Ways on where a bundle does not match the gallery.
KEEP, REENROL, OTHER = "keep", "reenrol", "other"


class ModelState(NamedTuple):
    """What there is to choose, and the directory of the bundle in use."""

    entries: List[BundleEntry]
    used: str


class Described(NamedTuple):
    """A bundle that was looked at."""

    entry: BundleEntry
    card: str
    fit: Optional[Fit]


class ModelDialog(Translated, QDialog):
    """Shows the bundles, and lets the session go over to one.

    Args:
        bridge: To the session.
        settings: Of the session, with the bundle in use.
        parent: Qt's.

    Attributes:
        used: Signal: the session's settings with the bundle (and gallery) that it uses now.
        settings: As given; with the new bundle after a change.
    """

    used = Signal(object)

    def __init__(self, bridge: SessionBridge, settings: DeploySettings, parent: Optional[QWidget] = None) -> None:
        super(ModelDialog, self).__init__(parent)
        self._bridge = bridge
        self.settings = settings
        self._more: List[str] = [settings.bundle]
        self._entries: List[BundleEntry] = []
        self._described: Optional[Described] = None
        self._progress: Optional[Progress] = None
        self._gallery_file = ""
        self.resize(820, 620)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setSpacing(3)
        self.list.currentItemChanged.connect(lambda *_: self._describe())
        self.browse = QPushButton()
        self.browse.clicked.connect(self.choose_directory)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addWidget(self.browse)
        self.card = QTextBrowser()
        self.card.setOpenLinks(False)
        self.card.setTabChangesFocus(True)
        splitter = QSplitter()
        splitter.addWidget(left)
        splitter.addWidget(self.card)
        splitter.setChildrenCollapsible(False)
        splitter.setSizes([260, 560])
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.cancel = QPushButton()
        self.cancel.setVisible(False)
        self.cancel.clicked.connect(self._cancel)
        running = QHBoxLayout()
        running.addWidget(self.bar, 1)
        running.addWidget(self.cancel)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.error = ErrorLine()
        self.buttons = QDialogButtonBox(QDialogButtonBox.Close)
        self.use = self.buttons.addButton("", QDialogButtonBox.ActionRole)
        self.use.clicked.connect(self.use_chosen)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(splitter, 1)
        layout.addWidget(self._make_choices())
        layout.addLayout(running)
        layout.addWidget(self.said)
        layout.addWidget(self.error)
        layout.addWidget(self.buttons)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        self.retranslate()
        self._enable()

    def _make_choices(self) -> QWidget:
        self.choices = QGroupBox()
        self.explained = QLabel()
        self.explained.setWordWrap(True)
        self._group = QButtonGroup(self)
        self.ways: Dict[str, QRadioButton] = {way: QRadioButton() for way in (KEEP, REENROL, OTHER)}
        column = QVBoxLayout(self.choices)
        column.addWidget(self.explained)
        self._abouts: Dict[str, QLabel] = {}
        for way, button in self.ways.items():
            self._group.addButton(button)
            about = self._abouts[way] = QLabel()
            about.setWordWrap(True)
            about.setIndent(24)
            column.addWidget(button)
            column.addWidget(about)
            button.toggled.connect(self._enable)
        self.ways[KEEP].setChecked(True)
        self.choices.hide()
        return self.choices

    def retranslate(self) -> None:
        """Set every text again."""
        self.setWindowTitle(tr("ModelDialog", "Model"))
        named(self.list, tr("ModelDialog", "Models, the newest first"))
        self.browse.setText(tr("ModelDialog", "&Other folder..."))
        named(self.card, tr("ModelDialog", "Card of the model"))
        self.choices.setTitle(tr("ModelDialog", "This model does not know the people enrolled"))
        self.ways[KEEP].setText(tr("ModelDialog", "&Keep the model in use"))
        self.ways[REENROL].setText(tr("ModelDialog", "&Compute the people again from their kept pictures"))
        self.ways[OTHER].setText(tr("ModelDialog", "Use &another database of people"))
        self.cancel.setText(tr("ModelDialog", "Ca&ncel"))
        named(self.bar, tr("ModelDialog", "Pictures that are computed again"))
        self.use.setText(tr("ModelDialog", "&Use this model"))
        self.buttons.button(QDialogButtonBox.Close).setText(tr("ModelDialog", "Close"))
        self._fill_list()
        self._explain()

    def showEvent(self, event: Any) -> None:
        """Qt's."""
        super(ModelDialog, self).showEvent(event)
        self.load()

    # ---- what there is

    def load(self) -> None:
        """Look for bundles."""
        more = tuple(self._more)
        self._bridge.call(lambda: bundle_choice.list_bundles(more), done=self._loaded, failed=self._failed, owner=self)

    def choose_directory(self) -> None:
        """Let the user choose a bundle's directory."""
        found = QFileDialog.getExistingDirectory(self, tr("ModelDialog", "Choose the folder of a model"), "")
        if found:
            self.add_directory(str(found))

    def add_directory(self, directory: str) -> None:
        """Add a bundle's directory to the list, and choose it."""
        self._more.append(directory)
        more = tuple(self._more)
        self._bridge.call(
            lambda: bundle_choice.list_bundles(more),
            done=lambda entries: self._loaded(entries, directory),
            failed=self._failed,
            owner=self,
        )

    @property
    def chosen(self) -> Optional[BundleEntry]:
        """The bundle that is chosen."""
        item = self.list.currentItem()
        directory = None if item is None else item.data(Qt.UserRole)
        return next((one for one in self._entries if one.directory == directory), None)

    def _loaded(self, entries: List[BundleEntry], choose: Optional[str] = None) -> None:
        before = choose or (self.settings.bundle if self.chosen is None else self.chosen.directory)
        self._entries = entries
        self._fill_list(before)
        self._describe()

    def _fill_list(self, choose: Optional[str] = None) -> None:
        wanted = choose or ("" if self.chosen is None else self.chosen.directory)
        self.list.blockSignals(True)
        self.list.clear()
        for entry in self._entries:
            lines = [entry.name]
            if entry.error:
                lines.append(tr("ModelDialog", "cannot be used"))
            else:
                lines.append(entry.created[:10])
            if _same(entry.directory, self.settings.bundle):
                lines[-1] += " - " + tr("ModelDialog", "in use")
            if entry.synthetic:
                lines.append(tr("ModelDialog", "knows drawn faces only"))
            item = QListWidgetItem("\n".join(lines))
            item.setData(Qt.UserRole, entry.directory)
            item.setToolTip(entry.directory)
            self.list.addItem(item)
            if _same(entry.directory, wanted):
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)

    def _describe(self) -> None:
        entry = self.chosen
        self._described = None
        self.error.clear_error()
        self.card.clear()
        self._explain()
        if entry is None:
            return
        if entry.error:
            self.error.show_error(face_texts.fault(entry.error))
            return

        def work() -> Described:
            fit = bundle_choice.fit(self._bridge.session, entry.fingerprint)
            try:
                card = bundle_choice.read_card(entry.directory)
            except ModelError as error:
                card = str(error)
            return Described(entry, card, fit)

        self._bridge.call(work, done=self._show, failed=self._failed, owner=self)

    def _show(self, described: Described) -> None:
        if self.chosen is None or self.chosen.directory != described.entry.directory:
            return
        self._described = described
        # PyQt5 knows Markdown from Qt 5.14 on.
        show = getattr(self.card, "setMarkdown", None) or self.card.setPlainText
        show(described.card)
        self._explain()

    def _explain(self) -> None:
        described = self._described
        fit = None if described is None else described.fit
        self.choices.setVisible(fit is not None and not fit.fits)
        if fit is not None and not fit.fits:
            self.explained.setText(
                tr(
                    "ModelDialog",
                    "People enrolled with another model: {people}. The two models cannot be compared. You can:",
                ).format(people=fit.people)
            )
            self._abouts[KEEP].setText(tr("ModelDialog", "Nothing changes."))
            without = fit.templates - fit.crops
            if not fit.crops:
                text = tr("ModelDialog", "Not possible: no picture was kept when these people were enrolled.")
            elif without:
                text = tr(
                    "ModelDialog",
                    "Pictures kept: {crops} of {templates}. The others ({without}) are deleted for good. People who then have"
                    " no picture left, and have to be enrolled again: {lost}.",
                )
            else:
                text = tr("ModelDialog", "All {templates} pictures were kept: everyone stays enrolled.")
            self._abouts[REENROL].setText(
                text.format(crops=fit.crops, templates=fit.templates, without=without, lost=len(fit.lost))
            )
            self._abouts[OTHER].setText(
                tr(
                    "ModelDialog",
                    "Choose or make another file. The people of this one stay in it, for their own model.",
                )
            )
            self.ways[REENROL].setEnabled(fit.crops > 0)
            if not fit.crops and self.ways[REENROL].isChecked():
                self.ways[KEEP].setChecked(True)
        self._enable()

    def _enable(self, *_: object) -> None:
        described, running = self._described, self._progress is not None
        for widget in (self.list, self.browse, self.choices):
            widget.setEnabled(not running)
        ready = described is not None and described.fit is not None and not running
        if ready and described is not None and described.fit is not None and not described.fit.fits:
            ready = not self.ways[KEEP].isChecked()
        elif ready and described is not None:
            ready = not _same(described.entry.directory, self.settings.bundle)
        self.use.setEnabled(ready)

    # ---- the change

    def use_chosen(self) -> None:
        """Go over to the bundle that is chosen, in the way that is chosen."""
        described = self._described
        if described is None or described.fit is None:
            return
        settings = self.settings._replace(bundle=described.entry.directory)
        if described.fit.fits:
            self._run(lambda: bundle_choice.use_bundle(self._bridge.session, settings), settings)
        elif self.ways[REENROL].isChecked():
            self._reenrol(settings, described.fit)
        elif self.ways[OTHER].isChecked():
            self.choose_gallery(settings)

    def choose_gallery(self, settings: DeploySettings) -> None:
        """Let the user choose another gallery, or the name of a new one."""
        filters = "{} (*.db);;{} (*)".format(tr("ModelDialog", "Databases of people"), tr("ModelDialog", "All files"))
        options = QFileDialog.DontConfirmOverwrite
        title = tr("ModelDialog", "Choose a database of people, or enter the name of a new one")
        found = QFileDialog.getSaveFileName(self, title, "", filters, options=options)
        path = str(found[0] if isinstance(found, tuple) else found)
        if path:
            self.use_gallery(settings, path)

    def use_gallery(self, settings: DeploySettings, path: str) -> None:
        """Go over to a bundle with another gallery."""
        with_gallery = settings._replace(gallery=settings.gallery._replace(file=path))
        self._run(lambda: bundle_choice.use_bundle(self._bridge.session, settings, path), with_gallery)

    def _reenrol(self, settings: DeploySettings, fit: Fit) -> None:
        progress = Progress(self)
        progress.stepped.connect(lambda count, _: self.bar.setValue(int(count)))
        self.bar.setRange(0, fit.crops)
        discard = fit.crops < fit.templates
        self._run(
            lambda: bundle_choice.reenrol_bundle(
                self._bridge.session, settings, discard, progress.step, progress.cancelled.is_set
            ),
            settings,
            progress,
        )

    def _run(self, work: Any, settings: DeploySettings, progress: Optional[Progress] = None) -> None:
        self._progress = progress or Progress(self)
        if progress is None:
            # Networks open in one step.
            self.bar.setRange(0, 0)
        self.bar.setVisible(True)
        self.cancel.setVisible(progress is not None)
        self.error.clear_error()
        self.said.clear()
        self._enable()

        def done(_: object) -> None:
            self._end()
            self.settings = settings
            self.said.setText(tr("ModelDialog", "The new model is in use."))
            self.used.emit(settings)
            self.load()

        def failed(line: str) -> None:
            self._end()
            self._failed(line)

        self._bridge.call(work, done=done, failed=failed, owner=self)

    def _end(self) -> None:
        self._progress = None
        self.bar.setVisible(False)
        self.cancel.setVisible(False)
        self._enable()

    def _cancel(self) -> None:
        if self._progress is not None:
            self._progress.cancelled.set()

    def done(self, result: int) -> None:
        """Qt's: close; a re-enrolment that runs is cancelled."""
        self._cancel()
        super(ModelDialog, self).done(result)

    def _failed(self, line: str) -> None:
        self.error.show_error(face_texts.fault(line))


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
