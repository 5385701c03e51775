"""The dialog with the stream settings, Table 6 of the paper: tried out before they count, and in force without a restart."""

from typing import TYPE_CHECKING, Any, List, NamedTuple, Optional

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from deploy import opening
from deploy.app import preferences, stream_texts
from deploy.app.bridge import Call, SessionBridge
from deploy.app.connection_panel import ConnectionPanel
from deploy.app.stream_choice import Problem, StreamChoice
from deploy.app.stream_form import StreamForm
from deploy.app.stream_memory import StreamMemory
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from deploy.settings import DeploySettings
from kface.errors import KFaceError

if TYPE_CHECKING:
    from deploy.session import Session


class Beginning(NamedTuple):
    """What the dialog begins with: the fields, where a password is kept, and what cannot be read, if anything."""

    choice: StreamChoice
    place: str
    folder: str
    trouble: str


class Applied(NamedTuple):
    """What became of the fields: the session's settings, the fields that are wrong, and why they are not remembered."""

    settings: DeploySettings
    problems: List[Problem]
    trouble: str


class StreamDialog(Translated, QDialog):  # type: ignore[misc]
    """Shows and changes what a session watches. OK applies it to the session that runs, and remembers it.

    Args:
        bridge: To the session; where it has none yet, the choice is remembered, and is in :attr:`settings`.
        settings: Where there is no session: those that it will be opened with.
        memory: What remembers; the user's own where None.
        parent: Qt's.

    Attributes:
        settings: The session's, with what was chosen once OK has worked.

    Example:
        >>> StreamDialog(bridge, parent=window).open()  # doctest: +SKIP
    """

    def __init__(
        self,
        bridge: SessionBridge,
        settings: Optional[DeploySettings] = None,
        memory: Optional[StreamMemory] = None,
        parent: Optional[QWidget] = None,
    ) -> None:
        super(StreamDialog, self).__init__(parent)
        self._bridge = bridge
        self.settings: DeploySettings = bridge.session.settings if settings is None else settings
        self._memory = StreamMemory.of(self.settings) if memory is None else memory
        self._applying: Optional[Call] = None
        self.form = StreamForm()
        self.tester = ConnectionPanel(bridge)
        self.tester.button.clicked.connect(lambda *_: self.test())
        self.error = ErrorLine()
        # No standard buttons: Qt would put texts of its own over ours when the language changes.
        self.buttons = QDialogButtonBox()
        self.ok, self.cancel = QPushButton(), QPushButton()
        self.ok.setDefault(True)
        self.buttons.addButton(self.ok, QDialogButtonBox.AcceptRole)
        self.buttons.addButton(self.cancel, QDialogButtonBox.RejectRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._lay_out()
        self._shown = StreamChoice.of(self.settings)
        self.form.show_choice(self._shown)
        self.form.changed.connect(self._form_changed)
        self.setAcceptDrops(True)
        self.retranslate()
        self._use_kind()
        bridge.call(self._begin, self._memory, self.settings, done=self._begun, failed=self._failed, owner=self)

    def _lay_out(self) -> None:
        fields = self._fields = QScrollArea()
        fields.setWidgetResizable(True)
        fields.setFrameShape(QFrame.NoFrame)
        fields.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        fields.setFocusPolicy(Qt.NoFocus)
        fields.setWidget(self.form)
        fields.setMinimumWidth(440)
        both = QHBoxLayout()
        both.addWidget(fields, 3)
        both.addWidget(self.tester, 2)
        layout = QVBoxLayout(self)
        layout.addLayout(both, 1)
        layout.addWidget(self.error)
        layout.addWidget(self.buttons)
        self.resize(860, 560)

    # ---- the user's commands

    def accept(self) -> None:
        """Qt's, for OK: apply the fields, and close once that has worked."""
        if self._applying is not None:
            return
        choice = self._checked()
        if choice is None:
            return
        self.tester.cancel()
        self.error.clear_error()
        session = self._bridge.session if self._bridge.has_session else None
        self._enable(False)
        self._applying = self._bridge.call(
            self._apply, session, self.settings, choice, self._memory, self.form.folder,
            done=self._applied, failed=self._refused, owner=self,
        )  # fmt: skip

    def reject(self) -> None:
        """Qt's, for Cancel and Esc."""
        self.tester.cancel()
        if self._applying is not None:
            self._applying.forget()
        super(StreamDialog, self).reject()

    def test(self) -> None:
        """Begin the connection test, or cancel it."""
        if self.tester.running:
            self.tester.cancel()
            return
        choice = self._checked()
        if choice is not None:
            square = self.settings.stream is None or self.settings.stream.square_pixels
            self.tester.begin(choice, square)

    def dragEnterEvent(self, event: Any) -> None:
        """Qt's: a video file may be dropped here."""
        if self._dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Qt's."""
        path = self._dropped(event)
        if path:
            self.form.use_file(path)
            event.acceptProposedAction()

    @staticmethod
    def _dropped(event: Any) -> str:
        urls = event.mimeData().urls()
        return str(urls[0].toLocalFile()) if len(urls) == 1 else ""

    # ---- in a thread of the bridge

    @staticmethod
    def _begin(memory: StreamMemory, settings: DeploySettings) -> Beginning:
        choice, trouble = memory.choice(settings), ""
        folder = preferences.load(memory.file)[0].folder
        if choice.address and not choice.password:
            try:
                choice = memory.complete(choice)
            except KFaceError as error:
                trouble = str(error)
        return Beginning(choice, memory.place(), folder, trouble)

    @staticmethod
    def _apply(
        session: Optional["Session"], before: DeploySettings, choice: StreamChoice, memory: StreamMemory, folder: str
    ) -> Applied:
        problems = choice.problems()
        if problems:
            return Applied(before, problems, "")
        # The session's of now: other things may have been changed since the dialog was opened.
        settings = choice.settings(before if session is None else session.settings)
        if session is not None:
            opening.change_settings(session, settings)
        try:
            memory.remember(choice, folder)
        except KFaceError as error:
            return Applied(settings, [], str(error))
        return Applied(settings, [], "")

    # ---- in Qt's thread

    def _begun(self, beginning: Beginning) -> None:
        self.form.folder = beginning.folder
        self.form.show_place(beginning.place)
        # What the user has typed meanwhile stays.
        if self.form.choice() == self._shown:
            self.form.show_choice(beginning.choice)
        if beginning.trouble:
            self.error.show_error(beginning.trouble)

    def _checked(self) -> Optional[StreamChoice]:
        """Return the choice; None where a field is wrong, which is shown then."""
        self.form.take_url()
        choice = self.form.choice()
        problems = choice.problems(present=False)
        self._show_problems(problems)
        return None if problems else choice

    def _show_problems(self, problems: List[Problem]) -> None:
        self.form.show_problems(problems, focus=True)
        if problems:
            self._fields.ensureWidgetVisible(self.form.editors[problems[0].field])

    def _applied(self, applied: Applied) -> None:
        self._applying = None
        self._enable(True)
        self.settings = applied.settings
        if applied.problems:
            self._show_problems(applied.problems)
        elif applied.trouble:
            text = tr("StreamDialog", "The stream was changed, but it cannot be remembered: {}")
            self.error.show_error(text.format(applied.trouble))
        else:
            super(StreamDialog, self).accept()

    def _refused(self, line: str) -> None:
        self._applying = None
        self._enable(True)
        self._failed(line)

    def _failed(self, line: str) -> None:
        self.error.show_error(stream_texts.reason(line))

    def _enable(self, on: bool) -> None:
        self.form.setEnabled(on)
        self.ok.setEnabled(on)
        self._use_kind()

    def _form_changed(self) -> None:
        self.tester.forget(self.form.choice())
        self._use_kind()

    def _use_kind(self) -> None:
        # The clip is on this machine: there is nothing to try.
        self.tester.button.setEnabled(self._applying is None and self.form.kind != "sample")

    def retranslate(self) -> None:
        """Set every text, tool tip and accessible name again."""
        self.setWindowTitle(tr("StreamDialog", "Stream settings"))
        self.ok.setText(tr("StreamDialog", "OK"))
        self.cancel.setText(tr("StreamDialog", "Cancel"))
        named(self.ok, tr("StreamDialog", "OK"), tr("StreamDialog", "Watch this stream now, and after the next start"))
        named(self.cancel, tr("StreamDialog", "Cancel"))
