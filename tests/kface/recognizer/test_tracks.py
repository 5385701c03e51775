"""Tracks of people that are boxes and vectors: crossing, leaving, returning, turning, and matches that are wrong."""

import numpy as np
import pytest
from recognizer_fakes import POINT, Gallery, Scene, faces_at, mixed, unit

from kface.errors import ConfigError
from kface.mtcnn.boxes import overlaps
from kface.recognizer.association import best_pairs, clear_pairs
from kface.recognizer.settings import TrackSettings
from kface.recognizer.tracks import Tracker
from kface.recognizer.views import FaceView

STILL = {"ann": (100, 100, 80)}


def numbers(frames, name):
    return [frame[name][0] for frame in frames if name in frame]


def people(frames, name):
    return [(frame[name][1].state, frame[name][1].name) for frame in frames if name in frame]


def test_overlaps():
    iou = overlaps([[0, 0, 10, 10], [20, 20, 30, 30]], [[5, 0, 15, 10], [0, 0, 10, 10], [3, 3, 3, 3]])
    np.testing.assert_allclose(iou, [[50 / 150.0, 1, 0], [0, 0, 0]])
    assert overlaps(np.zeros((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)


def test_only_what_touches_nothing_else_is_clear():
    iou = np.array([[0.8, 0.0, 0.0], [0.0, 0.5, 0.4], [0.0, 0.0, 0.0]])
    assert clear_pairs(iou, 0.3) == [(0, 0)]
    assert clear_pairs(iou, 0.45) == [(0, 0), (1, 1)]
    assert clear_pairs(iou.T, 0.3) == [(0, 0)]
    assert clear_pairs(np.zeros((0, 4)), 0.3) == []


def test_the_best_pair_is_taken_first_and_nobody_twice():
    scores = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert best_pairs(scores, np.ones((2, 2), bool)) == [(0, 0), (1, 1)]
    assert best_pairs(scores, np.array([[False, True], [True, True]])) == [(1, 0), (0, 1)]
    assert best_pairs(scores, np.zeros((2, 2), bool)) == []


def test_a_still_person_is_one_track_and_hardly_embedded():
    scene = Scene(TrackSettings(refresh=20))
    frames = scene.run(30, STILL)
    assert set(numbers(frames, "ann")) == {1}
    assert people(frames, "ann") == [("undecided", "ann")] * 2 + [("recognised", "ann")] * 28
    # Three views at first, one after twenty frames.
    assert [number for number, names in enumerate(scene.embedded) if names] == [0, 1, 2, 22]
    assert [number for number, full in enumerate(scene.detected) if full] == [0, 5, 10, 15, 20, 25]


def test_every_frame_is_detected_where_nobody_is_followed():
    scene = Scene()
    scene.run(4, {})
    assert scene.detected == [True] * 4
    scene.run(3, STILL)
    assert scene.detected[4:] == [True, False, False]


def test_a_stranger_is_unknown_and_a_likeness_in_between_undecided():
    assert people(Scene().run(5, {"eve": (50, 50, 60)}), "eve")[-1] == ("unknown", None)
    looks = {"ann": mixed(unit(0), unit(5), 0.45)}
    assert people(Scene().run(5, STILL, looks=looks), "ann")[-1] == ("undecided", "ann")
    looks = {"ann": mixed(unit(0), unit(5), 0.29)}
    assert people(Scene().run(5, STILL, looks=looks), "ann")[-1] == ("unknown", None)


def test_an_empty_gallery_knows_nobody():
    frames = Scene(gallery=Gallery()).run(4, STILL)
    assert people(frames, "ann") == [("undecided", None)] * 2 + [("unknown", None)] * 2


@pytest.mark.parametrize("every", [1, 3, 5])
def test_people_who_cross_keep_their_tracks(every):
    def places(number):
        # At 20 both are at the same place, and the one further away is hidden from 18 to 22.
        there = {"ann": (100 + 10 * number, 100, 80)}
        if not 18 <= number <= 22:
            there["bob"] = (500 - 10 * number, 100, 70)
        return there

    scene = Scene(TrackSettings(detect_every=every))
    frames = scene.run(41, places)
    assert set(numbers(frames, "ann")) == {1}
    assert set(numbers(frames, "bob")) == {2}
    assert people(frames, "ann")[-1] == ("recognised", "ann")
    assert people(frames, "bob")[-1] == ("recognised", "bob")
    assert scene.ended == []


def test_people_who_change_places_in_one_step_keep_their_tracks():
    scene = Scene()
    scene.run(6, {"ann": (100, 100, 80), "bob": (150, 100, 80)})
    after = scene.run(3, {"ann": (190, 100, 80), "bob": (60, 100, 80)})
    assert set(numbers(after, "ann")) == {1}
    assert set(numbers(after, "bob")) == {2}


def test_one_frame_lost_ends_nothing():
    scene = Scene()
    before = scene.run(7, STILL)
    assert scene.step({}) == {}
    assert scene.detected[7] is True
    states = scene.tracker.states()
    assert [(state.number, state.missing) for state in states] == [(1, 1)]
    after = scene.run(4, STILL)
    assert set(numbers(before + after, "ann")) == {1}
    assert people(after, "ann")[0] == ("recognised", "ann")
    assert scene.tracker.states()[0].missing == 0


def test_a_track_ends_once_its_face_was_missing_for_too_long():
    scene = Scene(TrackSettings(max_age=4))
    scene.run(5, STILL)
    scene.run(4, {})
    assert len(scene.tracker.states()) == 1
    assert scene.ended == []
    scene.step({})
    assert scene.tracker.states() == []
    (ended,) = scene.ended
    assert (ended.number, ended.identity.name, ended.missing) == (1, "ann", 5)


def test_who_returns_in_time_goes_on_elsewhere_and_otherwise_begins_anew():
    scene = Scene(TrackSettings(max_age=4))
    scene.run(5, STILL)
    scene.run(3, {})
    assert numbers([scene.step({"ann": (400, 200, 80)})], "ann") == [1]
    scene.run(6, {})
    assert numbers([scene.step({"ann": (400, 200, 80)})], "ann") == [2]


def test_who_takes_the_place_of_one_who_left_is_somebody_else():
    scene = Scene()
    scene.run(5, STILL)
    scene.run(2, {})
    frames = scene.run(4, {"bob": (100, 100, 80)})
    assert set(numbers(frames, "bob")) == {2}
    assert people(frames, "bob")[-1] == ("recognised", "bob")
    assert [state.missing for state in scene.tracker.states()] == [6, 0]


def test_a_person_slipped_in_between_two_frames_takes_over_with_a_new_track():
    scene = Scene(TrackSettings(refresh=10))
    scene.run(6, STILL)
    frames = scene.run(20, {"bob": (100, 100, 80)})
    assert numbers(frames, "bob")[0] == 1
    assert numbers(frames, "bob")[-1] == 2
    assert people(frames, "bob")[-1] == ("recognised", "bob")
    assert [state.identity.name for state in scene.ended] == ["ann"]
    # The view after ten frames gives it away, and two more have to agree.
    assert numbers(frames, "bob").count(1) <= 10


def test_views_that_agree_with_nothing_take_nothing_over():
    scene = Scene(TrackSettings(refresh=5))
    scene.run(6, STILL)
    for number in range(12):
        frame = scene.step(STILL, looks={"ann": unit(3 + number)})
        assert (frame["ann"][0], frame["ann"][1].state, frame["ann"][1].name) == (1, "recognised", "ann")


@pytest.mark.parametrize("when", [0, 1, 2, 9])
def test_a_wrong_match_in_one_frame_is_outvoted(when):
    scene = Scene(TrackSettings(refresh=1))
    for number in range(12):
        frame = scene.step(STILL, looks={"ann": unit(1)} if number == when else None)
        identity = frame["ann"][1]
        assert (identity.state, identity.name) != ("recognised", "bob")
    assert (identity.state, identity.name) == ("recognised", "ann")
    assert frame["ann"][0] == 1


def test_a_large_sharp_face_outvotes_small_blurred_ones():
    scene = Scene(TrackSettings(refresh=1))
    scene.run(2, {"ann": (100, 100, 30)}, looks={"ann": unit(1)}, sharp={"ann": 10.0})
    frame = scene.step({"ann": (100, 100, 44)}, sharp={"ann": 400.0})
    assert (frame["ann"][1].state, frame["ann"][1].name) == ("recognised", "ann")
    assert frame["ann"][1].votes == 3


def test_views_that_differ_are_embedded_again_and_each_only_once():
    scene = Scene(TrackSettings(refresh=1000))
    scene.run(3, STILL)
    scene.embedded = []
    scene.run(2, STILL, turned={"ann": 4.0})
    scene.run(2, STILL, turned={"ann": 8.0})
    scene.run(2, STILL, turned={"ann": -8.0})
    scene.run(2, STILL, turned={"ann": 8.0})
    assert [number for number, names in enumerate(scene.embedded) if names] == [2, 4]
    scene.embedded = []
    scene.run(2, STILL, sharp={"ann": 150.0})
    scene.run(2, STILL, sharp={"ann": 250.0})
    assert [number for number, names in enumerate(scene.embedded) if names] == [2]


def test_a_face_that_comes_closer_stays_the_same_and_is_embedded_again():
    scene = Scene(TrackSettings(refresh=1000))
    frames = scene.run(40, lambda number: {"ann": (100, 100, 40 + 3 * number)})
    assert set(numbers(frames, "ann")) == {1}
    grown = [number for number, names in enumerate(scene.embedded) if names][3:]
    # From 46 pixels (the third view) to 157, by more than 1.3 each time.
    assert len(grown) == 4
    back = scene.run(35, lambda number: {"ann": (100, 100, 157 - 3 * number)})
    assert set(numbers(back, "ann")) == {1}
    assert not any(scene.embedded[40:])


def test_only_so_many_views_are_kept():
    scene = Scene(TrackSettings(max_views=5, refresh=1))
    frames = scene.run(20, STILL)
    assert [frame["ann"][1].votes for frame in frames] == [1, 2, 3, 4] + [5] * 16


def test_a_new_enrolment_is_seen_without_another_embedding():
    gallery = Gallery()
    scene = Scene(TrackSettings(refresh=1000), gallery)
    scene.run(5, {"ann": (100, 100, 80), "eve": (300, 100, 80)})
    gallery.people["eve"] = unit(2)
    scene.tracker.rematch(lambda some: [row[0] for row in gallery.match(some, 1)])
    assert gallery.calls[-1] == 6
    states = {state.number: state.identity for state in scene.tracker.states()}
    assert (states[2].state, states[2].name) == ("recognised", "eve")
    assert states[1].state == "unknown"
    Tracker(TrackSettings(), POINT).rematch(lambda some: pytest.fail("nobody is there"))


def test_all_faces_of_a_frame_are_asked_for_at_once():
    scene = Scene(TrackSettings(budget=4))
    four = {name: (100 * number + 50, 100, 60) for number, name in enumerate(("ann", "bob", "eve", "dan"))}
    scene.run(3, four)
    assert scene.embedded == [["ann", "bob", "dan", "eve"]] * 3


def test_followed_faces_take_turns_where_there_are_too_many():
    scene = Scene(TrackSettings(budget=2, refresh=1000))
    four = {name: (100 * number + 50, 100, 60) for number, name in enumerate(("ann", "bob", "eve", "dan"))}
    scene.run(6, four)
    first, last = ["ann", "bob"], ["dan", "eve"]
    assert scene.embedded == [["ann", "bob", "dan", "eve"], first, last, first, last, []]


def test_a_newcomer_is_found_at_the_next_detection():
    scene = Scene(TrackSettings(detect_every=4))
    scene.run(2, STILL)
    frames = scene.run(4, dict(STILL, bob=(300, 100, 80)))
    assert ["bob" in frame for frame in frames] == [False, False, True, True]


def test_a_face_that_left_brings_the_cascade_back_only_once():
    scene = Scene(TrackSettings(detect_every=10))
    scene.run(2, dict(STILL, bob=(300, 100, 80)))
    scene.run(8, STILL)
    assert scene.detected == [True, False, True] + [False] * 7


def test_somebody_else_at_a_missing_ones_place_while_others_are_followed():
    scene = Scene(TrackSettings(detect_every=10))
    scene.run(4, dict(STILL, bob=(300, 100, 80)))
    scene.run(2, STILL)
    frames = scene.run(4, dict(STILL, eve=(300, 100, 80)))
    assert not any(scene.detected[6:])
    assert set(numbers(frames, "eve")) == {3}
    frames = scene.run(2, dict(STILL, bob=(300, 100, 80), eve=(500, 100, 80)))
    assert set(numbers(frames, "ann")) == {1}


def test_who_looks_otherwise_after_a_crossing_stays_where_the_track_was():
    scene = Scene(TrackSettings(detect_every=1))
    scene.run(4, {"ann": (100, 100, 80), "bob": (160, 100, 80)})
    frame = scene.step({"ann": (90, 100, 80), "bob": (172, 100, 80)}, looks={"bob": unit(7)})
    assert (frame["ann"][0], frame["bob"][0]) == (1, 2)


def test_the_one_in_front_is_followed_while_the_one_behind_is_missing():
    scene = Scene(TrackSettings(detect_every=6))
    scene.run(2, {"ann": (100, 100, 80), "bob": (150, 100, 80)})
    frames = scene.run(4, {"bob": (130, 100, 80)})
    assert scene.detected[-3:] == [False] * 3
    assert scene.embedded[-3:] == [[], [], []]
    assert set(numbers(frames, "bob")) == {2}
    assert [state.missing for state in scene.tracker.states()] == [4, 0]


def test_strangers_count_only_in_a_row():
    scene = Scene(TrackSettings(refresh=1))
    scene.run(4, STILL)
    for number in range(12):
        frame = scene.step(STILL, looks={"ann": unit(2)} if number % 3 < 2 else None)
        assert (frame["ann"][0], frame["ann"][1].name) == (1, "ann")
    assert scene.step(STILL, looks={"ann": unit(2)})["ann"][0] == 1


def test_a_missing_track_is_not_looked_for_where_another_is():
    scene = Scene()
    scene.run(3, {"ann": (100, 100, 80), "bob": (150, 100, 80)})
    scene.step({"ann": (130, 100, 80)})
    assert len(scene.tracker.states()) == 2
    assert len(scene.tracker.boxes) == 1


def test_a_face_without_an_embedding_is_followed_and_undecided():
    tracker = Tracker(TrackSettings(), POINT)
    faces = faces_at([(50, 50, 40)])
    for _ in range(3):
        assert tracker.begin(faces, [FaceView(np.zeros((5, 2)), 40.0, 100.0)]) == [0]
        assert tracker.finish(np.zeros((1, 16), np.float32), np.array([True]), [(None, -2.0)]) == [1]
    (state,) = tracker.states()
    assert (state.identity.state, state.identity.votes, state.frames) == ("undecided", 0, 3)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"detect_every": 0}, "detect_every"),
        ({"detect_every": 2.5}, "detect_every"),
        ({"max_age": -1}, "max_age"),
        ({"iou_threshold": 0.0}, "iou_threshold"),
        ({"min_views": True}, "min_views"),
        ({"max_views": 2}, "max_views"),
        ({"budget": 0}, "budget"),
        ({"refresh": 0}, "refresh"),
        ({"moved": 0}, "moved"),
        ({"grown": 1.0}, "grown"),
        ({"sharpened": 0.5}, "sharpened"),
        ({"takeover": 0}, "takeover"),
    ],
)
def test_wrong_settings(wrong, key):
    with pytest.raises(ConfigError, match="tracks." + key) as caught:
        Tracker(TrackSettings(**wrong), POINT)
    assert "\n" not in str(caught.value)
