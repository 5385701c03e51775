"""The connection test of the stream settings against a real RTSP server, with a right and a wrong password."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from deploy_fakes import settings_with
from rtsp_tools import Server, free_port, make_clip, require_server

from deploy.app.bridge import SessionBridge
from deploy.app.secrets import PasswordStore
from deploy.app.stream_dialog import StreamDialog
from deploy.app.stream_memory import StreamMemory

ID, PASSWORD = "adm in", "gärten/9@:%"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    require_server()
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", 20)


@pytest.fixture
def dialog(english, tmp_path, qtbot):
    bridge = SessionBridge()
    store = PasswordStore(lambda: bytes(32), tmp_path / "cameras.json", lambda: None)
    made = StreamDialog(bridge, settings_with(), StreamMemory(store, tmp_path / "app.json"))
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.form._place == "file")
    made.form.kinds["rtsp"].setChecked(True)
    made.form.address.setText("127.0.0.1")
    yield made
    bridge.close()


def tried(qtbot, dialog, port, id, password, path="/clip"):
    """Return the picture's size and the error line of a connection test."""
    form = dialog.form
    form.port.setValue(port)
    form.path.setText(path)
    form.id.setText(id)
    form.password.setText(password)
    dialog.tester.button.click()
    assert dialog.tester.running
    qtbot.waitUntil(lambda: not dialog.tester.running, timeout=20000)
    return dialog.tester.outcome.size, dialog.tester.error.text()


@pytest.mark.slow
@pytest.mark.parametrize("login", ["basic", "digest"])
def test_the_right_password_shows_a_picture_and_a_wrong_one_says_so(clip, dialog, qtbot, login):
    with Server(clip, login=login, credentials=(ID, PASSWORD)) as server:
        wrong = "The camera rejected the id or the password: correct them."
        assert tried(qtbot, dialog, server.port, ID, "wrong") == (None, wrong)
        missing = "The camera wants an id and a password: enter them."
        assert tried(qtbot, dialog, server.port, "", "") == (None, missing)
        assert tried(qtbot, dialog, server.port, ID, PASSWORD) == ((320, 240), "")
        assert dialog.form.url.text() == "rtsp://127.0.0.1:{}/clip".format(server.port)
        nowhere = "The camera has no stream at this RTSP path: correct the path."
        assert tried(qtbot, dialog, server.port, ID, PASSWORD, "/none") == (None, nowhere)


@pytest.mark.slow
def test_a_camera_that_is_off_or_stalls_is_said_in_bounded_time(clip, dialog, qtbot):
    refused = "Nothing listens at this address and port: correct the port, or switch the camera on."
    assert tried(qtbot, dialog, free_port(), "", "") == (None, refused)
    with Server(clip) as server:
        server.stall()
        try:
            silent = "The camera does not answer: check address, port and network."
            assert tried(qtbot, dialog, server.port, "", "") == (None, silent)
        finally:
            server.go_on()
