"""The main window: live view, Registration View, the people who were there last, and what can be changed."""

import datetime
import os
from typing import Any, Callable, Dict, List, Optional, Tuple

from qtpy.QtCore import QStandardPaths, Qt, Signal
from qtpy.QtWidgets import (
    QActionGroup,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from deploy.app import texts
from deploy.app.bridge import SessionBridge
from deploy.app.live_view import LiveView
from deploy.app.reasons import reason
from deploy.app.registration_panel import RegistrationPanel
from deploy.app.status_line import StatusLine
from deploy.app.strip import PeopleStrip
from deploy.app.texts import tr
from deploy.app.widgets import ErrorLine, Translated, named
from deploy.events import ENROLLED, GALLERY, STREAM, Event
from deploy.publishing import OUTPUT
from deploy.registration import FaceCandidate
from deploy.session import Session
from deploy.status import Status
from deploy.view import LivePicture, ViewFace
from kface.errors import KFaceError

#: Table 6 of the paper.
VIEW_SIZES = ((320, 240), (640, 360), (704, 480), (960, 540), (1280, 720), (1600, 900))
#: Milliseconds that a message stays in the status bar.
MESSAGE_MS = 6000
#: What a user may open from the menus, see :meth:`MainWindow.set_dialog`.
STREAM_SETTINGS, FACE_SETTINGS, MODEL = "stream", "faces", "model"


class MainWindow(Translated, QMainWindow):
    """Shows a session and commands it; decides nothing itself.

    Args:
        bridge: To the session.
        folder: Where pictures and videos are saved; the user's own folders where None.
        parent: Qt's.

    Attributes:
        view: The live view.
        registration: The Registration View.
        strip: The people who were there last.
        error: What went wrong, if anything.
        retried: Signal: the session is to be opened again.
        language_chosen: Signal: a key of :data:`deploy.app.texts.LANGUAGES`, or "system".
        view_chosen: Signal: a view's width and height were chosen.
        closing: Signal: the window is being closed, and the session ends.
    """

    retried = Signal()
    language_chosen = Signal(str)
    view_chosen = Signal(object)
    closing = Signal()

    def __init__(self, bridge: SessionBridge, folder: Optional[str] = None, parent: Optional[QWidget] = None) -> None:
        super(MainWindow, self).__init__(parent)
        self._bridge = bridge
        self._folder = folder
        self._dialogs: Dict[str, Callable[[], object]] = {}
        self._asked = False
        self._notice = ""
        self.view = LiveView()
        self.registration = RegistrationPanel()
        self.strip = PeopleStrip()
        self.error = ErrorLine()
        self.again, self.other_stream, self.other_model = QPushButton(), QPushButton(), QPushButton()
        self.status_line = StatusLine()
        self.statusBar().addPermanentWidget(self.status_line, 1)
        self._lay_out()
        self._make_menus()
        self._connect()
        self.retranslate()
        self._opened()

    def set_dialog(self, which: str, show: Callable[[], object]) -> None:
        """Say what opens a dialog: :data:`STREAM_SETTINGS`, :data:`FACE_SETTINGS` or :data:`MODEL`."""
        self._dialogs[which] = show
        self._allow()

    # ---- what it is made of

    def _lay_out(self) -> None:
        ways = QHBoxLayout()
        ways.addWidget(self.error, 1)
        for button in (self.again, self.other_stream, self.other_model):
            button.hide()
            ways.addWidget(button)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(ways)
        column.addWidget(self.view, 1)
        column.addWidget(self.strip)
        self._parts = QSplitter(Qt.Horizontal)
        self._parts.addWidget(left)
        self._parts.addWidget(self.registration)
        self._parts.setStretchFactor(0, 1)
        self._parts.setStretchFactor(1, 0)
        self._parts.setChildrenCollapsible(False)
        self.setCentralWidget(self._parts)

    def _make_menus(self) -> None:
        bar = self.menuBar()
        self._settings_menu, self._view_menu, self._record_menu, self._language_menu = (
            bar.addMenu(""), bar.addMenu(""), bar.addMenu(""), bar.addMenu(""),
        )  # fmt: skip
        self.stream_action = self._action(self._settings_menu, "Ctrl+T", lambda: self._show(STREAM_SETTINGS))
        self.faces_action = self._action(self._settings_menu, "Ctrl+F", lambda: self._show(FACE_SETTINGS))
        self.model_action = self._action(self._settings_menu, "Ctrl+M", lambda: self._show(MODEL))
        self._settings_menu.addSeparator()
        self.quit_action = self._action(self._settings_menu, "Ctrl+Q", self.close)
        self.size_actions: List[Any] = []
        sizes = QActionGroup(self)
        for size in VIEW_SIZES:
            action = self._action(self._view_menu, "", lambda _=False, size=size: self.choose_view(size))
            action.setText("{} × {}".format(*size))
            action.setCheckable(True)
            sizes.addAction(action)
            self.size_actions.append(action)
        self._view_menu.addSeparator()
        self.full_action = self._action(self._view_menu, "F11", self.toggle_full_screen)
        self.full_action.setCheckable(True)
        self.picture_action = self._action(self._record_menu, "Ctrl+P", self.save_picture)
        self.record_action = self._action(self._record_menu, "Ctrl+R", self.toggle_recording)
        self.record_action.setCheckable(True)
        self.language_actions: Dict[str, Any] = {}
        languages = QActionGroup(self)
        for language in [texts.SYSTEM] + sorted(texts.LANGUAGES):
            action = self._action(self._language_menu, "", lambda _=False, one=language: self._choose_language(one))
            action.setCheckable(True)
            languages.addAction(action)
            self.language_actions[language] = action
        self.language_actions[texts.SYSTEM].setChecked(True)

    def _action(self, menu: QMenu, keys: str, run: Callable[..., object]) -> Any:
        action = menu.addAction("")
        if keys:
            action.setShortcut(keys)
        action.triggered.connect(run)
        return action

    def _connect(self) -> None:
        bridge = self._bridge
        bridge.picture.connect(self._show_picture)
        bridge.status.connect(self._show_status)
        bridge.happened.connect(self._show_event)
        bridge.opened.connect(self._opened)
        bridge.failed.connect(self._failed)
        bridge.trouble.connect(self.show_error)
        bridge.ended.connect(self._ended)
        self.view.picked.connect(self._pick)
        self.strip.chosen.connect(self._pick_sighting)
        self.registration.submitted.connect(self._register)
        self.again.clicked.connect(self._retry)
        self.other_stream.clicked.connect(lambda: self._show(STREAM_SETTINGS))
        self.other_model.clicked.connect(lambda: self._show(MODEL))

    def retranslate(self) -> None:
        """Set every text again."""
        self.setWindowTitle("kface")
        for menu, title in (
            (self._settings_menu, tr("MainWindow", "&Settings")),
            (self._view_menu, tr("MainWindow", "&View")),
            (self._record_menu, tr("MainWindow", "&Pictures")),
            (self._language_menu, tr("MainWindow", "&Language")),
        ):
            menu.setTitle(title)
        for action, title in (
            (self.stream_action, tr("MainWindow", "&Stream settings…")),
            (self.faces_action, tr("MainWindow", "&Face settings…")),
            (self.model_action, tr("MainWindow", "&Model…")),
            (self.quit_action, tr("MainWindow", "&Quit")),
            (self.full_action, tr("MainWindow", "&Full screen")),
            (self.picture_action, tr("MainWindow", "&Save a picture")),
            (self.record_action, tr("MainWindow", "&Record a video")),
            (self.language_actions[texts.SYSTEM], tr("MainWindow", "As the &system")),
        ):
            action.setText(title)
        for language, name in texts.LANGUAGES.items():
            self.language_actions[language].setText(name)
        for button, title in (
            (self.again, tr("MainWindow", "Try again")),
            (self.other_stream, tr("MainWindow", "Stream settings…")),
            (self.other_model, tr("MainWindow", "Model…")),
        ):
            button.setText(title)
            named(button, title)

    def _allow(self) -> None:
        there = self._bridge.has_session
        self.stream_action.setEnabled(STREAM_SETTINGS in self._dialogs)
        self.faces_action.setEnabled(FACE_SETTINGS in self._dialogs and there)
        self.model_action.setEnabled(MODEL in self._dialogs)
        for action in [self.picture_action, self.record_action] + self.size_actions:
            action.setEnabled(there)
        if there:
            self._check_view(self._bridge.session.view)

    # ---- what the session says

    def show_opening(self, source: str) -> None:
        """Say that the session is being opened."""
        self.view.show_lines(tr("MainWindow", "Opening the model and the stream…"), source)

    def show_error(self, line: str) -> None:
        """Show one line about what went wrong; the next thing that goes well takes it away."""
        self.error.show_error(reason(line))

    def show_notice(self, line: str) -> None:
        """Show one line that stays, whatever goes well by itself, until the user does something."""
        self._notice = line
        self.show_error(line)

    def _opened(self) -> None:
        self._clear(notice=False)
        self._allow()
        self._ask_people()

    def _failed(self, line: str) -> None:
        self.view.show_lines(tr("MainWindow", "There is no live picture."))
        self._trouble(line, self.again, self.other_stream, self.other_model)

    def _ended(self, line: str) -> None:
        if line:
            self._trouble(line, self.other_stream)
        else:
            self._trouble(tr("MainWindow", "The video has ended; choose another stream."), self.other_stream)

    def _trouble(self, line: str, *ways: QPushButton) -> None:
        self.show_error(line)
        for button in (self.again, self.other_stream, self.other_model):
            button.setVisible(button in ways)

    def _clear(self, notice: bool = True) -> None:
        if notice:
            self._notice = ""
        if self._notice:
            self.show_error(self._notice)
        else:
            self.error.clear_error()
        for button in (self.again, self.other_stream, self.other_model):
            button.hide()

    def _retry(self) -> None:
        self._clear()
        self.retried.emit()

    def _show_picture(self, picture: LivePicture) -> None:
        self.view.show_picture(picture)

    def _show_status(self, status: Status) -> None:
        self.status_line.show_status(status)
        lines = self.status_line.no_picture(status)
        self.view.show_lines(*lines)
        if self._bridge.has_session:
            file = self._bridge.session.recording
            self.record_action.setChecked(file is not None)
            self.status_line.show_recording(file)
            if not self._asked:
                self._asked = True
                self._bridge.call(self._bridge.session.sightings, done=self._show_sightings, failed=self._asked_in_vain)

    def _show_sightings(self, sightings: Any) -> None:
        self._asked = False
        self.strip.show_sightings(sightings)

    def _asked_in_vain(self, line: str) -> None:
        self._asked = False
        self.show_error(line)

    def _show_event(self, event: Event) -> None:
        if event.kind in (ENROLLED, GALLERY):
            self._ask_people()
        if event.kind == OUTPUT or (event.kind == GALLERY and event.name is None):
            self.show_error(event.reason)
        elif event.kind == STREAM and event.reason.startswith("lost"):
            self._trouble(event.reason, self.other_stream)
        elif event.kind == STREAM and (event.reason == "live" or event.reason.startswith("changed to")):
            self._clear(notice=False)

    def _ask_people(self) -> None:
        if self._bridge.has_session:
            self._bridge.call(
                self._bridge.session.people,
                done=lambda people: self.registration.set_known([person.name for person in people]),
                failed=self.show_error,
            )

    # ---- what the user does

    def _pick(self, face: Optional[ViewFace], x: float, y: float, size: Tuple[int, int]) -> None:
        if self._bridge.has_session:
            self._bridge.call(
                pick, self._bridge.session, face, x, y, size, done=self._show_candidate, failed=self.show_error
            )

    def _pick_sighting(self, id: str) -> None:
        self._bridge.call(self._bridge.session.pick_sighting, id, done=self._show_candidate, failed=self.show_error)

    def _show_candidate(self, candidate: FaceCandidate) -> None:
        self._clear()
        self.registration.show_candidate(candidate)

    def _register(self, candidate: str, name: str, anyway: bool) -> None:
        self._bridge.call(
            self._bridge.session.enrol,
            candidate,
            name,
            anyway,
            done=self._registered,
            failed=lambda line: self.registration.show_error(reason(line)),
        )

    def _registered(self, made: Any) -> None:
        self.registration.drop()
        self.view.setFocus()
        if made.warning:
            self.show_error("{}: {}".format(made.name, reason(made.warning)))
        self.statusBar().showMessage(tr("MainWindow", "{} is registered.").format(made.name), MESSAGE_MS)

    def choose_view(self, size: Tuple[int, int]) -> None:
        """Show pictures in another size of Table 6; the window follows."""
        self._bridge.call(
            self._bridge.session.change_view, size, done=lambda _: self._view_changed(size), failed=self.show_error
        )

    def _view_changed(self, size: Tuple[int, int]) -> None:
        self._check_view(size)
        if not (self.isFullScreen() or self.isMaximized()):
            before = self.view.size()
            self.resize(self.width() + size[0] - before.width(), self.height() + size[1] - before.height())
        self.view_chosen.emit(size)

    def stream_changed(self, size: Tuple[int, int]) -> None:
        """Another stream was chosen, with a view's size; the session watches it already."""
        self._clear()
        self.registration.drop()
        self.choose_view(size)

    def _check_view(self, size: Tuple[int, int]) -> None:
        self.view.set_view(size)
        for one, action in zip(VIEW_SIZES, self.size_actions):
            action.setChecked(tuple(size) == one)

    def toggle_full_screen(self) -> None:
        """Fill the screen with the live view, or stop that."""
        full = not self.isFullScreen()
        for widget in (self.strip, self.registration, self.menuBar(), self.statusBar()):
            widget.setVisible(not full)
        # The shortcut is the menu bar's, which is hidden.
        self.addAction(self.full_action)
        self.full_action.setChecked(full)
        if full:
            self.showFullScreen()
        else:
            self.showNormal()

    def save_picture(self) -> None:
        """Save the newest frame."""
        path = self._file(QStandardPaths.PicturesLocation, ".jpg")
        self._bridge.call(
            saved, self._bridge.session.save_picture, path, done=self._saved_picture, failed=self.show_error
        )

    def _saved_picture(self, path: str) -> None:
        self.statusBar().showMessage(tr("MainWindow", "Saved: {}").format(path), MESSAGE_MS)

    def toggle_recording(self) -> None:
        """Begin a video, or finish it."""
        session = self._bridge.session
        if session.recording is None:
            path = self._file(QStandardPaths.MoviesLocation, ".mp4")
            self._bridge.call(saved, session.start_recording, path, failed=self.show_error)
        else:
            self._bridge.call(session.stop_recording, done=self._finished, failed=self.show_error)

    def _finished(self, path: Optional[str]) -> None:
        if path is not None:
            self._saved_picture(path)

    def _file(self, place: Any, ending: str) -> str:
        folder = self._folder or os.path.join(
            QStandardPaths.writableLocation(place) or os.path.expanduser("~"), "kface"
        )
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S.%f")[:-3]
        return os.path.join(folder, "kface-{}{}".format(stamp, ending))

    def _choose_language(self, language: str) -> None:
        self.language_actions[language].setChecked(True)
        self.language_chosen.emit(language)

    def _show(self, which: str) -> None:
        if which in self._dialogs:
            try:
                self._dialogs[which]()
            except KFaceError as error:
                self.show_error(str(error))

    # ---- Qt's

    def keyPressEvent(self, event: Any) -> None:
        """Esc drops the face, or leaves the full screen."""
        if event.key() == Qt.Key_Escape:
            if self.registration.candidate is not None:
                self.registration.drop()
            elif self.isFullScreen():
                self.toggle_full_screen()
            return
        super(MainWindow, self).keyPressEvent(event)

    def closeEvent(self, event: Any) -> None:
        """End the session; in any state, and at once for the user."""
        self.hide()
        self.closing.emit()
        self._bridge.close()
        super(MainWindow, self).closeEvent(event)


def pick(session: Session, face: Optional[ViewFace], x: float, y: float, size: Tuple[int, int]) -> FaceCandidate:
    """Pick the face that was clicked: by its track, as it may have moved since; by the point where that is gone.

    Raises:
        KFaceError: There is no face.
    """
    if face is None or face.track is None:
        return session.pick(x, y, size)
    try:
        return session.pick_track(face.track)
    except KFaceError:
        for sighting in session.sightings():
            if sighting.track == face.track:
                return session.pick_sighting(sighting.id)
        return session.pick(x, y, size)


def saved(save: Callable[[str], object], path: str) -> str:
    """Save something into a folder that is made where it is not there, and return the path.

    Raises:
        KFaceError: It cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except OSError as error:
        raise KFaceError("cannot be made ({})".format(error.strerror), os.path.dirname(path), "choose another folder")
    save(path)
    return path
