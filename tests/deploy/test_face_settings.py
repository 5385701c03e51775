"""Table 7 of the paper with a running session: people, files, undo, thresholds, detector, tracks, and other models."""

import threading

import numpy as np
import pytest
from deploy_fakes import (
    AT_KIM,
    AT_PARK,
    KEY,
    KIM,
    LEE,
    PARK,
    POINT,
    SIMPLE,
    FakeDetector,
    FakeEmbedder,
    Film,
    heard,
    identity,
    names,
    picture,
    play,
    result,
    shown,
    track,
    unit,
    watch,
)
from waiting import until

from deploy import undo
from deploy.score_history import ScoreHistory
from deploy.undo import Deletions
from kface.bundle import ThresholdRow, Thresholds
from kface.errors import ConfigError, GalleryError, KFaceError
from kface.gallery import ADDED, CANCELLED, CHOOSE, REFUSED, Gallery
from kface.gallery.several import choices
from kface.images import encode_png
from kface.recognizer import RECOGNISED, UNKNOWN, FaceRecognizer
from kface.recognizer.embedder import EmbedderOutput
from kface.verification.report import RateEstimate

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
OTHER = "b" * 64
TABLE = Thresholds("pairs", False, 9, 9999, 9, 0, 0, (ThresholdRow(1e-2, 0.3, RateEstimate(0.01), RateEstimate(0.1)),))


class OtherEmbedder(FakeEmbedder):
    """Another model: the same people on other axes."""

    def run(self, crops):
        made = super().run(crops)
        return EmbedderOutput(np.roll(made.vectors, 1, axis=1), made.failed)


def other_recognizer():
    return FaceRecognizer(FakeDetector(), OtherEmbedder(), OTHER, POINT)


def write(folder, name, *people):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_png(picture(*people)))
    return str(path)


@pytest.fixture
def session(gallery):
    with play(Film([picture(AT_KIM, AT_PARK)] * 3), gallery) as made:
        made.wait()
        yield made


def test_files_are_enrolled_with_what_became_of_each(session, gallery, tmp_path):
    folder = tmp_path / "사진 폴더"
    one, two = write(folder, "김.png", AT_KIM), write(folder, "둘.png", AT_KIM, AT_PARK)
    small = write(folder, "small.png", (LEE, 100, 90, 18))
    empty = write(folder, "empty.png")
    torn = folder / "torn.png"
    torn.write_bytes(b"no picture")
    done = []
    found = session.face_settings.add_files(
        "김철수", [one, two, str(torn), small, empty], lambda count, result: done.append((count, result.state))
    )
    assert [each.state for each in found] == [ADDED, CHOOSE, REFUSED, REFUSED, REFUSED]
    assert done == list(enumerate([each.state for each in found], 1))
    assert (found[0].made.name, found[0].made.template) == ("김철수", 1)
    assert "torn" not in found[2].reason
    assert found[2].reason
    assert "size 18 (at least 20 pixels)" in found[3].reason
    assert "faces 0 (exactly 1)" in found[4].reason
    assert choices(found[1]) == (0, 1)
    assert found[0].found.image.size == 0
    # The user picks the right one.
    assert session.face_settings.add_found("박", found[1].found.faces[1]).name == "박"
    assert gallery.match(unit(PARK))[0][0].name == "박"
    assert heard(session, "enrolled", "박")


def test_adding_files_can_be_cancelled_and_what_was_added_stays(session, gallery, tmp_path):
    files = [write(tmp_path, f"{number}.png", AT_KIM) for number in range(3)]
    stop = threading.Event()
    found = session.face_settings.add_files("Kim", files, lambda *_: stop.set(), stop.is_set)
    assert [each.state for each in found] == [ADDED, CANCELLED, CANCELLED]
    assert gallery.list()[0].templates == 1


def test_a_name_that_cannot_be_is_refused_before_any_file(session, tmp_path):
    with pytest.raises(GalleryError, match="a name must not be empty"):
        session.face_settings.add_files(" ", [write(tmp_path, "a.png", AT_KIM)])


def test_a_deletion_is_undone_and_the_person_recognised_again(camera, gallery):
    gallery.add("Kim", unit(KIM), np.full((112, 112, 3), KIM, np.uint8))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        gone = session.face_settings.delete("Kim")
        assert (gone.name, gone.templates, gone.complete) == ("Kim", 1, True)
        shown(session, lambda view: view.faces and "Kim" not in names(view))
        assert session.people() == []
        assert session.face_settings.undo(gone.id) == 1
        shown(session, lambda view: "Kim" in names(view))
        assert session.face_settings.crop(1).mean() == KIM
        with pytest.raises(KFaceError, match="deletion 'd1': can no longer be undone; enrol the person again"):
            session.face_settings.undo(gone.id)
        assert not any(event.reason == "changed by another program" for event in session.wait_events(0, 0))


def test_an_ended_session_keeps_no_deletion(gallery):
    gallery.add("Kim", unit(KIM))
    with play(Film([picture(AT_KIM)]), gallery) as session:
        gone = session.face_settings.delete("Kim")
    with pytest.raises(KFaceError, match="can no longer be undone"):
        session.face_settings.undo(gone.id)


def test_deletions_are_let_go_of_in_time(gallery):
    gallery.add("Kim", unit(KIM))
    now = [0.0]
    kept = Deletions(undo.UNDO_S, lambda: now[0])
    gone = kept.put(gallery.take_out("Kim"))
    now[0] = undo.UNDO_S - 1
    assert kept.get(gone.id).name == "Kim"
    now[0] = undo.UNDO_S
    with pytest.raises(KFaceError, match="can no longer be undone"):
        kept.get(gone.id)
    # By itself, where nobody asks.
    quick = Deletions(0.02)
    gallery.add("Kim", unit(KIM))
    quick.put(gallery.take_out("Kim"))
    assert until(lambda: not quick._kept)


def test_only_the_last_deletions_are_kept(gallery, monkeypatch):
    monkeypatch.setattr(undo, "KEPT", 2)
    kept = Deletions()
    made = []
    for number in range(3):
        gallery.add(f"Kim {number}", unit(KIM))
        made.append(kept.put(gallery.take_out(f"Kim {number}")))
    with pytest.raises(KFaceError, match="can no longer be undone"):
        kept.get(made[0].id)
    assert kept.get(made[2].id).name == "Kim 2"
    kept.close()


def test_two_people_become_one(camera, gallery):
    gallery.add("Kim", unit(KIM))
    gallery.add("Kim C.", unit(PARK))
    with watch(camera, gallery) as session:
        assert session.face_settings.merge("Kim", "Kim C.") == 1
        shown(session, lambda view: names(view) == ["Kim", "Kim"])
        assert len(session.face_settings.templates("Kim")) == 2
        assert session.status.people == 1


def test_the_gallery_is_reviewed_by_the_threshold_in_force(session, gallery):
    gallery.add("Kim", unit(KIM))
    gallery.add("Lee", (0.65 * unit(KIM) + 0.76 * unit(LEE)).astype(np.float32))
    kinds = [one.kind for one in session.face_settings.review().findings]
    assert kinds == ["lookalike", "single", "single"]
    session.set_threshold(0.7)
    assert [one.kind for one in session.face_settings.review().findings] == ["single", "single"]


def test_a_threshold_is_explained_for_those_enrolled(session, gallery):
    assert session.face_settings.curve is None
    session._recognition.thresholds = TABLE
    for name, grey in (("Kim", KIM), ("Park", PARK)):
        gallery.add(name, unit(grey))
    meaning = session.face_settings.meaning(0.3)
    assert (meaning.people, meaning.fmr.value) == (2, 0.01)
    assert meaning.stranger.value == pytest.approx(1 - 0.99**2)
    assert session.face_settings.meaning().threshold == session.threshold == session.face_settings.recommended()
    assert session.face_settings.curve == (0.3, 0.3)


def test_scores_seen_live_count_a_track_once(camera, gallery):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        assert until(lambda: len(session.face_settings.scores()) == 2)
        shown(session, lambda view: view.number > 20)
        seen = {score.name: score for score in session.face_settings.scores()}
        assert sorted(seen, key=str) == ["Kim", None]
        assert seen["Kim"].state == RECOGNISED
        assert seen["Kim"].score == pytest.approx(1, abs=1e-4)
        assert seen[None].score == pytest.approx(0, abs=1e-4)


def test_the_score_history_is_bounded_and_knows_tracks_of_another_stream_apart():
    history = ScoreHistory(3)
    who = identity(UNKNOWN, None, 0.1)
    history.take(result(0, [track(1, who), track(2, identity(UNKNOWN, None, -2.0))]))
    history.take(result(1, [track(1, identity(UNKNOWN, None, 0.2))]))
    assert [one.score for one in history.scores()] == [0.2]
    history.turn_over()
    history.take(result(0, [track(1, who)]))
    assert [one.score for one in history.scores()] == [0.2, 0.1]
    for number in range(2):
        history.take(result(number, alone=[((0, 0, 20, 20), identity(UNKNOWN, None, 0.3 + number))]))
    assert [one.score for one in history.scores()] == [0.1, 0.3, 1.3]
    history.clear()
    assert history.scores() == []


def test_the_smallest_face_and_the_tracks_change_while_the_stream_goes_on(camera, gallery):
    with watch(camera, gallery) as session:
        shown(session, lambda view: len(view.faces) == 2)
        session.face_settings.set_min_face(80)
        assert session.face_settings.min_face == 80
        with pytest.raises(ConfigError, match="detector.min_face"):
            session.face_settings.set_min_face(3)
        assert session.face_settings.min_face == 80
        tracks = SIMPLE.tracks._replace(max_age=7)
        session.change_pipeline(session.settings.pipeline._replace(tracks=tracks))
        assert session.face_settings.tracks == tracks
        # Whoever changes something else from the settings on keeps them.
        assert session.settings.pipeline.tracks == tracks
        session.change_pipeline(session.settings.pipeline._replace(dnn_size=(160, 90)))
        assert session.face_settings.tracks == tracks
        with pytest.raises(ConfigError, match="tracks.max_age"):
            session.change_pipeline(session.settings.pipeline._replace(tracks=tracks._replace(max_age=-1)))
        session.change_pipeline(session.settings.pipeline._replace(tracks=None))
        after = session.wait_view().number
        shown(session, lambda view: view.number > after and len(view.faces) == 2 and view.faces[0].track is None)
        # Enrolment looks with the new detector too.
        assert session._registrar.enrolment._recognizer.detector.min_face == 80


def test_another_model_takes_over_from_kept_crops_while_the_stream_goes_on(camera, gallery):
    crop = np.full((112, 112, 3), KIM, np.uint8)
    gallery.add("Kim", unit(KIM), crop)
    gallery.add("Old", unit(LEE))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        old = session.recognizer
        with pytest.raises(GalleryError, match="1 of 2 templates, of 1 people, have no crop"):
            session.face_settings.reenrol(other_recognizer(), "other", None)
        with pytest.raises(KFaceError, match="cancelled; nothing has changed"):
            session.face_settings.reenrol(other_recognizer(), "other", None, True, cancelled=lambda: True)
        after = session.wait_view().number
        shown(session, lambda view: view.number > after and "Kim" in names(view))
        assert session.recognizer is old
        done = []
        new = other_recognizer()
        before, counts = session.face_settings.reenrol(new, "other", TABLE, True, done.append)
        assert (before, tuple(counts), done) == (old, (1, 1), [1])
        assert session.recognizer is new
        assert session.status.model == "other"
        after = session.wait_view().number
        shown(session, lambda view: view.number > after and "Kim" in names(view))
        assert session.running
        # What is enrolled from now on is the new model's.
        picked = session.pick(230, 90)
        session.enrol(picked.id, "Park")
        shown(session, lambda view: names(view) == ["Kim", "Park"])
    assert gallery.check().damage == ()


def test_a_face_that_was_found_with_the_old_model_is_embedded_again(camera, gallery, tmp_path):
    with watch(camera, gallery) as session:
        found = session.face_settings.add_files("Kim", [write(tmp_path, "two.png", AT_KIM, AT_PARK)])[0].found
        session.face_settings.reenrol(other_recognizer(), "other", None)
        session.face_settings.add_found("Kim", found.faces[0])
        assert gallery.match(np.roll(unit(KIM), 1))[0][0][:2] == ("Kim", pytest.approx(1))


def test_another_gallery_takes_the_place_of_the_first(camera, gallery, tmp_path):
    gallery.add("Kim", unit(KIM))
    with watch(camera, gallery) as session:
        shown(session, lambda view: "Kim" in names(view))
        with Gallery(tmp_path / "other.db", OTHER, KEY) as other:
            other.add("Chulsoo", np.roll(unit(KIM), 1))
            session.change_bundle(other_recognizer(), "other", None, other)
            shown(session, lambda view: "Chulsoo" in names(view))
            assert [person.name for person in session.people()] == ["Chulsoo"]
            session.rename("Chulsoo", "Cheolsu")
            shown(session, lambda view: "Cheolsu" in names(view))
            assert session.gallery is other
            session.stop()
    assert [person.name for person in gallery.list()] == ["Kim"]
