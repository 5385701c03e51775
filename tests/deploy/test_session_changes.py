"""A session gets another stream, or another bundle, while it runs."""

import functools
import threading

import pytest
from deploy_fakes import (
    AT_KIM,
    AT_PARK,
    CAMERA,
    FINGERPRINT,
    KIM,
    PARK,
    POINT,
    QUICK,
    Camera,
    FakeDetector,
    FakeEmbedder,
    Film,
    heard,
    install,
    make_recognizer,
    names,
    open_test_gallery,
    picture,
    play,
    settings_with,
    shown,
    unit,
    watch,
    write_film,
)
from waiting import GENEROUS, until

from deploy import line as line_module
from deploy import opening
from deploy import subscription as subscription_module
from deploy.outputs import Output
from kface.errors import ConfigError, GalleryError, KFaceError
from kface.recognizer import FaceRecognizer, OperatingPoint, Runner
from kface.streams import State, Stream, StreamError, StreamSettings, VideoFile

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
OTHER = "b" * 64


class Kept(Output):
    """Keeps what it is given."""

    name = "kept.txt"

    def __init__(self):
        self.rows, self.events, self.closed = [], [], None

    def write(self, result, events):
        self.rows.append((result.frame.number, [identity.name for identity in result.identities], result.ids))
        self.events += events

    def close(self, events):
        self.closed = list(events)


def stream_of(camera, timing=QUICK):
    return lambda on_state: Stream(CAMERA, on_state, timing, opener=camera)


def reasons(session, kind="stream"):
    return [event.reason for event in session.wait_events(0, 0) if event.kind == kind]


def film_of(*people):
    return Film([picture(*people)] * 3)


# ---- another stream


def test_another_camera_takes_the_place_of_the_first(camera, gallery):
    gallery.add("Kim", unit(KIM))
    gallery.add("Park", unit(PARK))
    output = Kept()
    camera.scene = picture(AT_KIM)
    other = Camera(picture(AT_PARK))
    session = watch(camera, gallery)
    session.add_output(output)
    with session:
        kim = heard(session, "recognised", "Kim")
        before = shown(session, lambda view: names(view) == ["Kim"]).number
        session.change_stream(stream_of(other), "rtsp://other")
        assert camera.released_by is not None
        park = heard(session, "recognised", "Park")
        assert shown(session, lambda view: view.number > before and view.live).number > before
        status = session.status
        assert (status.source, status.stream, status.losses) == ("rtsp://other", "live", 0)
        assert session.running
        assert session.wait(0) is False
    assert other.released_by is not None
    # Who was there has left with the old stream, before anybody is met in the new one, whose tracks begin again.
    left = heard(session, "left", "Kim")
    assert kim.number < left.number < park.number
    assert park.track == kim.track == 1
    told = [(event.kind, event.name) for event in output.events if event.name]
    assert told == [("recognised", "Kim"), ("left", "Kim"), ("recognised", "Park")]
    assert [(event.kind, event.name) for event in output.closed] == [("left", "Park")]
    assert reasons(session) == [
        "connecting",
        "live",
        "closed",
        "changed to rtsp://other",
        "connecting",
        "live",
        "closed",
    ]
    # No picture of the old one comes after the first of the new one.
    people = [row[1][0] for row in output.rows if row[1]]
    assert people == sorted(people)


def test_no_picture_of_the_old_stream_is_live_after_the_change(camera, gallery):
    def off(settings):
        raise StreamError("cannot be reached", settings.uri)

    with watch(camera, gallery) as session:
        live = shown(session, lambda view: view.live)
        session.change_stream(stream_of(off), "rtsp://off")
        grey = session.wait_view(live.number, GENEROUS)
        assert not grey.live
        # A camera that is off is the session's, and says so.
        assert until(lambda: "cannot be reached" in session.status.reason)
        with pytest.raises(KFaceError, match="no live picture"):
            session.pick(80, 90)
        session.change_stream(stream_of(Camera(picture(AT_KIM))), "rtsp://on")
        shown(session, lambda view: view.live and len(view.faces) == 1)


def test_a_stream_that_cannot_be_opened_leaves_the_old_one_alone(camera, gallery):
    def wrong(on_state):
        return Stream("file:none.mp4", on_state)

    with watch(camera, gallery) as session:
        shown(session, lambda view: view.live)
        with pytest.raises(ConfigError, match=r"none\.mp4: cannot be opened"):
            session.change_stream(wrong, "none.mp4")
        before = session.status.processed
        assert until(lambda: session.status.processed > before + 5)
        assert (session.status.source, session.status.stream, session.status.losses) == ("rtsp://camera", "live", 0)
    assert reasons(session) == ["connecting", "live", "closed"]


def test_who_waits_for_the_end_waits_for_that_of_the_last_stream(gallery):
    gate = threading.Event()
    first, last = Film([picture(AT_KIM)] * 3, threading.Event()), Film([picture(AT_PARK)] * 5, gate)
    output, ended = Kept(), []
    session = play(first, gallery)
    session.add_output(output)
    with session:
        waits = threading.Thread(target=lambda: ended.append(session.wait(GENEROUS)))
        waits.start()
        assert first.waiting.wait(GENEROUS)
        assert until(lambda: len(output.rows) == 3)
        changes = threading.Thread(target=session.change_stream, args=(lambda on_state: last, "last", False))
        changes.start()
        # The first film's decoder is at work until here.
        first.gate.set()
        changes.join(GENEROUS)
        assert last.waiting.wait(GENEROUS)
        assert ended == []
        gate.set()
        waits.join(GENEROUS)
        assert ended == [True]
        assert session.status.stream == "ended"
    assert [row[0] for row in output.rows][-5:] == [0, 1, 2, 3, 4]
    assert (session.status.captured, session.status.processed) == (8, 8)


def test_a_stream_that_has_ended_or_failed_gives_way_to_another(gallery):
    class Bad(Film):
        def frames(self):
            yield from super(Bad, self).frames()
            raise StreamError("cannot be decoded at frame 3", "file:a.mp4")

    session = play(Bad([picture(AT_KIM)] * 3), gallery).start()
    assert until(lambda: not session.running)
    session.change_stream(lambda on_state: film_of(AT_PARK), "second", drop=False)
    assert session.wait(GENEROUS)
    session.change_stream(lambda on_state: film_of(AT_PARK), "third", drop=False)
    assert session.wait(GENEROUS)
    session.stop()
    assert session.status.processed == 9
    assert "ended: film: file:a.mp4: cannot be decoded at frame 3" in reasons(session)


def test_a_stream_whose_decoder_is_stuck_gives_way_all_the_same(gallery, monkeypatch):
    monkeypatch.setattr(line_module, "Runner", functools.partial(Runner, patience=0.2))
    gate, output = threading.Event(), Kept()
    first = Film([picture(AT_KIM)] * 2, gate)
    session = play(first, gallery)
    session.add_output(output)
    with session:
        assert first.waiting.wait(GENEROUS)
        assert until(lambda: len(output.rows) == 2)
        session.change_stream(lambda on_state: film_of(AT_PARK), "second", drop=False)
        assert session.wait(GENEROUS)
        assert first.closed_by == []
        gate.set()
        # What it was stuck in is its own thread's to release.
        assert until(lambda: first.closed_by == ["kface-capture"])
    assert [row[0] for row in output.rows] == [0, 1, 0, 1, 2]
    assert "ended: film: kface-capture: did not end within 0.2 s" in reasons(session)


def test_a_session_ends_while_a_slow_output_holds_up_a_change(gallery, monkeypatch):
    """The output is in a write, the line waits for it, the change waits for the line, and the end must not wait for ever."""
    monkeypatch.setattr(line_module, "Runner", functools.partial(Runner, patience=0.2))
    monkeypatch.setattr(subscription_module, "MOST", 1)
    begun, go_on = threading.Event(), threading.Event()

    class Stuck(Kept):
        def write(self, result, events):
            begun.set()
            assert go_on.wait(GENEROUS)
            super(Stuck, self).write(result, events)

    output = Stuck()
    session = play(Film([picture(AT_KIM)] * 20), gallery)
    session.add_output(output)
    session.start()
    assert begun.wait(GENEROUS)
    # One is in the write, one queued, one waits for room, and one for the line.
    assert until(lambda: session.status.processed >= 4)
    change = threading.Thread(target=session.change_stream, args=(lambda on_state: film_of(AT_PARK), "second", False))
    change.start()
    change.join(0.5)
    assert change.is_alive()
    stop = threading.Thread(target=session.stop)
    stop.start()
    change.join(GENEROUS)
    assert not change.is_alive()
    go_on.set()
    stop.join(GENEROUS)
    assert not stop.is_alive()
    assert output.closed is not None
    assert session.status.dropped == 0


def test_a_stream_is_live_until_its_last_frame_is_processed(gallery):
    session = play(Film([picture(AT_KIM)]), gallery)
    gate = session.recognizer.embedder.gate = threading.Event()
    with session:
        assert until(lambda: session.stream.state is State.ENDED)
        assert session.status.stream == "live"
        gate.set()
        assert session.wait(GENEROUS)
        assert session.status.stream == "ended"


def test_a_stream_is_changed_before_the_start(gallery):
    first, second = film_of(AT_KIM), film_of(AT_PARK)
    session = play(first, gallery)
    session.change_stream(lambda on_state: second, "second", drop=False)
    assert len(first.closed_by) == 1
    with session:
        assert session.wait(GENEROUS)
    assert session.status.processed == 3


def test_nothing_is_changed_after_the_end(gallery):
    session = play(film_of(AT_KIM), gallery)
    session.stop()
    with pytest.raises(KFaceError, match="the session: has ended"):
        session.change_stream(lambda on_state: film_of(AT_KIM), "x")
    with pytest.raises(KFaceError, match="the session: has ended"):
        session.change_bundle(make_recognizer())


# ---- another bundle


def recognizer_of(fingerprint, operating_point=POINT):
    return FaceRecognizer(FakeDetector(), FakeEmbedder(), fingerprint, operating_point)


def test_another_runtime_of_the_same_model_goes_on_with_the_thresholds_that_were_set(camera, gallery):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        session.set_threshold(0.7)
        old, new = session.recognizer, recognizer_of(FINGERPRINT)
        new.embedder.runtime = "faster"
        assert session.change_bundle(new, "toy") is old
        assert session.recognizer is new
        assert (session.status.runtime, session.threshold) == ("faster", 0.7)
        # The old one may be closed at once.
        old.embedder.run = None
        change = next(event for event in session.wait_events(0, 0) if event.reason == "recognised by toy")
        heard(session, "recognised", "Kim", change.number)
        made = session.enrol(session.pick(230, 90).id, "Park")
        assert made.name == "Park"
        shown(session, lambda view: names(view) == ["Kim", "Park"])


def test_a_bundle_of_another_model_than_the_gallerys_is_refused_and_nothing_changes(camera, gallery):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        old = session.recognizer
        with pytest.raises(GalleryError) as caught:
            session.change_bundle(recognizer_of(OTHER), "other")
        assert (
            "its templates are from another model (aaaaaaaaaaaa) than this one (bbbbbbbbbbbb); recompute them"
            in str(caught.value)
        )
        assert "\n" not in str(caught.value)
        assert session.recognizer is old
        assert session.status.model == "toy"
        before = session.status.processed
        assert until(lambda: session.status.processed > before + 5)
        assert "Kim" in names(shown(session, lambda view: view.live))
        assert session.enrol(session.pick(230, 90).id, "Park").template == 2


def test_an_empty_gallery_goes_over_to_the_new_model(camera, gallery, tmp_path):
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        picked = session.pick(80, 90)
        session.change_bundle(recognizer_of(OTHER, OperatingPoint(0.8, 0.4, 1e-5)), "other")
        assert (session.threshold, session.status.model) == (0.8, "other")
        # What was picked before is embedded by the new model.
        session.enrol(picked.id, "Kim")
        shown(session, lambda view: "Kim" in names(view))
        with pytest.raises(GalleryError, match="from another model"):
            session.change_bundle(make_recognizer())
    with open_test_gallery(tmp_path / "gallery.db") as other, pytest.raises(GalleryError, match="from another model"):
        other.match(unit(KIM))


def test_a_bundle_without_thresholds_is_refused(camera, gallery):
    with watch(camera, gallery) as session:
        with pytest.raises(ConfigError, match=r"match\.recognised"):
            session.change_bundle(recognizer_of(FINGERPRINT, None))
        shown(session, lambda view: view.live)


# ---- another view, another pipeline


def test_the_view_gets_another_size_at_once(camera, gallery):
    with watch(camera, gallery) as session:
        old = shown(session, lambda view: view.live)
        assert old.size == (320, 180)
        session.change_view((160, 90))
        new = shown(session, lambda view: view.live and view.size == (160, 90))
        assert new.number > old.number
        assert session.settings.view == (160, 90)
        # A click is in pixels of the new picture.
        assert new.faces[0].box[0] == pytest.approx(old.faces[0].box[0] / 2, abs=0.2)
        session.enrol(session.pick(40, 45).id, "Kim")
        assert "Kim" in names(shown(session, lambda view: "Kim" in names(view)))
        session.change_stream(lambda on_state: Stream(CAMERA, on_state, QUICK, opener=Camera(None)), "other")
        assert shown(session, lambda view: view.live).size == (160, 90)


def test_a_grey_picture_gets_another_size_as_well(gallery):
    def off(settings):
        raise StreamError("cannot be reached", settings.uri)

    with watch(off, gallery) as session:
        old = session.wait_view(0, GENEROUS)
        assert not old.live
        session.change_view((704, 480))
        new = shown(session, lambda view: view.size == (704, 480))
        assert not new.live
        assert new.image.shape == (480, 704, 3)


def test_the_size_for_the_detector_changes_while_the_stream_goes_on(camera, gallery):
    seen = []
    with watch(camera, gallery) as session:
        detector = session.recognizer.detector
        find = detector.detect_many
        detector.detect_many = lambda images: seen.append(images[0].shape[:2]) or find(images)
        shown(session, lambda view: view.live)
        kim = heard(session, "unknown")
        session.change_pipeline(session.settings.pipeline._replace(dnn_size=(160, 90)))
        assert until(lambda: seen and seen[-1] == (90, 160))
        # All tracks begin again, and it is the same stream.
        assert heard(session, "unknown", after=heard(session, "left", after=kim.number).number).track == 1
        assert session.settings.pipeline.dnn_size == (160, 90)
        assert (session.status.losses, session.status.stream) == (0, "live")
        boxes = shown(session, lambda view: view.live and len(view.faces) == 2).faces
        assert boxes[0].box == pytest.approx((35, 45, 125, 135), abs=6)
        session.change_pipeline(session.settings.pipeline._replace(dnn_size=None))
        assert until(lambda: seen[-1] == (180, 320))
        before = session.settings
        with pytest.raises(ConfigError, match="dnn_size"):
            session.change_pipeline(session.settings.pipeline._replace(dnn_size=(1, 1)))
        assert session.settings == before
    with pytest.raises(KFaceError, match="has ended"):
        session.change_pipeline(before.pipeline)


# ---- from settings


def test_only_what_differs_is_changed(tmp_path, monkeypatch):
    install(monkeypatch.setattr)
    one = str(write_film(tmp_path / "one.avi", [picture(AT_KIM)] * 5))
    two = str(write_film(tmp_path / "two.avi", [picture(AT_KIM, AT_PARK)] * 7))
    settings = settings_with(stream=StreamSettings("file", file=one), loop=True)
    with opening.open_session(settings) as session:
        session.start()
        opening.change_settings(session, settings)
        stream = session.stream
        other = settings._replace(
            stream=StreamSettings("file", file=one, view="704x480"),
            view=(704, 480),
            pipeline=settings.pipeline._replace(dnn_size=(160, 90)),
        )
        opening.change_settings(session, other)
        assert session.stream is stream
        assert (session.settings.view, session.settings.pipeline) == (other.view, other.pipeline)
        # Nothing of it is changed where the stream is refused.
        with pytest.raises(ConfigError, match=r"none\.avi"):
            opening.change_settings(session, settings._replace(stream=StreamSettings("file", file="none.avi")))
        assert session.settings.pipeline == other.pipeline
        assert session.stream is stream
        third = other._replace(stream=StreamSettings("file", file=two), loop=False)
        opening.change_settings(session, third)
        assert session.stream is not stream
        assert session.settings == third
        assert session.wait(GENEROUS)
        # A file that has ended is played again.
        before = session.status.processed
        opening.change_settings(session, third)
        assert session.wait(GENEROUS)
        assert session.status.processed > before


def test_stream_and_bundle_are_changed_by_settings(tmp_path, monkeypatch):
    first = install(monkeypatch.setattr)
    made = [first]

    class Loader(object):
        @staticmethod
        def load(*_, **__):
            made.append(make_recognizer())
            return made[-1]

    one = str(write_film(tmp_path / "one.avi", [picture(AT_KIM)] * 5))
    two = str(write_film(tmp_path / "two.avi", [picture(AT_KIM, AT_PARK)] * 7))
    settings = settings_with(stream=StreamSettings("file", file=one), every_frame=True)
    with opening.open_session(settings) as session:
        session.start()
        assert session.wait(GENEROUS)
        opening.change_stream(session, settings._replace(stream=StreamSettings("file", file=two)))
        assert session.wait(GENEROUS)
        assert (session.status.processed, session.status.source) == (12, "file:" + two)
        with pytest.raises(ConfigError, match=r"none\.avi"):
            opening.change_stream(session, settings._replace(stream=StreamSettings("file", file="none.avi")))
        monkeypatch.setattr(opening, "FaceRecognizer", Loader)
        opening.change_bundle(session, settings)
        assert session.recognizer is made[1]
        assert [one.embedder.closed for one in made] == [True, False]
    assert [one.embedder.closed for one in made] == [True, True]


def test_a_file_that_no_session_takes_is_closed(tmp_path, monkeypatch):
    install(monkeypatch.setattr)
    settings = settings_with(
        stream=StreamSettings("file", file=str(write_film(tmp_path / "one.avi", [picture(AT_KIM)] * 2))),
        every_frame=True,
    )
    with opening.open_session(settings) as session:
        session.stop()
        made = []
        monkeypatch.setattr(opening, "VideoFile", lambda stream: made.append(VideoFile(stream)) or made[-1])
        with pytest.raises(KFaceError, match="has ended"):
            opening.change_stream(session, settings)
    assert made[0].state is State.CLOSED


def test_a_bundle_that_is_refused_is_closed(camera, gallery, monkeypatch):
    gallery.add("Kim", unit(KIM))
    install(monkeypatch.setattr)
    refused = recognizer_of(OTHER)
    monkeypatch.setattr(opening, "open_bundle", lambda settings: (refused, opening.bundle.load("x").manifest))
    with watch(camera, gallery) as session:
        with pytest.raises(GalleryError):
            opening.change_bundle(session, settings_with())
        assert refused.embedder.closed
        assert not session.recognizer.embedder.closed
