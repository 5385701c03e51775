"""The bridge: signals in Qt's thread, one picture that waits, and an end within two seconds in any state."""

import contextlib
import threading
import time
import weakref

import pytest
from qtpy.QtCore import QObject
from waiting import until

from deploy.app.bridge import SessionBridge
from kface.errors import GalleryError, KFaceError


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


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_call_ends_in_qt_s_thread(bridge, qtbot, forgotten):
    """In another it takes Qt's connections and windows with it; PySide6 has crashed so."""
    ends, answers, owners = [], [], []
    for _ in range(100):
        owners.append(QObject())
        made = bridge.call(lambda: None, done=answers.append, owner=owners[-1])
        weakref.finalize(made, lambda: ends.append(threading.current_thread().name))
        del made
        if forgotten:
            owners.clear()
    qtbot.waitUntil(lambda: len(ends) == 100)
    assert set(ends) == {"MainThread"}
    assert len(answers) == (0 if forgotten else 100)


def test_a_forgotten_call_has_no_answer(bridge, qtbot):
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


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            GalleryError("is damaged (row 3 missing)", "g.db", "restore it"),
            "g.db: is damaged (row 3 missing); restore it",
        ),
        (ValueError("a mistake"), "unexpected error: ValueError: a mistake"),
    ],
)
@pytest.mark.parametrize("asked", ["status", "wait_view", "wait_events"])
def test_what_the_session_fails_with_is_one_line_and_is_tried_again(bridge, fake_session, qtbot, asked, error, line):
    lines, came = [], []
    real = getattr(type(fake_session), asked)
    broken = threading.Event()

    class Failing(type(fake_session)):
        pass

    def ask(self, *args):
        if broken.is_set():
            raise error
        return real.fget(self) if isinstance(real, property) else real(self, *args)

    setattr(Failing, asked, property(ask) if isinstance(real, property) else ask)
    fake_session.__class__ = Failing
    bridge.trouble.connect(lines.append)
    broken.set()
    qtbot.waitUntil(lambda: bool(lines))
    # Asked again several times, and said once.
    qtbot.wait(900)
    assert lines == [line]
    signal = {"status": bridge.status, "wait_view": bridge.picture, "wait_events": bridge.happened}[asked]
    signal.connect(came.append)
    broken.clear()
    fake_session.happen("gallery", reason="x")
    qtbot.waitUntil(lambda: bool(came))
    broken.set()
    qtbot.waitUntil(lambda: lines == [line, line])


def test_the_end_is_reported_although_the_status_cannot_be_read(english, fake_session, qtbot, monkeypatch):
    ends, lines = [], []

    def wait(timeout=None):
        raise KFaceError("is gone", "the camera")

    def fail(self):
        raise GalleryError("is damaged", "g.db")

    made = SessionBridge(fake_session)
    made.ended.connect(ends.append)
    made.trouble.connect(lines.append)
    qtbot.wait(300)
    monkeypatch.setattr(fake_session, "wait", wait)
    monkeypatch.setattr(type(fake_session), "status", property(fail))
    fake_session.end()
    qtbot.waitUntil(lambda: bool(ends and lines))
    qtbot.wait(600)
    assert ends == ["the camera: is gone"]
    assert lines == ["g.db: is damaged"]
    assert made.close()


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


def test_a_bridge_that_hung_ends_in_qt_s_thread(english):
    """Its own threads hold it as well; the last of them must not be what destroys it."""
    begun, resume, ends = threading.Event(), threading.Event(), []
    made = SessionBridge()
    made.call(lambda: (begun.set(), resume.wait()))
    assert begun.wait(30)
    weakref.finalize(made, lambda: ends.append(threading.current_thread().name))
    made.close()
    del made
    resume.set()
    assert until(lambda: not any(thread.name.startswith("kface-app-call") for thread in threading.enumerate()))
    assert not ends
    assert SessionBridge().close()
    assert ends == ["MainThread"]
