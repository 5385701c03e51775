"""A session: a stream, a recogniser and a gallery together, commanded from any thread, and nothing left of it at the end."""

import errno
import functools
import threading
import time

import numpy as np
import pytest
from deploy_fakes import (
    ALONE,
    DECISION,
    GENEROUS,
    KIM,
    LEE,
    PARK,
    QUICK,
    Camera,
    Film,
    NoGallery,
    make_recognizer,
    open_test_gallery,
    picture,
    play,
    settings_with,
    threads,
    unit,
    until,
    watch,
)

from deploy import session as session_module
from deploy.outputs import Output
from deploy.session import Session
from kface.bundle import Row, Thresholds
from kface.errors import ConfigError, GalleryError, KFaceError, ModelError
from kface.gallery import Limits
from kface.recognizer import FaceRecognizer, Runner
from kface.streams import StreamError
from kface.verification.report import Figure

AT_KIM, AT_PARK = (KIM, 80, 90, 90), (PARK, 230, 90, 90)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    assert threads() == []
    yield
    assert until(lambda: threads() == []), threads()


@pytest.fixture
def gallery(tmp_path):
    with open_test_gallery(tmp_path / "gallery.db") as opened:
        yield opened


@pytest.fixture
def camera():
    return Camera(picture(AT_KIM, AT_PARK))


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


def shown(session, condition, seconds=GENEROUS):
    """Wait for a view that meets a condition, and return it."""
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        view = session.wait_view(number, 1.0)
        if view is not None:
            number = view.number
            if condition(view):
                return view
    raise AssertionError("no such view")


def names(view):
    return [face.name for face in view.faces]


def kinds(session, after=0):
    return [(event.kind, event.person) for event in session.wait_events(after, 0)]


def heard(session, kind, person=None, after=0):
    """Wait for an event."""

    def there():
        return [e for e in session.wait_events(after, 0.1) if e.kind == kind and person in (None, e.person)]

    assert until(there), kinds(session)
    return there()[0]


# ---- the stream, results and states


def test_people_are_recognised_in_a_stream(camera, gallery):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        view = shown(session, lambda view: "Kim" in names(view))
        assert view.live
        assert [face.state for face in view.faces] == ["recognised", "unknown"]
        assert heard(session, "recognised").person == "Kim"
        assert heard(session, "recognised").fmr == DECISION.fmr
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
        with pytest.raises(KFaceError, match="there is no live picture"):
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
    monkeypatch.setattr(session_module, "Runner", functools.partial(Runner, patience=0.2))
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
    assert [(event.kind, event.person) for event in output.closed] == [("left", "Kim")]


def test_a_failure_of_the_stream_reaches_the_caller(gallery):
    class Bad(Film):
        def __iter__(self):
            yield from super(Bad, self).__iter__()
            raise StreamError("has a frame 2 that cannot be decoded", "file:a.mp4")

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
        def __iter__(self):
            raise StreamError("holds no picture", "file:a.mp4")

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
        (OSError(errno.EIO, "Input/output error"), "kept.txt: cannot be written (Input/output error); give another"),
        (OSError("strange"), "kept.txt: cannot be written (strange)"),
        (KFaceError("this OpenCV cannot write such a video", "a.mp4"), "a.mp4: this OpenCV cannot write"),
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


# ---- enrolment


def test_a_face_is_picked_and_enrolled_and_recognised(camera, gallery):
    with watch(camera, gallery) as session:
        view = shown(session, lambda view: len(view.faces) == 2)
        assert names(view) == [None, None]
        picked = session.pick(80, 90)
        assert (picked.track, picked.name, picked.refusals) == (view.faces[0].track, "", ())
        made = session.enrol(picked.id, "  Kim   Chulsoo ")
        assert made.name == "Kim Chulsoo"
        assert made.template in [one.id for one in gallery.templates("Kim Chulsoo")]
        assert shown(session, lambda view: "Kim Chulsoo" in names(view)).faces[0].track == picked.track
        assert heard(session, "enrolled").track == picked.track
        assert heard(session, "enrolled").person == "Kim Chulsoo"
        assert [person.name for person in session.people()] == ["Kim Chulsoo"]
        assert session.status.people == 1
        # Picked once, enrolled once.
        with pytest.raises(KFaceError, match="is not kept any more"):
            session.enrol(picked.id, "Kim Chulsoo")
        assert session.pick_track(picked.track).name == "Kim Chulsoo"
        assert gallery.crop(made.template) is None
    assert not any(event.reason == "changed by another program" for event in session.wait_events(0, 0))


def test_a_decomposed_name_is_enrolled_as_the_composed_one(camera, gallery):
    gallery.add("김", unit(KIM))
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        made = session.enrol(session.pick(80, 90).id, "김")
        assert made.name == "김"
        assert [(one.name, one.templates) for one in session.people()] == [("김", 2)]


def test_crops_are_kept_where_that_is_asked_for(camera, gallery):
    with watch(camera, gallery, keep_crops=True) as session:
        shown(session, lambda view: len(view.faces) == 2)
        picked = session.pick(80, 90)
        made = session.enrol(picked.id, "Kim")
        assert (gallery.crop(made.template) == picked.crop).all()


def test_a_face_that_is_not_good_enough_is_enrolled_by_force_only(camera, gallery):
    with watch(camera, gallery, enrolment=Limits(120.0, 5.0, 0.5, (0.0, 1.0))) as session:
        shown(session, lambda view: len(view.faces) == 2)
        picked = session.pick(80, 90)
        assert [why.split()[0] for why in picked.refusals] == ["size"]
        with pytest.raises(KFaceError) as caught:
            session.enrol(picked.id, "Kim")
        assert "is not good enough to enrol: size 9" in str(caught.value)
        assert gallery.list() == []
        assert session.enrol(picked.id, "Kim", force=True).name == "Kim"


def test_what_cannot_be_enrolled_is_refused_and_nothing_changes(camera, gallery):
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        with pytest.raises(KFaceError, match="'c77': is not kept any more"):
            session.enrol("c77", "Kim")
        picked = session.pick(80, 90)
        with pytest.raises(GalleryError, match="a name must not be empty"):
            session.enrol(picked.id, "  ")
        session._recognizer.embedder.broken = True
        with pytest.raises(ModelError, match="gives no embedding"):
            session.enrol(picked.id, "Kim", force=True)
        session._recognizer.embedder.broken = False
        assert gallery.list() == []
        # After all that the candidate is still there.
        assert session.enrol(picked.id, "Kim").name == "Kim"


def test_enrolment_gets_its_turn_while_frames_keep_coming(camera, gallery):
    camera.fps = 1000.0
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        for number in range(5):
            session.enrol(session.pick(80, 90).id, "Kim {}".format(number), force=True)
        assert len(session.people()) == 5


@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
def test_a_face_is_picked_where_it_is_in_the_view(size, gallery):
    """The view is 640x360: the smaller picture is as it is, the larger one is halved."""
    scale = size[0] // 320
    people = [(grey, x * scale, y * scale, side * scale) for grey, x, y, side in (AT_KIM, AT_PARK)]
    with watch(Camera(picture(*people, size=size)), gallery) as session:
        view = shown(session, lambda view: len(view.faces) == 2)
        assert view.size == (min(size[0], 640), min(size[1], 360))
        for face in view.faces:
            x1, y1, x2, y2 = face.box
            assert session.pick((x1 + x2) / 2, (y1 + y2) / 2).track == face.track
        with pytest.raises(KFaceError, match="there is no face"):
            session.pick(view.size[0] / 2, 2)
        assert session.pick_track(view.faces[1].track).box[0] == pytest.approx(
            view.faces[1].box[0] * size[0] / view.size[0], abs=2
        )


# ---- the gallery changes


def test_renaming_and_deleting_take_effect_with_the_next_pictures(camera, gallery):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        session.rename("Kim", " Kim  Younger")
        shown(session, lambda view: "Kim Younger" in names(view))
        renamed = heard(session, "gallery", "Kim Younger")
        assert renamed.reason == "renamed from Kim"
        heard(session, "recognised", "Kim Younger")
        session.delete("Kim Younger")
        # No track keeps a name that is gone.
        view = shown(session, lambda view: view.live and names(view) == [None, None])
        assert [face.state for face in view.faces] == ["unknown", "unknown"]
        assert session.status.people == 0
        last = heard(session, "gallery", "Kim Younger", renamed.number)
        assert last.reason == "deleted"
        for command in (lambda: session.delete("Nobody"), lambda: session.rename("Nobody", "x")):
            with pytest.raises(GalleryError):
                command()
    assert "changed by another program" not in [event.reason for event in session.wait_events(0, 0)]


def test_a_change_by_another_program_is_noticed(camera, gallery, tmp_path):
    with watch(camera, gallery) as session, open_test_gallery(tmp_path / "gallery.db") as other:
        shown(session, lambda view: len(view.faces) == 2)
        other.add("Park", unit(PARK))
        shown(session, lambda view: "Park" in names(view))
        changes = [event for event in session.wait_events(0, 0) if event.reason == "changed by another program"]
        assert len(changes) == 1
        assert session.status.people == 1
        other.delete("Park")
        shown(session, lambda view: view.live and names(view) == [None, None])


def test_an_own_change_is_not_taken_for_another_programs(camera, gallery, monkeypatch):
    """The change is on the disk, but its command has not yet returned, when the stream looks."""
    monkeypatch.setattr(session_module, "GALLERY_EVERY_S", 0.0)
    gallery.add("Kim", unit(KIM))
    delete = gallery.delete

    def slowly(person):
        found = delete(person)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(gallery, "delete", slowly)
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        session.delete("Kim")
        shown(session, lambda view: view.live and "Kim" not in names(view))
    assert "changed by another program" not in [event.reason for event in session.wait_events(0, 0)]


def test_without_tracks_people_come_and_go_with_the_gallery(camera, gallery):
    with watch(camera, gallery, pipeline=ALONE) as session:
        view = shown(session, lambda view: len(view.faces) == 2)
        assert [face.track for face in view.faces] == [None, None]
        session.enrol(session.pick(230, 90).id, "Park")
        shown(session, lambda view: names(view) == [None, "Park"])
        session.delete("Park")
        shown(session, lambda view: view.live and names(view) == [None, None])


# ---- thresholds


def lookalike():
    """Somebody whose cosine with Kim is 0.8."""
    return (0.8 * unit(KIM) + 0.6 * unit(LEE)).astype(np.float32)


def test_a_threshold_takes_effect_with_the_next_pictures(camera, gallery):
    gallery.add("Kim", lookalike())
    table = Thresholds(
        "pairs",
        True,
        9,
        9,
        9,
        0,
        0,
        (Row(1e-3, 0.85, Figure(0.0009), Figure(0.2)), Row(1e-2, 0.5, Figure(0.009), Figure(0.1))),
    )
    with watch(camera, gallery) as session:
        session._thresholds = table
        shown(session, lambda view: "Kim" in names(view))
        session.set_threshold(0.9)
        assert (session.threshold, session.decision.unknown, session.decision.fmr) == (0.9, 0.3, 0.0009)
        view = shown(session, lambda view: view.live and "Kim" not in names(view))
        assert view.faces[0].state == "undecided"
        session.set_threshold(0.95, 0.85)
        shown(session, lambda view: view.live and view.faces[0].state == "unknown")
        session.set_threshold(0.7)
        assert session.decision.unknown == 0.7
        shown(session, lambda view: "Kim" in names(view))
        # The lower one never lies above.
        session.set_threshold(0.2)
        assert session.decision == (0.2, 0.2, None)


@pytest.mark.parametrize(
    "values", [(1.5,), (float("nan"),), (0.5, 0.6), (0.5, -2.0), ("0.5",), (None,), (True,), (0.5, "x")]
)
def test_what_is_no_threshold_is_refused_and_nothing_changes(values, gallery):
    session = play(Film([picture(AT_KIM)]), gallery)
    with pytest.raises(ConfigError, match=r"match\."):
        session.set_threshold(*values)
    assert session.decision == DECISION
    session.stop()
