"""Somebody in the picture is enrolled, renamed and deleted, and thresholds are changed, while the stream goes on."""

import sqlite3
import time

import cv2
import numpy as np
import pytest
from deploy_fakes import (
    ALONE,
    AT_KIM,
    AT_PARK,
    KIM,
    LEE,
    PARK,
    POINT,
    Camera,
    Film,
    NoGallery,
    heard,
    make_recognizer,
    names,
    open_test_gallery,
    picture,
    play,
    settings_with,
    shown,
    unit,
    watch,
)

from deploy import gallery_watch
from deploy.recognition import Recognition
from kface.bundle import ThresholdRow, Thresholds
from kface.errors import ConfigError, GalleryError, KFaceError, ModelError
from kface.gallery import Limits
from kface.recognizer import OperatingPoint
from kface.recognizer.embedder import EmbedderOutput
from kface.verification.report import RateEstimate

#: An embedding with a cosine of 0.6 with Kim's, and an aligned face.
ALIKE = (0.6 * unit(KIM) + 0.8 * unit(30)).astype(np.float32)[None]
CROP = np.full((112, 112, 3), KIM, np.uint8)

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


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
        assert heard(session, "enrolled").name == "Kim Chulsoo"
        assert [person.name for person in session.people()] == ["Kim Chulsoo"]
        assert session.status.people == 1
        # Picked once, enrolled once.
        with pytest.raises(KFaceError, match="is no longer available"):
            session.enrol(picked.id, "Kim Chulsoo")
        assert session.pick_track(picked.track).name == "Kim Chulsoo"
        assert gallery.crop(made.template) is None
    assert not any(event.reason == "changed by another program" for event in session.wait_events(0, 0))


def test_a_damaged_template_ends_nothing_and_is_counted(camera, gallery):
    gallery.add("Kim", unit(KIM))
    gallery.add("Park", unit(PARK))
    db = sqlite3.connect(gallery.path)
    db.execute("UPDATE template SET sealed = zeroblob(80) WHERE id = 1")
    db.commit()
    db.close()
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Park" in names(view))
        assert session.status.damaged == 1
        assert "Kim" not in names(shown(session, lambda view: len(view.faces) == 2))


def test_a_face_under_another_name_is_a_warning_and_enrolled(camera, gallery):
    gallery.add("Kim", mixed_with_park(0.8))
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        made = session.enrol(session.pick(80, 90).id, "Lee")
        assert made.warning == "looks like Kim (score 0.800)"
        assert heard(session, "enrolled").reason == made.warning
        # More of Lee are more of the same, but for Kim, who is still alike.
        assert session.enrol(session.pick(80, 90).id, "Lee").warning == "looks like Kim (score 0.800)"
        assert session.enrol(session.pick(80, 90).id, "Choi").warning == "the same picture is already enrolled as Lee"
        assert session.enrol(session.pick(230, 90).id, "Park").warning == "looks like Kim (score 0.600)"


def mixed_with_park(part):
    return part * unit(KIM) + (1 - part**2) ** 0.5 * unit(PARK)


def test_a_face_at_the_edge_is_not_enrolled(camera, gallery):
    camera.scene = np.ascontiguousarray(picture((KIM, 45, 90, 90))[:, 20:])
    # What the fakes find ends where the picture does: here no face may be nearer to that than a fifth of its side.
    with watch(camera, gallery, enrolment=Limits(20.0, 5.0, 0.5, (0.0, 1.0), outside=-0.2)) as session:
        shown(session, lambda view: len(view.faces) == 1)
        picked = session.pick(30, 90)
        assert [why.split()[0] for why in picked.refusals] == ["outside"]
        with pytest.raises(KFaceError, match="the face extends beyond the picture"):
            session.enrol(picked.id, "Kim")
        assert gallery.list() == []


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
        with pytest.raises(KFaceError, match="'c77': is no longer available"):
            session.enrol("c77", "Kim")
        picked = session.pick(80, 90)
        with pytest.raises(GalleryError, match="a name must not be empty"):
            session.enrol(picked.id, "  ")
        session.recognizer.embedder.broken = True
        with pytest.raises(ModelError, match="has no embedding"):
            session.enrol(picked.id, "Kim", force=True)
        session.recognizer.embedder.broken = False
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
        with pytest.raises(KFaceError, match="no face at this point"):
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
        # A frame between the gallery's change and the news of it may leave a track undecided.
        view = shown(session, lambda view: names(view) == [None, None] and view.faces[0].state != "undecided")
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


class Damaged(NoGallery):
    """A gallery that leaves out what is damaged, and says so."""

    damage = ()

    def match(self, embeddings, k=1, thresholds=None):
        self.damage = ("Park: template 2 was changed since it was written",)
        return [[("Kim", float(unit(KIM).dot(one)))] for one in embeddings]


def test_a_damaged_template_is_told_once_and_the_others_are_recognised(camera, monkeypatch):
    monkeypatch.setattr(gallery_watch, "GALLERY_EVERY_S", 0.0)
    with watch(camera, Damaged()) as session:
        shown(session, lambda view: names(view) == ["Kim", None])
        told = heard(session, "gallery")
        assert told.reason == "skipped, damaged: Park: template 2 was changed since it was written"
        shown(session, lambda view: view.number > 20)
    assert len([event for event in session.wait_events(0, 0) if event.kind == "gallery"]) == 1


def test_an_own_change_is_not_taken_for_another_programs(camera, gallery, monkeypatch):
    """The change is on the disk, but its command has not yet returned, when the stream looks."""
    monkeypatch.setattr(gallery_watch, "GALLERY_EVERY_S", 0.0)
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
        (
            ThresholdRow(1e-3, 0.85, RateEstimate(0.0009), RateEstimate(0.2)),
            ThresholdRow(1e-2, 0.5, RateEstimate(0.009), RateEstimate(0.1)),
        ),
    )
    with watch(camera, gallery) as session:
        session._recognition.thresholds = table
        shown(session, lambda view: "Kim" in names(view))
        session.set_threshold(0.9)
        assert (session.threshold, session.operating_point.unknown, session.operating_point.fmr) == (0.9, 0.3, 0.0009)
        view = shown(session, lambda view: view.live and "Kim" not in names(view))
        assert view.faces[0].state == "undecided"
        session.set_threshold(0.95, 0.85)
        shown(session, lambda view: view.live and view.faces[0].state == "unknown")
        session.set_threshold(0.7)
        assert session.operating_point.unknown == 0.7
        shown(session, lambda view: "Kim" in names(view))
        # The lower one never lies above.
        session.set_threshold(0.2)
        assert session.operating_point == (0.2, 0.2, None)


@pytest.mark.parametrize(
    "values", [(1.5,), (float("nan"),), (0.5, 0.6), (0.5, -2.0), ("0.5",), (None,), (True,), (0.5, "x")]
)
def test_what_is_no_threshold_is_refused_and_nothing_changes(values, gallery):
    session = play(Film([picture(AT_KIM)]), gallery)
    with pytest.raises(ConfigError, match=r"match\."):
        session.set_threshold(*values)
    assert session.operating_point == POINT
    session.stop()


def test_the_more_are_enrolled_the_stricter_it_is_unless_a_threshold_was_set(gallery, monkeypatch):
    recognizer = make_recognizer()
    monkeypatch.setattr(recognizer, "_decide", lambda people: OperatingPoint(min(0.5 + 0.1 * people, 0.9), 0.3))
    recognition = Recognition(settings_with(), gallery, recognizer, "toy", None)
    assert recognition.operating_point.recognised == 0.5
    gallery.add("Kim", unit(KIM))
    gallery.add("Park", unit(PARK))
    recognition.people_changed()
    assert recognition.operating_point.recognised == 0.7
    recognition.set_threshold(0.55, None)
    gallery.add("Lee", unit(LEE))
    recognition.people_changed()
    assert recognition.operating_point.recognised == 0.55


def test_duplicates_are_warned_of_at_the_threshold_in_force(gallery, monkeypatch):
    recognizer = make_recognizer()
    monkeypatch.setattr(recognizer, "_decide", lambda people: OperatingPoint(0.5 if people < 3 else 0.8, 0.3))
    recognition = Recognition(settings_with(), gallery, recognizer, "toy", None)
    enrolment = recognition.enrolment()
    gallery.add("Kim", unit(KIM))
    # A cosine of 0.6 with Kim: a duplicate among few people, and none among more.
    monkeypatch.setattr(recognizer.embedder, "run", lambda crops: EmbedderOutput(ALIKE, np.zeros((1,), bool)))
    assert enrolment.enrol_face("Park", CROP).warning == "looks like Kim (score 0.600)"
    gallery.delete("Park")
    for name, who in (("Park", PARK), ("Lee", LEE)):
        gallery.add(name, unit(who))
    recognition.people_changed()
    assert enrolment.enrol_face("Choi", CROP).warning is None
    gallery.delete("Choi")
    recognition.set_threshold(0.55, None)
    assert enrolment.enrol_face("Choi", CROP).warning == "looks like Kim (score 0.600)"


# ---- from a file


def test_somebody_is_enrolled_from_an_image_while_the_stream_goes_on(camera, gallery, tmp_path):
    path = tmp_path / "park.png"
    path.write_bytes(cv2.imencode(".png", picture((PARK, 160, 90, 90)))[1].tobytes())
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        assert session.enrol_image(str(path), "Park").template == 1
        shown(session, lambda view: "Park" in names(view))
        assert heard(session, "enrolled", "Park").track is None
        assert (
            session.enrol_image(picture((PARK, 160, 90, 90)), "Lee").warning
            == "the same picture is already enrolled as Park"
        )
        with pytest.raises(KFaceError, match="faces 2"):
            session.enrol_image(picture(AT_KIM, AT_PARK), "Kim")
        with pytest.raises(KFaceError, match=r"none\.png"):
            session.enrol_image(str(tmp_path / "none.png"), "Kim")
    assert "changed by another program" not in [event.reason for event in session.wait_events(0, 0)]
