"""The window, its dialogs and its session together."""

from typing import Any, Optional

from qtpy.QtCore import QObject

from deploy import opening
from deploy.app import main_window, texts
from deploy.app.bridge import SessionBridge
from deploy.app.face_dialog import FaceDialog
from deploy.app.main_window import MainWindow
from deploy.app.model_dialog import ModelDialog
from deploy.app.preferences import change, load
from deploy.app.stream_dialog import StreamDialog
from deploy.app.stream_memory import StreamMemory
from deploy.settings import DeploySettings


class Application(QObject):
    """Opens the session in the background while the window is there already, and again when the user wants so.

    Args:
        qt: The QApplication.
        settings: Those of the command; the stream that was chosen in the window last takes the place of theirs.
        memory: What remembers streams; the user's own where None.
        folder: Where pictures and videos are saved; the user's own folders where None.

    Attributes:
        bridge: To the session.
        window: The main window.
        settings: In force, or for the next try.
        stream_dialog: The last that was opened; None before.
        face_dialog: Likewise.
        model_dialog: Likewise.
    """

    def __init__(
        self,
        qt: Any,
        settings: DeploySettings,
        memory: Optional[StreamMemory] = None,
        folder: Optional[str] = None,
    ) -> None:
        super(Application, self).__init__()
        self._qt = qt
        self.stream_dialog: Optional[StreamDialog] = None
        self.face_dialog: Optional[FaceDialog] = None
        self.model_dialog: Optional[ModelDialog] = None
        self.settings = settings
        self._memory = StreamMemory.of(settings) if memory is None else memory
        self.bridge = SessionBridge(parent=self)
        self._preferences, self._trouble = load(self._memory.file)
        texts.use_language(qt, self._preferences.language)
        self.window = MainWindow(self.bridge, folder)
        self.window.language_actions[self._preferences.language].setChecked(True)
        self.window.set_dialog(main_window.STREAM_SETTINGS, self._show_stream)
        self.window.set_dialog(main_window.FACE_SETTINGS, self._show_faces)
        self.window.set_dialog(main_window.MODEL, self._show_model)
        self.window.retried.connect(self.open)
        self.window.language_chosen.connect(self._use_language)

    def start(self) -> None:
        """Show the window, and open the session."""
        self.window.show()
        if self._trouble:
            self.window.show_error(self._trouble)
        # A keyring may ask.
        self.bridge.call(self._memory.recall, self.settings, done=self._recalled, failed=self.window.show_error)

    def open(self) -> None:
        """Open the session; the window shows what comes of it."""
        stream = self.settings.stream
        self.window.show_opening("" if stream is None else stream.uri)
        self.bridge.open(opening.open_session(self.settings))

    def _recalled(self, found: Any) -> None:
        self.settings, trouble = found
        if trouble:
            self.window.show_error(trouble)
        self.open()

    def _use_language(self, language: str) -> None:
        texts.use_language(self._qt, language)
        self.bridge.call(change, self._memory.file, language=language, failed=self.window.show_error)

    def _show_stream(self) -> None:
        settings = self.bridge.session.settings if self.bridge.has_session else self.settings
        self.stream_dialog = dialog = StreamDialog(self.bridge, settings, self._memory, self.window)
        dialog.accepted.connect(lambda: self._stream_chosen(dialog))
        dialog.open()

    def _stream_chosen(self, dialog: StreamDialog) -> None:
        self.settings = dialog.settings
        if self.bridge.has_session:
            self.window.stream_changed(self.settings.view)
        else:
            self.open()

    def _show_faces(self) -> None:
        self.face_dialog = FaceDialog(self.bridge, self.window)
        self.face_dialog.open()

    def _show_model(self) -> None:
        self.model_dialog = dialog = ModelDialog(self.bridge, self.settings, self.window)
        dialog.used.connect(self._model_chosen)
        dialog.open()

    def _model_chosen(self, settings: DeploySettings) -> None:
        self.settings = settings
        if not self.bridge.has_session:
            self.open()
