"""The main window on a session without cameras: what it shows, and what each control commands."""

import threading
import time

import pytest
from app_tools import MEASURES, sighting, unnamed, unreachable
from qtpy.QtCore import QPoint, Qt

from deploy.app import texts
from deploy.app.bridge import SessionBridge
from deploy.app.main_window import FACE_SETTINGS, MODEL, STREAM_SETTINGS, VIEW_SIZES, MainWindow
from deploy.app.reasons import FILE, reason, table
from deploy.app.registration_panel import hints
from deploy.registration import measures_of
from kface.errors import KFaceError
from kface.gallery import Limits
from kface.gallery.quality import Quality


@pytest.fixture
def window(bridge, qtbot, tmp_path):
    made = MainWindow(bridge, str(tmp_path / "saved"))
    qtbot.addWidget(made)
    made.resize(1100, 640)
    made.show()
    qtbot.waitUntil(lambda: made.view.picture is not None and made.view.picture.live)
    return made


def click_face(window, qtbot, track):
    """Click the middle of a track's face, wherever the window draws it."""
    (face,) = [face for face in window.view.picture.faces if face.track == track]
    place, width = window.view.place(), window.view.picture.size[0]
    scale = place.width() / width
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    point = QPoint(int(place.left() + x * scale), int(place.top() + y * scale))
    qtbot.mouseClick(window.view, Qt.LeftButton, Qt.NoModifier, point)
    qtbot.waitUntil(lambda: window.registration.candidate is not None)


def test_how_the_session_is_doing_is_in_the_status_line(window, qtbot):
    line = window.status_line
    qtbot.waitUntil(lambda: line.rate.text() == "12.5 fps")
    assert line.stream.text() == "● live"
    assert line.latency.text() == "Latency: 81 ms"
    assert line.faces.text() == "Faces: 2"
    assert line.people.text() == "Registered people: 1"


@pytest.mark.parametrize("size", [(1100, 640), (700, 900), (1600, 500)])
def test_a_click_finds_the_face_whatever_the_window_s_shape(window, qtbot, size):
    window.resize(*size)
    qtbot.wait(50)
    click_face(window, qtbot, 2)
    assert window.registration.candidate.track == 2


def test_a_face_is_clicked_named_and_registered_by_enter(window, fake_session, qtbot):
    click_face(window, qtbot, 1)
    assert window.registration.name.hasFocus()
    assert not window.registration.register.isEnabled()
    qtbot.keyClicks(window.registration.name, "Kim")
    qtbot.keyClick(window.registration.name, Qt.Key_Return)
    qtbot.waitUntil(lambda: "Kim" in fake_session.names)
    qtbot.waitUntil(lambda: window.registration.candidate is None)
    assert window.statusBar().currentMessage() == "Kim is registered."
    qtbot.waitUntil(lambda: any(face.name == "Kim" for face in window.view.picture.faces))


def test_a_face_that_is_not_good_enough_needs_a_tick(window, fake_session, qtbot):
    click_face(window, qtbot, 2)
    panel = window.registration
    assert panel.hints.text() == "✗ size 40 (at least 60 pixels)"
    panel.name.setText("Lee")
    assert panel.anyway.isVisible()
    assert not panel.register.isEnabled()
    panel.anyway.setChecked(True)
    panel.register.click()
    qtbot.waitUntil(lambda: "Lee" in fake_session.names)
    assert fake_session.calls[-1][0] == "enrol"
    assert fake_session.calls[-1][2:] == ("Lee", True)


def test_hints_say_what_is_short_and_by_how_much(fake_session, english):
    shown = hints(fake_session.pick_track(2)._replace(measures=MEASURES))
    assert shown == [
        "✗ Size: 40 pixels, 20 too few; come nearer.",
        "✗ Sharpness: 22, 38 too little; hold still, in more light.",
        "✗ Pose: turned aside by 42°, 11° too far; look into the camera.",
    ]
    almost = measures_of(Quality(59.6, 59.9, 0.0, 0.5, 0.0, 0.0), Limits())
    assert hints(fake_session.pick_track(2)._replace(measures=almost)) == [
        "✗ Size: 59 pixels, 1 too few; come nearer.",
        "✗ Sharpness: 59, 1 too little; hold still, in more light.",
    ]
    assert hints(fake_session.pick_track(1)) == ["✓ Size, sharpness and pose are good enough."]


def test_escape_drops_the_face(window, fake_session, qtbot):
    click_face(window, qtbot, 1)
    qtbot.keyClick(window.registration.name, Qt.Key_Escape)
    assert window.registration.candidate is None
    assert not [call for call in fake_session.calls if call[0] == "enrol"]


def test_a_refused_registration_keeps_the_face_and_says_why(window, fake_session, qtbot):
    click_face(window, qtbot, 1)
    fake_session.broken = KFaceError("a name must not be empty")
    window.registration.name.setText("Kim")
    window.registration.submit()
    qtbot.waitUntil(lambda: window.registration.error.text() == "a name must not be empty")
    assert window.registration.candidate is not None
    assert window.registration.register.isEnabled()


def test_known_names_are_completed(window, qtbot):
    completer = window.registration.name.completer()
    qtbot.waitUntil(lambda: completer.model().stringList() == ["Park"])


def test_a_person_of_the_strip_is_registered(window, fake_session, qtbot):
    fake_session.seen = (sighting(2, "unknown"), sighting(1, "recognised", "Park"))
    qtbot.waitUntil(lambda: window.strip.count() == 2)
    assert window.strip.item(0).text() == "unknown\n09:30:02"
    assert window.strip.item(1).text() == "Park\n09:30:01"
    rect = window.strip.visualItemRect(window.strip.item(0))
    qtbot.mouseClick(window.strip.viewport(), Qt.LeftButton, Qt.NoModifier, rect.center())
    qtbot.waitUntil(lambda: window.registration.candidate is not None)
    assert ("pick_sighting", "s2") in fake_session.calls


def test_the_keyboard_alone_is_enough(window, fake_session, qtbot):
    window.view.setFocus()
    qtbot.keyClick(window.view, Qt.Key_Right)
    qtbot.keyClick(window.view, Qt.Key_Return)
    qtbot.waitUntil(lambda: window.registration.candidate is not None)
    qtbot.keyClicks(window.registration.name, "Kim")
    qtbot.keyClick(window.registration.name, Qt.Key_Return)
    qtbot.waitUntil(lambda: "Kim" in fake_session.names)
    qtbot.waitUntil(lambda: window.focusWidget() is window.view)


def test_the_focus_is_a_frame_around_the_picture(window, qtbot):
    """A frame that is filled hides everything."""
    window.activateWindow()
    window.view.setFocus()
    qtbot.waitUntil(window.view.hasFocus)
    place = window.view.place().toRect()
    shown = window.view.grab().toImage().pixelColor(place.left() + 20, place.top() + 20)
    # The fake camera's grey.
    assert (shown.red(), shown.green(), shown.blue()) == (110, 110, 110)


def test_a_click_where_nobody_is_says_so(window, qtbot):
    qtbot.mouseClick(window.view, Qt.LeftButton, Qt.NoModifier, QPoint(3, window.view.height() // 2))
    qtbot.waitUntil(lambda: "click a face" in window.error.text())
    click_face(window, qtbot, 1)
    assert window.error.text() == ""


@pytest.mark.parametrize("size", VIEW_SIZES)
def test_a_view_s_size_of_table_6_is_chosen(window, fake_session, qtbot, size):
    with qtbot.waitSignal(window.view_chosen) as caught:
        window.size_actions[VIEW_SIZES.index(size)].trigger()
    assert caught.args == [size]
    assert fake_session.view == size
    assert [action.isChecked() for action in window.size_actions] == [one == size for one in VIEW_SIZES]


def test_full_screen_shows_the_live_view_alone(window, qtbot):
    window.full_action.trigger()
    qtbot.waitUntil(window.isFullScreen)
    assert not window.registration.isVisible()
    qtbot.keyClick(window, Qt.Key_Escape)
    qtbot.waitUntil(lambda: not window.isFullScreen())
    assert window.registration.isVisible()


def test_a_picture_is_saved_and_a_video_recorded(window, fake_session, qtbot, tmp_path):
    window.picture_action.trigger()
    qtbot.waitUntil(lambda: window.statusBar().currentMessage().startswith("Saved: "))
    assert fake_session.calls[-1][0] == "save_picture"
    assert fake_session.calls[-1][1].startswith(str(tmp_path / "saved" / "kface-"))
    window.record_action.trigger()
    qtbot.waitUntil(lambda: "Recording" in window.status_line.more.text())
    assert window.record_action.isChecked()
    window.record_action.trigger()
    qtbot.waitUntil(lambda: fake_session.recording is None)
    qtbot.waitUntil(lambda: not window.record_action.isChecked())


def test_a_lost_camera_shows_one_sentence_and_a_way_on(window, fake_session, qtbot):
    opened = []
    window.set_dialog(STREAM_SETTINGS, lambda: opened.append(True))
    fake_session.lose("no frame for 3 s")
    qtbot.waitUntil(lambda: window.error.text() == "lost: no frame for 3 s")
    qtbot.waitUntil(lambda: not window.view.picture.live)
    qtbot.waitUntil(lambda: "lost" in window.view.accessibleDescription())
    window.other_stream.click()
    assert opened == [True]
    fake_session.return_live()
    qtbot.waitUntil(lambda: window.error.text() == "")
    assert not window.other_stream.isVisible()


def test_the_end_of_a_video_is_said_once(window, fake_session, qtbot):
    qtbot.wait(300)
    fake_session.end()
    qtbot.waitUntil(lambda: window.error.text() == "The video has ended; choose another stream.")
    assert window.other_stream.isVisible()


def test_the_language_is_changed_while_it_runs(window, english, qtbot, fake_session):
    texts.use_language(english, "ko")
    qtbot.waitUntil(lambda: window.registration.title() == "등록 화면")
    qtbot.waitUntil(lambda: window.status_line.stream.text() == "● 실시간")
    fake_session.lose("no frame for 3 s")
    qtbot.waitUntil(lambda: window.error.text() == "끊김: 3초 동안 프레임 없음")


def test_every_control_has_a_name_and_is_reached_by_tab(window, qtbot):
    assert unnamed(window) == []
    assert unreachable(window) == []
    click_face(window, qtbot, 2)
    assert unnamed(window) == []
    assert unreachable(window) == []


def test_what_is_not_there_cannot_be_chosen(english, qtbot):
    bridge = SessionBridge()
    made = MainWindow(bridge)
    qtbot.addWidget(made)
    assert not made.faces_action.isEnabled()
    assert not made.record_action.isEnabled()
    for which in (STREAM_SETTINGS, FACE_SETTINGS, MODEL):
        made.set_dialog(which, lambda: None)
    assert made.stream_action.isEnabled()
    assert made.model_action.isEnabled()
    assert not made.faces_action.isEnabled()
    assert bridge.close()


@pytest.mark.parametrize("state", ["live", "lost", "ended", "stuck", "unopened"])
def test_closing_ends_within_two_seconds_in_any_state(english, fake_session, qtbot, state, monkeypatch):
    resume = threading.Event()
    if state == "stuck":
        monkeypatch.setattr(fake_session, "stop", resume.wait)
    bridge = SessionBridge(None if state == "unopened" else fake_session)
    made = MainWindow(bridge)
    qtbot.addWidget(made)
    made.show()
    if state == "lost":
        fake_session.lose()
    elif state == "ended":
        fake_session.end()
    qtbot.wait(100)
    begun = time.monotonic()
    made.close()
    took = time.monotonic() - begun
    resume.set()
    assert took < 2
    assert not made.isVisible()


def test_the_page_s_korean_reasons_are_all_understood():
    with open(FILE, encoding="utf-8") as file:
        assert len(table()) == file.read().count("[/") > 70


def test_a_reason_is_korean_where_the_window_is(english):
    line = "rtsp://10.0.0.7/live: rejected the id or the password; correct them in the stream's settings"
    assert reason(line) == line
    texts.use_language(english, "ko")
    assert reason(line) == "rtsp://10.0.0.7/live: 아이디 또는 비밀번호가 거부됨; 스트림 설정에서 수정하세요"
    assert reason("1 of 30 frames lost (damaged or missing)") == "프레임 30개 중 1개 손실(손상 또는 누락)"
