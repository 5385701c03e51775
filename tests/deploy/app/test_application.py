"""``kface app`` with real sessions on drawn people: the paper's flow, the faults, and the command."""

import subprocess
import sys

import pytest
from app_flow import paper_flow
from qtpy.QtCore import Qt

from deploy import opening
from deploy.app import command, preferences
from kface.errors import ConfigError, GalleryError, KFaceError


def test_the_paper_s_flow(make, qtbot, other):
    paper_flow(make(), qtbot, other)


def test_the_language_and_the_stream_are_kept_over_a_restart(make, qtbot, other, tmp_path):
    first = make()
    qtbot.waitUntil(lambda: first.bridge.has_session, timeout=20000)
    first.window.language_actions["ko"].trigger()
    qtbot.waitUntil(lambda: preferences.load(str(tmp_path / "app.json"))[0].language == "ko")
    first.window.close()
    second = make()
    assert second.window.registration.title() == "등록 화면"
    assert second.window.language_actions["ko"].isChecked()


FAULTS = [
    (KFaceError("has another key", "gallery.db", "give the right gallery.key_file"), "another key"),
    (GalleryError("is locked by another program", "gallery.db", "close it"), "locked"),
    (ConfigError("does not exist", "bundles/none", "choose another"), "does not exist"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS)
def test_a_session_that_cannot_be_opened_says_why_and_is_tried_again(make, qtbot, monkeypatch, fault, words):
    opens = opening.open_gallery

    def refuse(*_, **__):
        raise fault

    monkeypatch.setattr(opening, "open_gallery", refuse)
    app = make()
    qtbot.waitUntil(lambda: words in app.window.error.text(), timeout=20000)
    assert "\n" not in app.window.error.text()
    assert app.window.again.isVisible()
    assert app.window.other_model.isVisible()
    monkeypatch.setattr(opening, "open_gallery", opens)
    qtbot.mouseClick(app.window.again, Qt.LeftButton)
    qtbot.waitUntil(lambda: app.bridge.has_session, timeout=20000)
    assert app.window.error.text() == ""
    qtbot.waitUntil(lambda: app.window.view.picture is not None and app.window.view.picture.live, timeout=20000)


def test_a_deleted_file_says_why_and_another_can_be_chosen(make, qtbot, settings, tmp_path):
    gone = settings._replace(stream=settings.stream._replace(file=str(tmp_path / "gone.mp4")))
    app = make(settings=gone)
    qtbot.waitUntil(lambda: "gone.mp4" in app.window.error.text(), timeout=20000)
    assert app.window.other_stream.isVisible()
    app.window.other_stream.click()
    qtbot.waitUntil(lambda: app.stream_dialog is not None and app.stream_dialog.isVisible())
    app.stream_dialog.reject()


def test_without_qt_one_line_says_what_to_install(monkeypatch):
    def absent(name):
        raise ImportError("No module named 'qtpy'")

    monkeypatch.setattr(command.importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"the window: needs Qt \(No module named 'qtpy'\); install it: pip install"):
        command.require_qt()


def test_without_a_screen_one_line_says_so(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ConfigError, match="there is no screen"):
        command._require_screen()


def test_the_command_shows_its_settings_and_help():
    shown = subprocess.run(
        [sys.executable, "-m", "deploy", "app", "--help"], stdout=subprocess.PIPE, universal_newlines=True, check=True
    )
    assert "kface app - recognise people in a window" in shown.stdout
    assert "no web page is opened, and the settings web and outputs.window are ignored" in " ".join(
        shown.stdout.split()
    )
