"""The bridge: signals in Qt's thread, one picture that waits, and an end within two seconds in any state."""

import contextlib
import threading
import time

import pytest

from deploy.app.bridge import SessionBridge
from kface.errors import KFaceError


def test_pictures_events_and_the_status_come_in_qt_s_thread(bridge, fake_session, qtbot):
    where = []
    for signal in (bridge.picture, bridge.happened, bridge.status):
        signal.connect(lambda value: where.append((type(value).__name__, threading.current_thread().name)))
    fake_session.happen("gallery", reason="x")
    qtbot.waitUntil(lambda: len({name for name, _ in where}) == 3)
    assert {name for name, _ in where} == {"LivePicture", "Event", "Status"}
    assert {thread for _, thread in where} == {"MainThread"}


def test_a_slow_window_gets_the_newest_picture(bridge, fake_session, qtbot):
    numbers = []
    bridge.picture.connect(lambda picture: numbers.append(picture.number))
    qtbot.waitUntil(lambda: bool(numbers))
    time.sleep(0.5)
    drawn = fake_session.drawn
    qtbot.waitUntil(lambda: len(numbers) >= 4)
    # Nothing but the one that waited is older.
    assert fake_session.drawn - drawn <= 6
    assert numbers == sorted(numbers)


def test_events_come_in_order_and_none_is_lost(bridge, fake_session, qtbot):
    numbers = []
    bridge.happened.connect(lambda event: numbers.append(event.number))
    for _ in range(200):
        fake_session.happen("gallery", reason="x")
    qtbot.waitUntil(lambda: len(numbers) == 200)
    assert numbers == list(range(1, 201))


def test_a_call_is_answered_in_qt_s_thread(bridge, qtbot):
    answers = []
    bridge.call(lambda: threading.current_thread().name, done=lambda name: answers.append((name, current())))

    def current():
        return threading.current_thread().name

    qtbot.waitUntil(lambda: bool(answers))
    worker, thread = answers[0]
    assert worker.startswith("kface-app-call")
    assert thread == "MainThread"


def test_an_error_is_one_line(bridge, qtbot, caplog):
    lines = []

    def refuse(error):
        raise error

    bridge.call(refuse, KFaceError("is not there", "the file", "choose another"), failed=lines.append)
    bridge.call(refuse, ValueError("a mistake"), failed=lines.append)
    qtbot.waitUntil(lambda: len(lines) == 2)
    assert "the file: is not there; choose another" in lines
    assert "unexpected error: ValueError: a mistake" in lines
    assert "a call of the window failed" in caplog.text


def test_a_forgotten_call_answers_nobody(bridge, qtbot):
    answers = []
    wait = threading.Event()
    bridge.call(wait.wait, done=answers.append).forget()
    wait.set()
    bridge.call(lambda: "later", done=answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    assert answers == ["later"]


def test_the_stream_s_end_is_reported_once(bridge, fake_session, qtbot):
    ends = []
    bridge.ended.connect(ends.append)
    qtbot.wait(300)
    fake_session.end()
    qtbot.waitUntil(lambda: bool(ends))
    qtbot.wait(600)
    assert ends == [""]


def test_a_session_is_opened_in_a_thread(english, fake_session, qtbot):
    class Opening:
        left = False

        def __enter__(self):
            return fake_session

        def __exit__(self, *_):
            self.left = True

    opening = Opening()
    made = SessionBridge()
    assert not made.has_session
    with pytest.raises(KFaceError, match="choose a model"):
        _ = made.session
    with qtbot.waitSignal(made.opened):
        made.open(opening)
    assert made.session is fake_session
    with qtbot.waitSignal(made.picture):
        pass
    assert made.close()
    assert opening.left


def test_a_session_that_cannot_be_opened_says_why(english, qtbot):
    @contextlib.contextmanager
    def opening():
        raise KFaceError("is not there", "the bundle")
        yield

    made = SessionBridge()
    with qtbot.waitSignal(made.failed) as caught:
        made.open(opening())
    assert caught.args == ["the bundle: is not there"]
    assert made.close()


def test_the_end_does_not_wait_for_what_hangs(english, fake_session, monkeypatch):
    resume = threading.Event()
    monkeypatch.setattr(fake_session, "stop", resume.wait)
    made = SessionBridge(fake_session)
    for _ in range(5):
        made.call(resume.wait)
    begun = time.monotonic()
    ended = made.close()
    took = time.monotonic() - begun
    resume.set()
    assert not ended
    assert took < 2
