"""The window, its dialogs and its session together."""

import contextlib
import os
from typing import Any, Collection, Iterator, Optional

from qtpy.QtCore import QObject

from deploy import opening
from deploy.app import main_window, texts
from deploy.app.bridge import SessionBridge
from deploy.app.face_detection import DetectionState
from deploy.app.face_dialog import FaceDialog
from deploy.app.main_window import MainWindow
from deploy.app.model_dialog import ModelDialog
from deploy.app.preferences import KeptThreshold, KeptTracks, load
from deploy.app.settings_memory import Recalled, SettingsMemory
from deploy.app.stream_dialog import StreamDialog
from deploy.app.stream_memory import StreamMemory
from deploy.session import Session
from deploy.settings import DeploySettings


class Application(QObject):
    """Opens the session in the background while the window is there already, and again when the user wants so.

    Args:
        qt: The QApplication.
        settings: Those of the command; what was chosen in the window takes the place of theirs.
        memory: What remembers streams; the user's own where None.
        folder: Where pictures and videos are saved; the user's own folders where None.
        given: What counts more than what was chosen in the window; see :func:`deploy.app.settings_memory.given_by`.

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
        given: Collection[str] = (),
    ) -> None:
        super(Application, self).__init__()
        self._qt = qt
        self.stream_dialog: Optional[StreamDialog] = None
        self.face_dialog: Optional[FaceDialog] = None
        self.model_dialog: Optional[ModelDialog] = None
        self.settings = settings
        self._memory = StreamMemory.of(settings) if memory is None else memory
        self._kept = SettingsMemory(self._memory, given)
        self._threshold: Optional[KeptThreshold] = None
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
        self.window.view_chosen.connect(self._view_chosen)
        self.window.closing.connect(self._kept.write_at_end)

    def start(self) -> None:
        """Show the window, and open the session."""
        self.window.show()
        if self._trouble:
            self.window.show_notice(self._trouble)
        # A keyring may ask.
        self.bridge.call(self._kept.recall, self.settings, done=self._recalled, failed=self.window.show_error)

    def open(self) -> None:
        """Open the session; the window shows what comes of it."""
        stream = self.settings.stream
        self.window.show_opening("" if stream is None else stream.uri)
        self.bridge.open(opened(self.settings, self._threshold))

    def _recalled(self, found: Recalled) -> None:
        self.settings, self._threshold = found.settings, found.threshold
        if found.trouble:
            self.window.show_notice(found.trouble)
        self.open()

    def _keep(self, **fields: Any) -> None:
        """Remember fields of the preferences."""
        self._kept.keep(**fields)
        self.bridge.call(self._kept.write, failed=self.window.show_error)

    def _use(self, **changes: Any) -> None:
        """Take what is in force into the settings, so that the next dialog begins with it, and the next change keeps it."""
        self.settings = self.settings._replace(**changes)
        if self.bridge.has_session:
            session = self.bridge.session
            session.settings = session.settings._replace(**changes)

    def _use_language(self, language: str) -> None:
        texts.use_language(self._qt, language)
        self._keep(language=language)

    def _view_chosen(self, size: Any) -> None:
        self._use(view=tuple(size))
        self._keep(view=tuple(size))

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
            self._keep(view=self.settings.view)
            self.open()

    def _show_faces(self) -> None:
        self.face_dialog = dialog = FaceDialog(self.bridge, self.window)
        dialog.threshold.applied.connect(self._threshold_set)
        dialog.detection.applied.connect(self._detection_set)
        dialog.open()

    def _threshold_set(self, _: float) -> None:
        # What is in force now, with the lower one, which the slider may have pushed down.
        session = self.bridge.session
        point = session.operating_point
        self._threshold = KeptThreshold(point.recognised, point.unknown, session.recognizer.fingerprint)
        self._keep(threshold=self._threshold)

    def _detection_set(self, now: DetectionState, before: DetectionState) -> None:
        # What was not changed stays the command's, or the model's, own.
        if now.tracks != before.tracks:
            self._use(pipeline=self.settings.pipeline._replace(tracks=now.tracks))
            self._keep(tracks=KeptTracks(now.tracks))
        if now.min_face != before.min_face:
            self._use(detector=dict(self.settings.detector, min_face=now.min_face))
            self._keep(min_face=now.min_face)

    def _show_model(self) -> None:
        self.model_dialog = dialog = ModelDialog(self.bridge, self.settings, self.window)
        dialog.used.connect(self._model_chosen)
        dialog.open()

    def _model_chosen(self, settings: DeploySettings) -> None:
        other_people = settings.gallery.file != self.settings.gallery.file
        self._use(bundle=settings.bundle, gallery=settings.gallery)
        fields = {"bundle": os.path.abspath(settings.bundle)}
        if other_people and settings.gallery.file:
            fields["gallery"] = os.path.abspath(settings.gallery.file)
        self._keep(**fields)
        if not self.bridge.has_session:
            self.open()
        elif self._threshold is None or self._threshold.model != self.bridge.session.recognizer.fingerprint:
            self._threshold = None
            self._keep(threshold=None)


@contextlib.contextmanager
def opened(settings: DeploySettings, threshold: Optional[KeptThreshold]) -> "Iterator[Session]":
    """Open a session as :func:`deploy.opening.open_session` does, with a threshold that was set for its model.

    Raises:
        KFaceError: Something cannot be used; it is named.
    """
    with opening.open_session(settings) as session:
        if threshold is not None and threshold.model == session.recognizer.fingerprint:
            session.set_threshold(threshold.recognised, threshold.unknown)
        yield session
