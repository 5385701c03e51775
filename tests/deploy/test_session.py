"""A session: a stream, a recogniser and a gallery together, commanded from any thread, and nothing left of it at the end."""

import errno
import functools
import threading
import time

import pytest
from deploy_fakes import (
    AT_KIM,
    KIM,
    POINT,
    QUICK,
    Film,
    NoGallery,
    heard,
    kinds,
    make_recognizer,
    names,
    picture,
    play,
    settings_with,
    shown,
    threads,
    unit,
    watch,
)
from waiting import GENEROUS, until

from deploy import line as line_module
from deploy.outputs import Output
from deploy.session import Session
from kface.errors import ConfigError, KFaceError
from kface.recognizer import FaceRecognizer, Runner
from kface.streams import StreamError

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class Kept(Output):
    """Keeps what it is given; fails on demand."""

    name = "kept.txt"

    def __init__(self, fails=None, fails_closing=None):
        self.results = []
        self.events = []
        self.closed = None
        self.fails = fails
        self.fails_closing = fails_closing

    def write(self, result, events):
        if self.fails is not None and len(self.results) == 2:
            raise self.fails
        self.results.append(result)
        self.events += events

    def close(self, events):
        assert self.closed is None
        self.closed = list(events)
        if self.fails_closing is not None:
            raise self.fails_closing


# ---- the stream, results and states


def test_people_are_recognised_in_a_stream(camera, gallery):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        view = shown(session, lambda view: "Kim" in names(view))
        assert view.live
        assert [face.state for face in view.faces] == ["recognised", "unknown"]
        assert heard(session, "recognised").name == "Kim"
        assert heard(session, "recognised").fmr == POINT.fmr
        status = session.status
        assert (status.source, status.stream, status.reason, status.model) == ("rtsp://camera", "live", "", "toy")
        assert (status.faces, status.people, status.runtime, status.losses) == (2, 1, "fake", 0)
        assert status.processed > 0
        assert status.captured >= status.processed
        assert abs(status.started - time.time()) < 2 * GENEROUS
        assert until(lambda: session.status.fps > 1)
        assert 0 <= session.status.latency_p50_ms <= session.status.latency_p95_ms
        assert session.running
    assert not session.running
    assert session.status.stream == "closed"
    assert session.failures == []


def test_the_streams_states_are_told(camera):
    session = watch(camera, NoGallery())
    with session:
        heard(session, "stream")
        shown(session, lambda view: view.live)
    reasons = [event.reason for event in session.wait_events(0, 0) if event.kind == "stream"]
    assert reasons == ["connecting", "live", "closed"]


def test_a_stalled_camera_is_lost_and_no_old_picture_is_live(camera, monkeypatch):
    session = watch(camera, NoGallery())
    with session:
        live = shown(session, lambda view: view.live)
        camera.scene = None
        assert camera.stalled.wait(GENEROUS)
        grey = shown(session, lambda view: view.number > live.number and not view.live)
        assert grey.faces == ()
        heard(session, "stream")
        assert until(lambda: session.status.losses == 1)
        assert session.status.faces == 0
        with pytest.raises(KFaceError, match="no live picture"):
            session.pick(80, 90)
        camera.scene = picture(AT_KIM)
        camera.resume.set()
        back = shown(session, lambda view: view.live and len(view.faces) == 1)
        assert back.number > grey.number
        assert session.status.stream == "live"


def test_a_film_has_its_states_as_well(gallery):
    gate = threading.Event()
    film = Film([picture(AT_KIM)] * 3, gate)
    session = play(film, gallery)
    assert session.status.stream == "connecting"
    assert session.status.started == 0
    session.start()
    assert film.waiting.wait(GENEROUS)
    assert session.status.stream == "live"
    gate.set()
    assert session.wait(GENEROUS)
    assert session.status.stream == "ended"
    # The end is not the moment at which its people have left: that is said when the session is over.
    session.stop()
    assert session.status.stream == "closed"
    assert session.status.processed == 3


def test_a_film_is_read_without_loss(gallery):
    film = Film([picture((KIM, 80 + n, 90, 60)) for n in range(40)])
    output = Kept()
    session = play(film, gallery)
    session.add_output(output)
    with session:
        assert session.wait(GENEROUS)
    assert [result.frame.number for result in output.results] == list(range(40))
    assert output.closed is not None
    assert (session.status.captured, session.status.skipped, session.status.processed) == (40, 0, 40)


def test_a_film_is_closed_by_the_thread_that_reads_it(gallery):
    film = Film([picture()] * 2)
    with play(film, gallery) as session:
        assert session.wait(GENEROUS)
    assert film.closed_by[0] == "kface-capture"


def test_a_film_whose_decoder_is_stuck_is_not_released_under_it(gallery, monkeypatch):
    monkeypatch.setattr(line_module, "Runner", functools.partial(Runner, patience=0.2))
    gate = threading.Event()
    film = Film([picture()], gate)
    session = play(film, gallery)
    output = Kept()
    session.add_output(output)
    session.start()
    assert film.waiting.wait(GENEROUS)
    with pytest.raises(KFaceError, match=r"kface-capture: did not end within 0\.2 s"):
        session.stop()
    assert film.closed_by == []
    assert output.closed is not None
    gate.set()
    assert until(lambda: film.closed_by == ["kface-capture"])


def test_a_session_that_never_began_is_closed(camera, gallery):
    film = Film([picture()])
    output = Kept()
    session = play(film, gallery)
    session.add_output(output)
    session.stop()
    assert len(film.closed_by) == 1
    assert output.closed == []
    watch(camera, gallery).stop()


# ---- the end


def test_it_can_be_stopped_twice_and_from_several_threads(camera, gallery):
    session = watch(camera, gallery).start()
    shown(session, lambda view: view.live)
    stoppers = [threading.Thread(target=session.stop) for _ in range(4)]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join(GENEROUS)
        assert not thread.is_alive()
    session.stop()
    assert not session.running
    assert camera.released_by is not None


def test_it_ends_while_the_camera_blocks(camera, gallery):
    session = watch(camera, gallery, timing=QUICK._replace(stall=4.0)).start()
    shown(session, lambda view: view.live)
    camera.scene = None
    assert camera.stalled.wait(GENEROUS)
    begun = time.monotonic()
    session.stop()
    # The stream waits 2 s for a blocked decoder, twice.
    assert time.monotonic() - begun < 9
    assert not session.running
    assert not any(name in threads() for name in ("kface-capture", "kface-inference", "kface-output"))
    camera.resume.set()


def test_who_waits_is_woken_at_the_end(camera, gallery):
    session = watch(camera, gallery).start()
    view = shown(session, lambda view: view.live)
    camera.scene = None
    assert camera.stalled.wait(GENEROUS)
    camera.resume.set()
    waiting = [
        threading.Thread(target=session.wait_events, args=(10**6, 3 * GENEROUS)),
        threading.Thread(target=session.wait_view, args=(view.number + 10**6, 3 * GENEROUS)),
    ]
    begun = time.monotonic()
    for thread in waiting:
        thread.start()
    session.stop()
    for thread in waiting:
        thread.join(GENEROUS)
        assert not thread.is_alive()
    assert time.monotonic() - begun < GENEROUS


def test_at_the_end_everybody_has_left(gallery):
    gallery.add("Kim", unit(KIM))
    output = Kept()
    session = play(Film([picture(AT_KIM)] * 3), gallery)
    session.add_output(output)
    with session:
        session.wait(GENEROUS)
    assert [event.kind for event in output.events] == ["recognised"]
    assert [(event.kind, event.name) for event in output.closed] == [("left", "Kim")]


def test_a_failure_of_the_stream_reaches_the_caller(gallery):
    class Bad(Film):
        def frames(self):
            yield from super(Bad, self).frames()
            raise StreamError("cannot be decoded at frame 2", "file:a.mp4")

    session = play(Bad([picture()] * 2), gallery)
    output = Kept()
    session.add_output(output)
    with pytest.raises(StreamError, match="cannot be decoded"), session:
        session.wait(GENEROUS)
    assert output.closed is not None
    session = play(Bad([picture()] * 2), gallery).start()
    assert until(lambda: not session.running)
    with pytest.raises(StreamError):
        session.stop()
    session.stop()


def test_what_the_caller_fails_with_counts_more(gallery):
    class Bad(Film):
        def frames(self):
            raise StreamError("has no frame", "file:a.mp4")

    def fail():
        with play(Bad([]), gallery) as session:
            assert until(lambda: not session.running)
            raise RuntimeError("the caller's")

    with pytest.raises(RuntimeError, match="the caller's"):
        fail()


def test_without_thresholds_it_does_not_begin(gallery):
    bare = FaceRecognizer(*([make_recognizer().detector, make_recognizer().embedder, "a" * 64]))
    with pytest.raises(ConfigError, match=r"match\.recognised"):
        Session(settings_with(), bare, gallery, lambda on_state: Film([]), "film")


# ---- outputs


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "kept.txt: cannot be written (No space left on device); make",
        ),
        (OSError(errno.EIO, "Input/output error"), "kept.txt: cannot be written (Input/output error); choose another"),
        (OSError("strange"), "kept.txt: cannot be written (strange)"),
        (KFaceError("this OpenCV cannot write this video format", "a.mp4"), "a.mp4: this OpenCV cannot write"),
    ],
)
def test_an_output_that_fails_is_let_go_and_the_others_go_on(gallery, failure, says):
    before, bad, after = Kept(), Kept(failure, OSError(errno.ENOSPC, "again")), Kept()
    session = play(Film([picture(AT_KIM)] * 8), gallery)
    for output in (before, bad, after):
        session.add_output(output)
    with session:
        assert session.wait(GENEROUS)
    assert [len(output.results) for output in (before, bad, after)] == [8, 2, 8]
    assert bad.closed == []
    assert [str(one).startswith(says) for one in session.failures] == [True]
    told = [event for event in session.wait_events(0, 0) if event.kind == "output"]
    assert [event.reason for event in told] == [str(session.failures[0])]


def test_an_output_that_fails_at_the_end_is_told_as_well(gallery):
    bad, good = Kept(fails_closing=KFaceError("nothing was written", "a.mp4")), Kept()
    session = play(Film([picture(AT_KIM)] * 2), gallery)
    session.add_output(bad)
    session.add_output(good)
    with session:
        session.wait(GENEROUS)
    assert [str(one) for one in session.failures] == ["a.mp4: nothing was written"]
    assert ("output", None) in kinds(session)
    assert good.closed is not None


def test_a_mistake_in_an_output_is_not_swallowed(gallery):
    session = play(Film([picture(AT_KIM)] * 8), gallery)
    session.add_output(Kept(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError), session:
        session.wait(GENEROUS)
