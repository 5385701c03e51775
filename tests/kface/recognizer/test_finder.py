"""Finding a frame's faces, step by step: the reduced size, what was found how, and what a whole frame asks of the detector."""

import numpy as np
import pytest
from recognizer_fakes import POINT, FakeDetector, faces_at, grey

from kface.errors import ImageError
from kface.faces import Faces
from kface.recognizer.finder import Finder, FoundFaces
from kface.recognizer.reduced import Reduced
from kface.recognizer.settings import TrackSettings
from kface.recognizer.tracks import Tracker
from kface.recognizer.views import FaceView

ROW = faces_at([(60, 100, 50), (150, 100, 60), (240, 100, 40)])


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((400, 600), None, (400, 600)),
        ((400, 600), (300, 300), (200, 300)),
        ((600, 400), (300, 300), (300, 200)),
        # Never enlarged, and no side becomes nothing.
        ((400, 600), (600, 400), (400, 600)),
        ((400, 600), (900, 900), (400, 600)),
        ((2, 3000), (300, 300), (1, 300)),
        ((0, 0), (300, 300), (0, 0)),
    ],
)
def test_a_frame_is_reduced_in_proportion(shape, size, expected):
    reduced = Reduced.of(grey(7, shape), size)
    assert reduced.image.shape == expected + (3,)
    assert (reduced.image == 7).all()
    if all(shape):
        np.testing.assert_allclose(reduced.scale, [expected[1] / shape[1], expected[0] / shape[0]])


def test_boxes_go_to_the_reduced_frame_and_faces_come_back():
    reduced = Reduced.of(grey(7, (400, 600)), (300, 150))
    np.testing.assert_allclose(reduced.scale, [225 / 600, 150 / 400])
    there = Faces(reduced.boxes(ROW.boxes), ROW.scores, ROW.landmarks * reduced.scale)
    back = reduced.enlarged(there)
    assert back.boxes.dtype == back.landmarks.dtype == np.float32
    for one, other in zip(back, ROW):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert Reduced.of(grey(7), None).enlarged(ROW) is ROW


@pytest.mark.parametrize(
    "wrong", [None, np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), np.uint8)]
)
def test_only_an_image_is_reduced(wrong):
    with pytest.raises(ImageError, match=r"uint8 \(h, w, 3\)"):
        Reduced.of(wrong, (300, 300))


def test_what_was_found_in_other_ways_is_added_by_score():
    first = FoundFaces.of(ROW.take(np.array([0, 2])), np.array([4, 5]))
    both = first.plus(ROW.take(np.array([1])), np.array([-1]), True, True)
    np.testing.assert_array_equal(both.faces.boxes, ROW.boxes)
    assert both.owners.tolist() == [4, -1, 5]
    assert both.looked.tolist() == [True, True, True]
    assert both.copied.tolist() == [False, True, False]
    moved = first.plus(ROW.take(np.array([1])), np.array([6]))
    assert (moved.owners.tolist(), moved.looked.tolist()) == ([4, 6, 5], [True, False, True])
    # Where one of them has no owners, as after the cascade, there are none.
    assert first.plus(ROW.take(np.array([1])), None).owners is None
    assert first.plus(Faces.empty(), None) is first
    kept = both._replace(brightened="clahe", copies=0.5).take(np.array([True, True, False]))
    assert (kept.owners.tolist(), kept.copied.tolist(), kept.brightened, kept.copies) == (
        [4, -1],
        [False, True],
        "clahe",
        0.5,
    )


def test_without_tracks_it_is_the_detectors_word():
    broken = ROW._replace(landmarks=np.concatenate([np.full((1, 5, 2), 3, np.float32), ROW.landmarks[1:]]))
    found = Finder(FakeDetector({10: broken})).find(grey(10))
    assert found.faces.count == 3
    assert (found.owners, found.detected, found.brightened, found.copies) == (None, True, None, 0.0)
    # Nobody could follow a face that cannot be aligned.
    followed = Finder(FakeDetector({10: broken}), Tracker(TrackSettings(), POINT)).find(grey(10))
    np.testing.assert_array_equal(followed.faces.boxes, ROW.boxes[1:])


def test_a_frame_in_which_all_are_followed_asks_for_no_cascade():
    asked = []

    def refine(rgb, boxes):
        asked.append(boxes)
        return ROW.take(np.array([1, 0])), np.array([1, 0])

    tracker = Tracker(TrackSettings(refine=2), POINT)
    detector = FakeDetector({10: ROW}, refine)
    finder = Finder(detector, tracker)
    assert tracker.count == 0
    assert finder.find(grey(10)).detected
    tracker.begin(ROW, [FaceView(face, 50.0, 100.0) for face in ROW.landmarks])
    tracker.finish(np.eye(3, dtype=np.float32), np.zeros((3,), bool), [(None, -2.0)] * 3)
    assert tracker.count == 3
    found = finder.find(grey(10))
    assert (found.detected, len(detector.seen)) == (False, 1)
    np.testing.assert_allclose(asked, [ROW.boxes[:2]])
    # The third just moved on: it is there, and was not looked at.
    assert (found.owners.tolist(), found.looked.tolist()) == ([0, 1, 2], [True, True, False])
