"""One try of a stream: a picture or the reason, once, in bounded time, and without a thread that stays."""

import threading
import time

import numpy as np
import pytest
from deploy_fakes import AT_KIM, Camera, picture, shown, watch
from stream_tools import write_sample_film
from waiting import GENEROUS, until

from deploy.app.connection_test import ConnectionTest, Outcome
from kface.streams import StreamError, StreamRefusedError, StreamSettings

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
RTSP = StreamSettings("rtsp", address="127.0.0.1", id="me", password="garden", path="/live")
USB = StreamSettings("v4l2", device=7)


def test_a_file_of_the_sample_shows_its_picture(tmp_path):
    file = write_sample_film(tmp_path / "표본 영상.avi")
    outcome = ConnectionTest(StreamSettings("file", file=file)).run()
    assert (outcome.size, outcome.reason) == ((320, 180), "")
    assert outcome.image.shape == (180, 320, 3)
    assert outcome.image.std() > 10


def test_a_file_that_is_not_there_or_no_video(tmp_path):
    missing = ConnectionTest(StreamSettings("file", file=str(tmp_path / "없음.mp4"))).run()
    assert missing.image is None
    assert missing.reason.endswith("없음.mp4: cannot be opened (No such file or directory)")
    (tmp_path / "text.mp4").write_text("no video")
    damaged = ConnectionTest(StreamSettings("file", file=str(tmp_path / "text.mp4"))).run()
    assert "cannot be decoded" in damaged.reason


@pytest.mark.parametrize("error", [StreamRefusedError, StreamError])
def test_a_camera_is_asked_once(error):
    asked = []

    def refuse(settings):
        asked.append(settings)
        raise error("rejected the id or the password", settings.uri, "correct them")

    outcome = ConnectionTest(RTSP, opener=refuse).run()
    assert outcome == Outcome(
        reason="rtsp://127.0.0.1:554/live: rejected the id or the password; correct them",
    )
    assert len(asked) == 1


def test_a_camera_that_is_silent_does_not_take_longer_than_the_patience():
    camera = Camera()
    camera.scene = None
    begun = time.monotonic()
    outcome = ConnectionTest(RTSP, patience=0.3, opener=camera).run()
    assert time.monotonic() - begun < 10
    assert outcome.reason == "rtsp://127.0.0.1:554/live: no frame for 0.3 s" or "within 0.3 s" in outcome.reason
    camera.resume.set()


def test_it_is_cancelled():
    camera = Camera()
    camera.scene = None
    test = ConnectionTest(RTSP, patience=GENEROUS, opener=camera)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(test.run()))
    thread.start()
    assert camera.stalled.wait(GENEROUS)
    begun = time.monotonic()
    test.cancel()
    thread.join(GENEROUS)
    assert outcomes == [Outcome()]
    assert time.monotonic() - begun < 10
    camera.resume.set()


def test_a_camera_that_the_session_holds_is_not_opened_twice(camera, gallery):
    def other(settings):
        raise StreamError("cannot be opened", settings.uri)

    with watch(camera, gallery, stream=USB) as session:
        shown(session, lambda view: view.live)
        outcome = ConnectionTest(USB._replace(fps=3), session, opener=other).run()
        assert (outcome.size, outcome.reason) == ((320, 180), "")
        # Without boxes.
        assert np.array_equal(outcome.image, outcome.image[..., [0, 0, 0]])
        another = ConnectionTest(USB._replace(device="/dev/video8"), session, opener=other).run()
        assert another.reason == "v4l2:///dev/video8: cannot be opened"
    assert "cannot be opened" in ConnectionTest(USB, session, opener=other).run().reason


def test_what_is_wrong_with_a_camera_that_the_session_holds(gallery):
    def off(settings):
        raise StreamError("no such camera", settings.uri, "plug it in")

    with watch(off, gallery, stream=USB) as session:
        assert until(lambda: bool(session.status.reason))
        assert "no such camera" in ConnectionTest(USB, session).run().reason
        test = ConnectionTest(USB, session)
        test.cancel()
        assert test.run() == Outcome()


def test_the_picture_is_that_of_the_camera():
    camera = Camera(picture(AT_KIM))
    outcome = ConnectionTest(RTSP, opener=camera).run()
    assert np.array_equal(outcome.image, picture(AT_KIM))
    assert camera.released_by is not None
