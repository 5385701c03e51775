"""Who was there last: kept with a picture after they have left, and enrolled from it."""

import cv2
import numpy as np
import pytest
from deploy_fakes import AT_KIM, AT_PARK, KIM, PARK, Camera, picture, result, track, watch
from deploy_fakes import identity as identity_of
from waiting import until

from deploy.events import Event
from deploy.registration import measures_of
from deploy.sightings import KEPT, Sightings
from kface.errors import ConfigError, KFaceError
from kface.gallery import Limits
from kface.gallery.quality import Quality
from kface.recognizer import RECOGNISED, UNKNOWN


def met(number, kind, track_number, name=None, box=(10, 20, 60, 80)):
    return Event(number, "2026-11-24T09:30:00.000+09:00", kind, track=track_number, name=name, score=0.5, box=box)


def take(sightings, kind, track_number, name=None):
    state = track(track_number, identity_of(kind, name))
    image = np.full((180, 320, 3), 90, np.uint8)
    sightings.take(result(1, [state], image=image), [met(1, kind, track_number, name)])


def test_each_is_kept_once_and_the_newest_comes_first():
    sightings = Sightings()
    take(sightings, RECOGNISED, 1, "Kim")
    take(sightings, UNKNOWN, 2)
    take(sightings, RECOGNISED, 3, "Kim")
    assert [(one.kind, one.name, one.track) for one in sightings.newest_first()] == [
        (RECOGNISED, "Kim", 3),
        (UNKNOWN, None, 2),
    ]


def test_an_unknown_track_that_is_recognised_later_stays_one():
    sightings = Sightings()
    take(sightings, UNKNOWN, 2)
    (before,) = sightings.newest_first()
    take(sightings, RECOGNISED, 2, "Kim")
    (after,) = sightings.newest_first()
    assert (after.id, after.kind, after.name) == (before.id, RECOGNISED, "Kim")
    assert after.number > before.number


def test_the_oldest_go():
    sightings = Sightings()
    for number in range(KEPT + 3):
        take(sightings, UNKNOWN, number)
    assert [one.track for one in sightings.newest_first()] == list(range(KEPT + 2, 2, -1))
    with pytest.raises(KFaceError, match="no longer available"):
        sightings.get("s1")


def test_names_follow_the_gallery():
    sightings = Sightings()
    take(sightings, RECOGNISED, 1, "Kim")
    take(sightings, RECOGNISED, 2, "Lee")
    sightings.rename("Kim", "Gim")
    sightings.forget("Lee")
    assert [one.name for one in sightings.newest_first()] == ["Gim"]


def test_a_person_who_has_left_is_enrolled_and_recognised_the_next_time(gallery):
    camera = Camera(picture(AT_KIM, AT_PARK))
    with watch(camera, gallery) as session:
        assert until(lambda: len(session.sightings()) == 2)
        camera.scene = picture()
        assert until(lambda: session.status.faces == 0)
        seen = min(session.sightings(), key=lambda one: one.box[0])
        picked = session.pick_sighting(seen.id)
        assert abs(float(picked.crop[20:92, 20:92].mean()) - KIM) < 10
        session.enrol(picked.id, "Kim")
        camera.scene = picture(AT_KIM)
        assert until(lambda: [one.name for one in session.sightings() if one.kind == RECOGNISED] == ["Kim"])
        session.rename("Kim", "Lee")
        assert until(lambda: "Lee" in [one.name for one in session.sightings()])
        session.delete("Lee")
        assert "Lee" not in [one.name for one in session.sightings()]


def test_a_sighting_is_judged_as_it_was_seen(gallery):
    camera = Camera(picture(AT_KIM, (PARK, 270, 90, 90)))
    with watch(camera, gallery, enrolment=Limits(100.0, 5.0, 0.5, (0.0, 1.0))) as session:
        assert until(lambda: len(session.sightings()) == 2)
        live = session.pick_track(session.sightings()[0].track)
        later = session.pick_sighting(session.sightings()[0].id)
        assert [one.value for one in later.measures] == pytest.approx([one.value for one in live.measures], abs=1e-3)
        assert later.refusals == live.refusals != ()


def test_measures_say_what_is_short_and_by_how_much():
    limits = Limits(60.0, 60.0, 0.3, (0.3, 0.75))
    short = {one.what: one.short for one in measures_of(Quality(40.0, 80.0, -0.5, 0.8, 0.0, 0.2), limits)}
    assert short == pytest.approx(
        {"size": -20.0, "sharpness": 0.0, "yaw": -0.2, "pitch": 0.05, "roll": 0.0, "outside": 0.1}
    )
    nothing = Quality(np.nan, np.nan, np.inf, np.inf)
    assert [one.what for one in measures_of(nothing, limits) if one.short] == ["size", "sharpness", "yaw", "pitch"]


def test_a_video_is_recorded_while_the_stream_goes_on(gallery, tmp_path):
    path = str(tmp_path / "film.avi")
    with watch(Camera(picture(AT_KIM)), gallery) as session:
        assert until(lambda: session.status.processed > 2)
        session.start_recording(path)
        assert session.recording == path
        with pytest.raises(KFaceError, match="recorded already"):
            session.start_recording(str(tmp_path / "other.avi"))
        before = session.status.processed
        assert until(lambda: session.status.processed > before + 5)
        assert session.stop_recording() == path
        assert session.recording is None
        assert session.stop_recording() is None
        assert session.failures == []
    film = cv2.VideoCapture(path)
    assert film.read()[0]
    assert film.get(cv2.CAP_PROP_FRAME_WIDTH) == 320


def test_a_picture_of_this_moment_is_saved_in_the_frame_s_size(gallery, tmp_path):
    path = tmp_path / "now.jpg"
    with watch(Camera(picture(AT_KIM, size=(800, 400))), gallery) as session:
        assert until(lambda: session.status.faces == 1)
        session.save_picture(str(path))
        with pytest.raises(ConfigError, match=r"must end in \.jpg"):
            session.save_picture(str(tmp_path / "now.gif"))
        with pytest.raises(ConfigError, match="cannot be written"):
            session.save_picture(str(tmp_path / "none" / "now.jpg"))
    assert cv2.imread(str(path)).shape == (400, 800, 3)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_view_s_size_is_changed_and_a_click_still_finds_the_face(gallery):
    with watch(Camera(picture(AT_KIM, AT_PARK)), gallery) as session:
        assert until(lambda: session.status.faces == 2)
        session.change_view((160, 90))
        number = session.wait_view(0, 1).number
        view = session.wait_view(number, 1)
        assert view.size == (160, 90)
        assert session.pick(AT_PARK[1] / 2, AT_PARK[2] / 2).box[0] > 150
        # A click into a picture of before the change.
        assert session.pick(AT_PARK[1], AT_PARK[2], (320, 180)).box[0] > 150


def test_two_people_who_become_one_are_one_sighting_the_newer():
    sightings = Sightings()
    take(sightings, RECOGNISED, 1, "Kim")
    take(sightings, RECOGNISED, 2, "Lee")
    take(sightings, UNKNOWN, 3)
    sightings.rename("Kim", "Lee")
    assert [(one.name, one.track) for one in sightings.newest_first()] == [(None, 3), ("Lee", 2)]
