"""The stream settings on a real session: every item changed, in force at once, kept over a restart, refused where wrong."""

import threading

import numpy as np
import pytest
from app_tools import unnamed, unreachable
from deploy_fakes import (
    AT_KIM,
    AT_PARK,
    Camera,
    install,
    make_recognizer,
    open_test_gallery,
    picture,
    settings_with,
    write_film,
)
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog, QLineEdit
from stream_tools import write_sample_film

from deploy.app import connection_panel, stream_choice, stream_dialog, stream_form, texts
from deploy.app.bridge import SessionBridge
from deploy.app.secrets import PasswordStore
from deploy.app.stream_choice import KINDS, StreamChoice
from deploy.app.stream_dialog import StreamDialog
from deploy.app.stream_memory import StreamMemory
from deploy.opening import open_stream
from deploy.session import Session
from kface.errors import ConfigError
from kface.streams import Secret, StreamRefusedError, StreamSettings

pytest.importorskip("cryptography")

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def sample_film(tmp_path_factory):
    """A short video of people of the synthetic sample."""
    return write_sample_film(tmp_path_factory.mktemp("sample") / "표본 (1).avi")


@pytest.fixture
def film(tmp_path):
    return str(write_film(tmp_path / "one.avi", [picture(AT_KIM)] * 5))


@pytest.fixture
def settings(film):
    return settings_with(stream=StreamSettings("file", file=film), loop=True)


@pytest.fixture
def cameras(monkeypatch):
    """Every camera works, and a CSI camera is there; files are opened as ever. Returns the settings they were opened with."""
    from kface.streams.backends import check, open_capture

    opened = []

    def open_any(settings):
        opened.append(settings)
        return open_capture(settings) if settings.kind == "file" else Camera(picture(AT_PARK))

    def check_files(settings):
        if settings.kind == "file":
            check(settings)

    install(monkeypatch.setattr, camera=open_any)
    from kface.streams import stream as stream_module

    monkeypatch.setattr(stream_module, "check", check_files)
    monkeypatch.setattr(stream_choice, "check", check_files)
    return opened


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "config"


def memory_in(folder):
    return StreamMemory(PasswordStore(lambda: KEY, folder / "cameras.json", lambda: None), folder / "app.json")


@pytest.fixture
def running(english, settings, cameras, tmp_path):
    """A bridge to a session that plays a film again and again."""
    with open_test_gallery(tmp_path / "gallery.db") as gallery:
        opened = open_stream(settings)
        session = Session(settings, make_recognizer(), gallery, opened.make, opened.name)
        made = SessionBridge(session.start())
        yield made
        made.close()


@pytest.fixture
def dialog(running, folder, qtbot):
    return shown(qtbot, running, folder)


def shown(qtbot, bridge, folder):
    made = StreamDialog(bridge, memory=memory_in(folder))
    qtbot.addWidget(made)
    made.show()
    # What is remembered has come.
    qtbot.waitUntil(lambda: made.form._place == "file")
    return made


def ok(dialog):
    return dialog.ok


def write(qtbot, editor, text):
    line = editor if isinstance(editor, QLineEdit) else editor.lineEdit()
    line.setFocus()
    line.selectAll()
    qtbot.keyClick(line, Qt.Key_Delete)
    # Hangul comes from an input method, not from keys.
    if all(ord(sign) < 128 for sign in text):
        qtbot.keyClicks(line, text)
    else:
        line.insert(text)


def choose(qtbot, dialog, kind):
    dialog.form.kinds[kind].setFocus()
    qtbot.keyClick(dialog.form.kinds[kind], Qt.Key_Space)


def press_ok(qtbot, dialog):
    qtbot.mouseClick(ok(dialog), Qt.LeftButton)
    qtbot.waitUntil(lambda: dialog._applying is None)


def errors(dialog):
    return {key: line.text() for key, line in dialog.form._errors.items() if line.isVisibleTo(dialog)}


# ---- every item


def fill(qtbot, form, kind, film):
    if kind == "csi":
        form.csi_device.setValue(1)
    elif kind == "v4l2":
        write(qtbot, form.usb_device, "/dev/video5")
    elif kind == "file":
        write(qtbot, form.file, film)
    elif kind == "rtsp":
        write(qtbot, form.address, "127.0.0.1")
        form.port.setValue(8554)
        write(qtbot, form.path, "/live?channel=1")
        write(qtbot, form.id, "admin")
        write(qtbot, form.password, "gar den/9@")
    write(qtbot, form.resolution, "320x180")
    form.fps.setValue(7)
    form.view.setCurrentText("704x480")
    form.dnn_resize.setChecked(True)
    write(qtbot, form.dnn_size, "160x90")


WANTED = {
    "csi": {"csi_device": "1"},
    "v4l2": {"usb_device": "/dev/video5"},
    "rtsp": {
        "address": "127.0.0.1",
        "port": 8554,
        "path": "/live?channel=1",
        "id": "admin",
        "password": Secret("gar den/9@"),
    },
}


@pytest.mark.parametrize("kind", ["csi", "rtsp", "file", "v4l2"])
def test_every_item_is_in_force_at_once_and_kept_over_a_restart(
    kind, dialog, running, folder, qtbot, settings, sample_film, cameras
):
    choose(qtbot, dialog, kind)
    fill(qtbot, dialog.form, kind, sample_film)
    wanted = StreamChoice(
        kind,
        resolution="320x180",
        fps=7,
        view=(704, 480),
        dnn_resize=True,
        dnn_size="160x90",
        file=settings.stream.file,
    )
    wanted = wanted._replace(**WANTED.get(kind, {"file": sample_film}))
    session, before = running.session, running.session.stream
    press_ok(qtbot, dialog)
    assert errors(dialog) == {}
    assert dialog.error.text() == ""
    assert dialog.result() == StreamDialog.Accepted
    assert not dialog.isVisible()
    # In force: the same session, another stream.
    assert session.stream is not before
    assert session.settings == wanted.settings(settings)
    assert dialog.settings == session.settings
    assert session.status.source == wanted.uri
    qtbot.waitUntil(lambda: session.status.stream == "live")
    assert cameras[-1] == session.settings.stream
    with qtbot.waitSignal(running.picture):
        pass
    # After a restart: from the command's settings to these.
    assert memory_in(folder).recall(settings) == (session.settings, "")
    again = shown(qtbot, running, folder)
    assert again.form.choice() == wanted
    assert "gar den" not in "".join(file.read_text() for file in folder.iterdir())


def test_the_sample_clip_is_watched(dialog, running, qtbot, monkeypatch, sample_film):
    from deploy import opening

    monkeypatch.setattr(opening, "_sample", lambda settings: StreamSettings("file", file=sample_film))
    choose(qtbot, dialog, "sample")
    assert not dialog.tester.button.isEnabled()
    press_ok(qtbot, dialog)
    assert running.session.settings.stream is None
    assert running.session.status.source == "synthetic sample"


def test_only_the_view_is_changed_and_the_stream_goes_on(dialog, running, qtbot):
    stream = running.session.stream
    dialog.form.view.setCurrentText("1600x900")
    qtbot.keyClick(dialog, Qt.Key_Return)
    qtbot.waitUntil(lambda: not dialog.isVisible())
    assert running.session.stream is stream
    assert running.session.settings.view == (1600, 900)


def test_cancel_changes_nothing(dialog, running, qtbot, folder, settings):
    dialog.form.fps.setValue(3)
    qtbot.keyClick(dialog, Qt.Key_Escape)
    assert not dialog.isVisible()
    assert running.session.settings == settings
    assert not (folder / "app.json").exists()


def test_only_the_fields_of_the_chosen_kind_can_be_used(dialog, qtbot):
    editors = dialog.form.editors
    for kind in KINDS:
        choose(qtbot, dialog, kind)
        usable = {key for key, editor in editors.items() if editor.isEnabled() and editor.isVisible()} - {"kind"}
        wanted = set(stream_choice.FIELDS[kind]) | {"view"}
        assert usable == wanted, kind
    dialog.form.dnn_resize.setChecked(True)
    assert editors["dnn_size"].isEnabled()


# ---- wrong values


def test_every_wrong_field_says_so_beside_it(dialog, running, qtbot, settings):
    form = dialog.form
    choose(qtbot, dialog, "rtsp")
    write(qtbot, form.address, "my camera")
    write(qtbot, form.id, "a:b")
    write(qtbot, form.resolution, "big")
    form.dnn_resize.setChecked(True)
    write(qtbot, form.dnn_size, "5x5")
    press_ok(qtbot, dialog)
    assert errors(dialog) == {
        "address": "Enter the camera's name or IP address, such as 192.168.0.10.",
        "id": "Enter an id without a colon.",
        "resolution": "Enter width and height such as 1280x720, each from 16 to 8192.",
        "dnn_size": "Enter width and height such as 640x360, each from 12 to 8192.",
    }
    assert dialog.isVisible()
    assert form.address.hasFocus()
    assert form.address.accessibleDescription() == errors(dialog)["address"]
    assert running.session.settings == settings
    # Numbers out of their range cannot be entered at all.
    form.fps.setValue(31)
    form.port.setValue(70000)
    assert (form.fps.value(), form.port.value()) == (30, 65535)


def test_a_file_that_is_gone_is_refused_and_the_old_stream_goes_on(dialog, running, qtbot, settings, tmp_path):
    write(qtbot, dialog.form.file, str(tmp_path / "지웠음.mp4"))
    press_ok(qtbot, dialog)
    assert errors(dialog) == {"file": "There is no such file: choose another one."}
    assert running.session.settings == settings
    texts.use_language(texts.QCoreApplication.instance(), "ko")
    qtbot.waitUntil(lambda: dialog.windowTitle() == "스트림 설정")
    assert errors(dialog) == {"file": "파일이 없습니다. 다른 파일을 선택하세요."}
    assert dialog.form.file.accessibleName() == "파일"


def test_a_session_that_refuses_is_one_sentence(dialog, running, qtbot, monkeypatch):
    def refuse(session, settings):
        raise ConfigError("is not a file", "/clips")

    monkeypatch.setattr(stream_dialog.opening, "change_settings", refuse)
    press_ok(qtbot, dialog)
    assert dialog.error.text() == "This is a folder or a device, not a file: choose a video file."
    assert dialog.isVisible()
    assert ok(dialog).isEnabled()


def test_what_cannot_be_remembered_is_said(running, folder, qtbot, settings):
    dialog = shown(qtbot, running, folder)
    folder.write_text("in the way")
    dialog.form.fps.setValue(9)
    press_ok(qtbot, dialog)
    assert running.session.settings.stream.fps == 9
    assert dialog.isVisible()
    assert dialog.error.text().startswith("The stream was changed, but it cannot be remembered: ")


# ---- the password


def test_a_password_is_hidden_until_it_is_asked_for(dialog, qtbot):
    form = dialog.form
    choose(qtbot, dialog, "rtsp")
    write(qtbot, form.address, "10.0.0.7")
    write(qtbot, form.id, "me")
    write(qtbot, form.password, "garden")
    assert form.password.echoMode() == QLineEdit.Password
    assert form.url.text() == "rtsp://10.0.0.7:554/"
    assert form.reveal.accessibleName() == "Show the password"
    qtbot.keyClick(form.reveal, Qt.Key_Space)
    assert form.password.echoMode() == QLineEdit.Normal
    assert form.reveal.accessibleName() == "Hide the password"
    qtbot.keyClick(form.reveal, Qt.Key_Space)
    assert form.password.echoMode() == QLineEdit.Password
    assert "garden" not in form.url.text() + form.url.accessibleName() + repr(form.choice())
    assert dialog.form._kept.text() == "The password is kept encrypted with the gallery's key."


def test_a_password_is_forgotten_where_it_is_cleared(dialog, running, qtbot, folder):
    memory_in(folder).remember(StreamChoice("rtsp", address="10.0.0.7", id="me", password=Secret("garden")))
    again = shown(qtbot, running, folder)
    choose(qtbot, again, "rtsp")
    assert again.form.password.text() == "garden"
    write(qtbot, again.form.password, "")
    press_ok(qtbot, again)
    assert not running.session.settings.stream.password
    assert '"passwords": {}' in (folder / "cameras.json").read_text()


def test_a_password_that_cannot_be_read_is_said(running, qtbot, folder):
    memory_in(folder).remember(StreamChoice("rtsp", address="10.0.0.7", id="me", password=Secret("garden")))
    (folder / "cameras.json").write_text("{}")
    dialog = shown(qtbot, running, folder)
    assert "is not a file of passwords" in dialog.error.text()
    assert dialog.form.address.text() == "10.0.0.7"


def test_a_pasted_url_goes_into_its_fields_at_once(dialog, qtbot):
    choose(qtbot, dialog, "rtsp")
    dialog.form.address.clear()
    dialog.form.address.setFocus()
    dialog.form.address.insert("rtsp://me:gar%20den@10.0.0.9:8554/live")
    dialog.form.address.textEdited.emit(dialog.form.address.text())
    choice = dialog.form.choice()
    assert (choice.address, choice.port, choice.path, choice.id) == ("10.0.0.9", 8554, "/live", "me")
    assert choice.password == Secret("gar den")
    # What is typed goes there when the field is left.
    write(qtbot, dialog.form.address, "rtsp://10.0.0.8/x")
    qtbot.keyClick(dialog.form.address, Qt.Key_Tab)
    assert dialog.form.choice().address == "10.0.0.8"
    assert dialog.form.path.text() == "/x"


# ---- the file


def test_a_file_is_chosen(dialog, qtbot, monkeypatch, sample_film):
    asked = []

    def chosen(parent, title, folder, filters):
        asked.append((title, folder))
        return sample_film, filters

    monkeypatch.setattr(stream_form.QFileDialog, "getOpenFileName", staticmethod(chosen))
    before = dialog.form.file.text()
    qtbot.mouseClick(dialog.form.browse, Qt.LeftButton)
    assert asked == [("Choose a video file", before)]
    assert dialog.form.file.text() == sample_film
    assert dialog.form.choice().problems() == []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: ("", "")))
    dialog.form.choose_file()
    assert dialog.form.file.text() == sample_film


def test_the_chosen_files_folder_is_kept(dialog, running, qtbot, folder, sample_film):
    from pathlib import Path

    dialog.form.use_file(sample_film)
    press_ok(qtbot, dialog)
    again = shown(qtbot, running, folder)
    assert again.form.folder == str(Path(sample_film).parent)


def test_a_file_is_dropped(dialog, qtbot, sample_film):
    choose(qtbot, dialog, "csi")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(sample_film)])
    place = QPointF(5, 5)
    try:
        event = QDropEvent(place, Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier)
    except TypeError:
        event = QDropEvent(place.toPoint(), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier)
    dialog.dropEvent(event)
    assert (dialog.form.kind, dialog.form.file.text()) == ("file", sample_film)


# ---- the connection test


def try_it(qtbot, dialog):
    qtbot.mouseClick(dialog.tester.button, Qt.LeftButton)
    assert dialog.tester.running
    qtbot.waitUntil(lambda: not dialog.tester.running, timeout=20000)


def test_a_connection_that_works_shows_a_picture(dialog, running, qtbot, sample_film, settings):
    dialog.form.use_file(sample_film)
    try_it(qtbot, dialog)
    tester = dialog.tester
    assert tester.outcome.size == (320, 180)
    assert tester.line.text() == "The connection works: the picture has 320x180 pixels."
    assert not tester.picture.pixmap().isNull()
    assert tester.picture.accessibleName() == "Picture of the stream, 320x180 pixels"
    # It was tried out only.
    assert running.session.settings == settings
    # Of another choice it says nothing.
    dialog.form.fps.setValue(5)
    assert tester.outcome is None
    assert tester.line.text() == ""


def test_a_connection_that_does_not_work_says_why(dialog, qtbot, tmp_path, monkeypatch):
    dialog.form.use_file(str(tmp_path / "없음.mp4"))
    try_it(qtbot, dialog)
    assert dialog.tester.error.text() == "There is no such file: choose another one."
    from kface.streams import stream as stream_module

    def refuse(settings):
        raise StreamRefusedError("rejected the id or the password", settings.uri, "correct them")

    monkeypatch.setattr(stream_module, "open_capture", refuse)
    choose(qtbot, dialog, "rtsp")
    write(qtbot, dialog.form.address, "127.0.0.1")
    try_it(qtbot, dialog)
    assert dialog.tester.error.text() == "The camera rejected the id or the password: correct them."
    choose(qtbot, dialog, "file")
    assert not dialog.tester.error.isVisible()


def test_wrong_fields_are_not_tried(dialog, qtbot):
    choose(qtbot, dialog, "rtsp")
    write(qtbot, dialog.form.address, "")
    qtbot.mouseClick(dialog.tester.button, Qt.LeftButton)
    assert not dialog.tester.running
    assert list(errors(dialog)) == ["address"]


def test_a_test_is_cancelled_and_does_not_hold_up_the_window(dialog, qtbot, monkeypatch):
    from kface.streams import stream as stream_module

    asked, resume = threading.Event(), threading.Event()

    def hang(settings):
        asked.set()
        resume.wait(20)
        raise StreamRefusedError("too late", settings.uri)

    monkeypatch.setattr(stream_module, "open_capture", hang)
    choose(qtbot, dialog, "v4l2")
    qtbot.mouseClick(dialog.tester.button, Qt.LeftButton)
    assert dialog.tester.button.text() == "Cancel &test"
    assert dialog.tester.busy.isVisible()
    qtbot.waitUntil(asked.is_set)
    qtbot.mouseClick(dialog.tester.button, Qt.LeftButton)
    assert not dialog.tester.running
    assert dialog.tester.line.text() == "The test was cancelled."
    assert dialog.tester.button.text() == "&Test connection"
    # The limit holds for a decoder that hangs.
    monkeypatch.setattr(connection_panel, "LONGEST_TEST_S", 0.2)
    try_it(qtbot, dialog)
    assert dialog.tester.error.text() == "No picture came for 0.2 seconds: check the camera and the network."
    # Closing does not wait for it either.
    dialog.reject()
    assert not dialog.isVisible()
    resume.set()


# ---- for everybody


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_control_has_a_name_and_can_be_reached(dialog, qtbot, english, language):
    texts.use_language(english, language)
    qtbot.waitUntil(lambda: ok(dialog).text() == {"en": "OK", "ko": "확인"}[language])
    assert unnamed(dialog) == []
    for kind in KINDS:
        choose(qtbot, dialog, kind)
        assert [one for one in unreachable(dialog) if not one.startswith("QRadioButton")] == []
    names = [editor.accessibleName() for editor in dialog.form.editors.values()]
    assert not [name for name in names if "&" in name]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_two_fields_share_a_letter(dialog, qtbot, english, language):
    texts.use_language(english, language)
    for kind in KINDS:
        choose(qtbot, dialog, kind)
        labels = [label.text() for label in dialog.form._labels.values() if label.isVisible()]
        buttons = list(dialog.form.kinds.values()) + [dialog.form.reveal, dialog.form.browse, dialog.tester.button]
        labels += [button.text() for button in buttons if button.isVisible()]
        letters = [label[label.index("&") + 1].lower() for label in labels if "&" in label]
        assert len(letters) == len(set(letters)), (kind, sorted(letters))
        assert len(letters) >= 5


def test_a_typed_resolution_survives_the_language(dialog, qtbot, english):
    assert dialog.form.choice().resolution == ""
    texts.use_language(english, "ko")
    qtbot.waitUntil(lambda: dialog.form.resolution.currentText() == "원본 그대로")
    assert dialog.form.choice().resolution == ""
    write(qtbot, dialog.form.resolution, "800x600")
    texts.use_language(english, "en")
    assert dialog.form.choice().resolution == "800x600"


def test_without_a_session_the_choice_is_for_the_next_one(english, qtbot, folder, settings, cameras):
    bridge = SessionBridge()
    dialog = StreamDialog(bridge, settings, memory_in(folder))
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.form._place == "file")
    choose(qtbot, dialog, "v4l2")
    press_ok(qtbot, dialog)
    assert dialog.settings.stream.kind == "v4l2"
    assert memory_in(folder).recall(settings)[0] == dialog.settings
    bridge.close()


def test_the_picture_is_shown_in_its_own_colours(dialog, qtbot):
    image = np.zeros((90, 160, 3), np.uint8)
    image[..., 0] = 255
    dialog.tester._tested = dialog.form.choice()
    dialog.tester._done(connection_panel.Outcome(image, (160, 90)))
    shown_image = dialog.tester.picture.pixmap().toImage()
    middle = shown_image.pixelColor(shown_image.width() // 2, shown_image.height() // 2)
    assert (middle.red(), middle.green(), middle.blue()) == (255, 0, 0)
