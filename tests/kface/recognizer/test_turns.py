"""Where many faces are followed they take turns: who is looked at, where the others are meanwhile, and who is who after."""

import numpy as np
import pytest
import recognizer_fakes as fakes
from recognizer_fakes import POINT, FakeDetector, FakeEmbedder, Gallery, faces_at, grey, unit

from kface.faces import Faces
from kface.mtcnn.boxes import overlaps
from kface.mtcnn.refine import beside
from kface.recognizer import FaceRecognizer, Pipeline, PipelineSettings, TrackSettings
from kface.recognizer.tracks import AFRESH, Tracker
from kface.recognizer.views import FaceView


def row_of(count, step=0.0, apart=120):
    """Return faces side by side that have moved by so many pixels."""
    return faces_at([(60 + apart * number + step, 100, 60) for number in range(count)])


def views(faces):
    return [FaceView(np.zeros((5, 2)), 60.0, 100.0) for _ in range(faces.count)]


def show(tracker, faces, owners=None, looked=None, people=None):
    """Show a frame, and return the numbers of the tracks and which faces were embedded."""
    which = tracker.begin(faces, views(faces), owners, looked)
    vectors = np.array([unit((people or range(16))[face]) for face in which], np.float32).reshape(-1, 16)
    return tracker.finish(vectors, np.zeros((len(which),), bool), [("x", 0.0)] * len(which)), which


def follow(tracker, faces, people=None):
    """Show faces of which only those are looked at whose turn it is; the tracker says where the others are."""
    turn = tracker.turn()
    others, owners = tracker.moved_on(turn)
    together = Faces(*(np.concatenate(values) for values in zip(faces.take(turn), others)))
    looked = np.repeat([True, False], [len(turn), others.count])
    ids, which = show(tracker, together, np.concatenate([turn, owners]), looked, people)
    return turn.tolist(), ids, which, together


def test_all_are_looked_at_where_they_are_few_enough():
    tracker = Tracker(TrackSettings(refine=3), POINT)
    show(tracker, row_of(3))
    for _ in range(4):
        turn, ids, _, _ = follow(tracker, row_of(3))
        assert (turn, ids) == ([0, 1, 2], [1, 2, 3])
    assert tracker.moved_on(np.arange(3))[0].count == 0


def test_many_take_turns():
    tracker = Tracker(TrackSettings(refine=2), POINT)
    show(tracker, row_of(5))
    turns = [follow(tracker, row_of(5))[0] for _ in range(5)]
    assert turns == [[0, 1], [2, 3], [0, 4], [1, 2], [0, 3]]
    # The cascade has looked at everybody: the turns begin anew.
    show(tracker, row_of(5))
    assert tracker.turn().tolist() == [0, 1]


def test_those_in_each_others_way_are_looked_at_together_and_more_often():
    faces = faces_at([(60, 100, 60), (200, 100, 60), (340, 100, 60), (500, 100, 60), (530, 100, 60)])
    tracker = Tracker(TrackSettings(refine=2), POINT)
    show(tracker, faces)
    turns = [follow(tracker, faces)[0] for _ in range(6)]
    assert turns[0] == [3, 4]
    assert all((3 in turn) == (4 in turn) for turn in turns)
    assert sum(3 in turn for turn in turns) == 3
    assert {place for turn in turns for place in turn} == set(range(5))


def test_missing_ones_have_their_turn_and_are_nowhere_meanwhile():
    tracker = Tracker(TrackSettings(refine=1), POINT)
    show(tracker, row_of(3))
    show(tracker, row_of(2))
    turns = []
    for _ in range(6):
        turn = tracker.turn()
        others, owners = tracker.moved_on(turn)
        assert owners.tolist() == [place for place in (0, 1) if place not in turn]
        assert tracker.lost(turn, turn) == []
        found = turn[turn < 2]
        together = Faces(*(np.concatenate(values) for values in zip(row_of(2).take(found), others)))
        looked = np.repeat([True, False], [len(found), others.count])
        assert sorted(show(tracker, together, np.concatenate([found, owners]), looked)[0]) == [1, 2]
        turns.append(turn.tolist())
    assert sorted(turns[:3]) == sorted(turns[3:]) == [[0], [1], [2]]
    assert [state.missing for state in tracker.states()] == [0, 0, 7]


def test_only_whose_turn_it_is_can_be_lost():
    tracker = Tracker(TrackSettings(refine=2), POINT)
    show(tracker, row_of(4))
    turn = tracker.turn()
    assert turn.tolist() == [0, 1]
    assert tracker.lost(np.array([1]), turn) == [0]
    assert tracker.lost(np.array([0, 1]), turn) == []
    assert tracker.lost(np.array([0, 1])) == [2, 3]


def test_faces_go_on_as_they_moved():
    tracker = Tracker(TrackSettings(refine=1), POINT)
    show(tracker, row_of(2))
    for number in range(1, 9):
        faces = row_of(2, 4.0 * number)
        turn, ids, _, together = follow(tracker, faces)
        for place, owner in enumerate(ids):
            late = np.abs(together.boxes[place] - faces.boxes[owner - 1]).max()
            np.testing.assert_allclose(together.landmarks[place], faces.landmarks[owner - 1], atol=late + 1e-3)
            # Before it was looked at twice nobody can know.
            assert late < (1e-3 if owner - 1 in turn or number > 3 else 9)
    states = tracker.states()
    np.testing.assert_allclose([state.box for state in states], row_of(2, 32.0).boxes, atol=1e-3)
    np.testing.assert_allclose([state.landmarks for state in states], row_of(2, 32.0).landmarks, atol=1e-3)


def test_a_jump_is_no_movement():
    tracker = Tracker(TrackSettings(refine=1, iou_threshold=0.1), POINT)
    show(tracker, row_of(2))
    show(tracker, row_of(2, 20.0))
    turn = tracker.turn()
    np.testing.assert_allclose(tracker.moved_on(turn)[0].boxes, row_of(2, 20.0).boxes[1:], atol=1e-3)
    # Slower, it is one.
    tracker = Tracker(TrackSettings(refine=1), POINT)
    show(tracker, row_of(2))
    show(tracker, row_of(2, 14.0))
    np.testing.assert_allclose(tracker.moved_on(tracker.turn())[0].boxes, row_of(2, 28.0).boxes[1:], atol=1e-3)


def test_who_was_away_has_no_movement():
    tracker = Tracker(TrackSettings(refine=1), POINT)
    for step in (0.0, 8.0):
        show(tracker, row_of(2, step))
    show(tracker, row_of(2, 8.0).take(np.array([0])))
    show(tracker, row_of(2, 10.0))
    assert tracker.turn().tolist() == [0]
    np.testing.assert_allclose(tracker.moved_on(np.array([0]))[0].boxes, row_of(2, 10.0).boxes[1:], atol=1e-3)


def test_only_faces_that_were_looked_at_are_embedded():
    tracker = Tracker(TrackSettings(refine=2, budget=5), POINT)
    show(tracker, row_of(4))
    for _ in range(4):
        turn, ids, which, _ = follow(tracker, row_of(4))
        assert [ids[face] - 1 for face in which] == turn
    states = tracker.states()
    assert [state.identity.votes for state in states] == [3, 3, 3, 3]
    assert follow(tracker, row_of(4))[2] == []


def test_two_who_part_while_nobody_looks_are_told_apart_once_somebody_does():
    tracker = Tracker(TrackSettings(refine=2, min_views=1), POINT)
    near = faces_at([(100, 100, 60), (140, 100, 60), (400, 100, 60), (520, 100, 60)])
    for _ in range(2):
        show(tracker, near)
    apart = faces_at([(100, 100, 60), (160, 100, 60), (400, 100, 60), (520, 100, 60)])
    # Not looked at, they are still in doubt; looked at, both are embedded.
    looked = np.array([False, False, True, True])
    assert show(tracker, apart, np.arange(4), looked) == ([1, 2, 3, 4], [])
    assert show(tracker, apart, np.arange(4)) == ([1, 2, 3, 4], [0, 1])
    assert show(tracker, apart, np.arange(4)) == ([1, 2, 3, 4], [])


def test_newcomers_beside_those_that_are_followed():
    tracker = Tracker(TrackSettings(min_views=1), POINT)
    show(tracker, row_of(2))
    ids, which = show(tracker, row_of(3), np.array([0, 1, -1]))
    assert (ids, which) == ([1, 2, 3], [2])
    # One who left and comes back elsewhere is known by likeness.
    show(tracker, row_of(2), np.array([0, 1]))
    back = faces_at([(60, 100, 60), (180, 100, 60), (700, 100, 60)])
    assert show(tracker, back, np.array([0, 1, -1])) == ([1, 2, 3], [2])


def test_when_faces_are_followed():
    tracker = Tracker(TrackSettings(detect_every=2), POINT)
    assert (tracker.due, tracker.follows) == (True, False)
    show(tracker, row_of(2))
    seen = []
    for _ in range(2 * AFRESH):
        seen.append((tracker.due, tracker.follows))
        show(tracker, row_of(2), np.arange(2) if tracker.follows else None)
    # The cascade is due every other time, and the last time it looks afresh.
    assert seen == [(False, True), (True, True)] * (AFRESH - 1) + [(False, True), (True, False)]
    assert (tracker.due, tracker.follows) == (False, True)
    show(tracker, Faces.empty(), np.zeros((0,), np.int64))
    assert (tracker.due, tracker.follows) == (True, False)
    always = Tracker(TrackSettings(detect_every=1), POINT)
    show(always, row_of(2))
    assert (always.due, always.follows) == (True, False)


class Walkers(object):
    """Six people that go to the right: what the cascade and O-Net would find of them."""

    def __init__(self, settings, blind=(), people=6):
        self.now = row_of(people)
        self.asked = []
        self.cascade = []
        self.others = []
        self.blind = set(blind)
        self.walk = 0
        detector = self.detector = FakeDetector({}, self._refine)
        detector.detect = lambda rgb: self.cascade.append(self.walk) or self.now
        detector.detect_others = self._others
        recognizer = FaceRecognizer(detector, FakeEmbedder(), "f", POINT)
        self.pipeline = Pipeline(recognizer, Gallery({"ann": unit(1)}), PipelineSettings(settings))

    def _others(self, rgb, known):
        self.others.append((self.walk, len(known)))
        free = overlaps(self.now.boxes, known).max(axis=1) < 0.3
        return self.now.take(free)

    def _refine(self, rgb, boxes):
        self.asked.append(boxes)
        iou = overlaps(boxes, self.now.boxes)
        owners = [place for place in range(len(boxes)) if iou[place].max() > 0.5 and not self._misses(boxes[place])]
        return self.now.take(np.array([int(iou[place].argmax()) for place in owners], np.int64)), np.array(
            owners, np.int64
        )

    def _misses(self, box):
        """The blind spot: a box of this size exactly where the face is."""
        face = int(overlaps(box[None], self.now.boxes)[0].argmax())
        return face in self.blind and abs(overlaps(box[None], self.now.boxes[face : face + 1])[0, 0] - 1) < 0.05

    def step(self, pixels=2.0):
        self.walk += 1
        self.now = row_of(self.now.count, pixels * self.walk)
        return self.pipeline.process(grey(10, (200, 1000)))


def test_six_who_walk_are_one_track_each_for_half_the_work():
    walkers = Walkers(TrackSettings(detect_every=10, refine=3))
    for number in range(30):
        result = walkers.step()
        assert sorted(result.ids) == [1, 2, 3, 4, 5, 6]
        assert (np.diff(result.faces.scores) <= 0).all()
        for place, track in enumerate(result.ids):
            late = np.abs(result.faces.boxes[place] - walkers.now.boxes[track - 1]).max()
            assert late < (1e-3 if number > 3 else 5)
    assert [len(boxes) for boxes in walkers.asked] == [3] * 29
    assert walkers.cascade == [1]
    assert walkers.others == [(11, 6), (21, 6)]


def test_what_is_missed_by_a_hair_is_looked_for_beside():
    walkers = Walkers(TrackSettings(detect_every=10), blind=[1], people=2)
    results = [walkers.step(0.0) for _ in range(3)]
    assert [(result.ids, result.detected) for result in results] == [((1, 2), True), ((1, 2), False), ((1, 2), False)]
    assert [len(boxes) for boxes in walkers.asked] == [2, 2, 2, 2]
    np.testing.assert_allclose(walkers.asked[1], beside(walkers.now.boxes[1:]))


def test_a_neighbour_is_not_taken_for_who_is_lost():
    walkers = Walkers(TrackSettings(detect_every=10), people=2)
    walkers.step(0.0)
    both = walkers.now

    def refine(rgb, boxes):
        """The second is gone; beside its place there is the first."""
        walkers.now = both.take(np.array([0]))
        return walkers.now, np.array([0])

    walkers.detector.refine = refine
    result = walkers.pipeline.process(grey(10, (200, 1000)))
    assert (result.ids, result.detected, walkers.cascade) == ((1,), True, [1, 1])
    assert [(track.number, track.missing) for track in result.tracks] == [(1, 0), (2, 1)]


def test_a_newcomer_is_found_when_the_cascade_is_due():
    walkers = Walkers(TrackSettings(detect_every=4), people=2)
    walkers.step()
    walkers.now = row_of(3, 2.0)
    results = [walkers.step() for _ in range(4)]
    assert [result.faces.count for result in results] == [2, 2, 2, 3]
    assert [result.detected for result in results] == [False, False, False, True]
    assert results[-1].ids[-1] == 3
    assert results[-1].embedded >= 1
    assert results[-1].tracks[-1].score == walkers.now.scores[2]
    assert walkers.cascade == [1]


def test_in_the_reduced_frame_those_not_looked_at_are_known_there():
    seen = []
    detector = FakeDetector({10: row_of(4)}, lambda rgb, boxes: (fakes_at(boxes), np.arange(len(boxes))))
    detector.detect_others = lambda rgb, known: seen.append((rgb.shape, known)) or row_of(1, 400.0)
    recognizer = FaceRecognizer(detector, FakeEmbedder(), "f", POINT)
    settings = PipelineSettings(TrackSettings(detect_every=2, refine=2), (500, 200))
    pipeline = Pipeline(recognizer, None, settings)
    pipeline.process(grey(10, (400, 1000)))
    result = pipeline.process(grey(10, (400, 1000)))
    result = pipeline.process(grey(10, (400, 1000)))
    ((shape, known),) = seen
    assert shape == (200, 500, 3)
    np.testing.assert_allclose(sorted(known[:, 0]), sorted(row_of(4).boxes[:, 0]), atol=1e-3)
    np.testing.assert_allclose(sorted(result.faces.boxes[:, 0])[-1], 2 * row_of(1, 400.0).boxes[0, 0], atol=1e-3)
    assert result.ids[result.faces.boxes[:, 0].argmax()] == 5


def fakes_at(boxes):
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return fakes.faces_at(np.concatenate([middle, (boxes[:, 2:3] - boxes[:, :1])], axis=1))


@pytest.mark.parametrize("value", [0, 2.5, True])
def test_wrong_settings(value):
    from kface.errors import ConfigError

    with pytest.raises(ConfigError, match="tracks.refine"):
        Tracker(TrackSettings(refine=value), POINT)
