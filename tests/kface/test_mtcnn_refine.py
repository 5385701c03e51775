"""O-Net on the boxes of the frame before: the same as on the whole image, and whose face is whose."""

import numpy as np
import pytest
from cascades import cascade, cascades

from kface.errors import ImageError
from kface.images import read_image
from kface.mtcnn import Detector
from kface.mtcnn import boxes as box
from kface.mtcnn.refine import beside


@pytest.fixture(scope="module", params=cascades())
def detector(request):
    with cascade(request.param, min_face=39.8, threads=1) as made:
        yield made


@pytest.fixture(scope="module")
def sheet(request):
    """Twelve faces of the procedural sample."""
    image = read_image(str(request.config.rootdir / "docs" / "images" / "sample.jpg"))
    return np.ascontiguousarray(image[:510, :680])


def whole(detector, image, boxes):
    """O-Net on crops of the whole image, one box at a time."""
    stages = detector._stages
    prepared = stages.prepare(image)
    squares = box.square(np.asarray(boxes, np.float64))
    return [detector._faces(one[None], stages.refine("onet", [prepared], [one[None]])[0]) for one in squares]


def test_as_on_the_whole_image(detector, sheet):
    faces = detector.detect(sheet)
    assert faces.count >= 8
    moved = faces.boxes + np.random.RandomState(0).uniform(-4, 4, faces.boxes.shape)
    refined = detector.refine(sheet, moved)
    assert sorted(refined.owners) == list(range(faces.count))
    assert (np.diff(refined.faces.scores) <= 0).all()
    expected = whole(detector, sheet, moved)
    for place, owner in enumerate(refined.owners):
        one = refined.faces.take(np.array([place]))
        np.testing.assert_allclose(one.boxes, expected[owner].boxes, atol=1e-3)
        np.testing.assert_allclose(one.landmarks, expected[owner].landmarks, atol=1e-3)
        np.testing.assert_allclose(one.scores, expected[owner].scores, atol=1e-5)
        assert np.abs(one.landmarks[0] - faces.landmarks[owner]).mean() < 3


def test_faces_at_the_edge_of_the_image(detector, sheet):
    x1, y1, x2, y2 = detector.detect(sheet).boxes[0]
    side = max(x2 - x1, y2 - y1)
    cut = np.ascontiguousarray(sheet[int(y1 + 0.04 * side) :, int(x1 + 0.04 * side) :])
    boxes = np.array([[-0.1, -0.1, 0.98, 1.0]]) * side
    (expected,) = whole(detector, cut, boxes)
    assert expected.count == 1
    np.testing.assert_allclose(detector.refine(cut, boxes).faces.landmarks, expected.landmarks, atol=1e-3)


def test_what_is_no_face_any_more_is_lost(detector, sheet):
    boxes = detector.detect(sheet).boxes[:3].copy()
    grey = sheet.copy()
    x1, y1, x2, y2 = boxes[1].astype(int)
    grey[y1 - 20 : y2 + 20, x1 - 20 : x2 + 20] = 128
    refined = detector.refine(grey, boxes)
    assert sorted(refined.owners) == [0, 2]
    outside = np.array([[-300, -300, -200, -200], [1e6, 1e6, 1e6 + 50, 1e6 + 50], [100, 100, 100, 100]], float)
    refined = detector.refine(grey, np.concatenate([outside, boxes[2:]]))
    assert refined.owners.tolist() == [3]
    for none in (np.zeros((0, 4)), outside):
        assert detector.refine(grey, none).faces.count == 0
        assert detector.refine(grey, none).owners.shape == (0,)


def test_two_boxes_that_end_at_one_face_leave_it_to_the_better(detector, sheet):
    face = detector.detect(sheet).boxes[:1]
    side = face[0, 2] - face[0, 0]
    refined = detector.refine(sheet, np.concatenate([face + 0.2 * side, face]))
    assert refined.owners.tolist() == [1]
    both = [detector.refine(sheet, face + shift * side).faces.count for shift in (0.2, 0)]
    assert both == [1, 1]


def test_only_faces_that_pass_the_detectors_threshold(detector, sheet):
    faces = detector.detect(sheet)
    strict = Detector(min_face=39.8, threads=1, thresholds=(0.6, 0.7, 0.995))
    kept = strict.refine(sheet, faces.boxes).faces.scores
    assert 0 < len(kept) < detector.refine(sheet, faces.boxes).faces.count
    assert (kept > 0.995).all()


def test_only_the_faces_that_are_not_known_are_found(detector, sheet):
    faces = detector.detect(sheet)
    known = np.arange(faces.count) % 2 == 0
    found = detector.detect_others(sheet, faces.boxes[known])
    expected = faces.take(~known)
    assert found.count == expected.count
    for face in range(found.count):
        # Some of their candidates may have gone with a neighbour.
        nearest = np.abs(expected.boxes - found.boxes[face]).max(axis=1).argmin()
        assert np.abs(expected.landmarks[nearest] - found.landmarks[face]).max() < 3
    assert detector.detect_others(sheet, faces.boxes).count == 0
    everything = detector.detect_others(sheet, np.zeros((0, 4)))
    for one, other in zip(everything, faces):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ImageError, match="uint8"):
        detector.detect_others(sheet.astype(np.float32), faces.boxes)


def test_what_moves_onto_a_known_face_is_not_another(detector, sheet, monkeypatch):
    faces = detector.detect(sheet)
    monkeypatch.setattr(detector, "_detect", lambda images, known: [faces])
    np.testing.assert_array_equal(detector.detect_others(sheet, faces.boxes[2:] + 2).boxes, faces.boxes[:2])


def test_the_networks_behind_see_nothing_of_known_faces(detector, sheet, monkeypatch):
    faces = detector.detect(sheet)
    seen = []
    refine = detector._stages.refine

    def count(name, images, boxes):
        seen.extend(len(some) for some in boxes if name == "rnet")
        return refine(name, images, boxes)

    monkeypatch.setattr(detector._stages, "refine", count)
    detector.detect(sheet)
    whole = sum(seen)
    del seen[:]
    detector.detect_others(sheet, faces.boxes)
    assert sum(seen) < 0.4 * whole


def test_beside_a_box():
    np.testing.assert_allclose(
        beside([[0, 0, 100, 100], [10, 20, 30, 60]]),
        [[7.5, 7.5, 92.5, 92.5], [11.5, 23, 28.5, 57], [0, -12, 100, 88], [10, 15.2, 30, 55.2]],
    )
    assert beside(np.zeros((0, 4))).shape == (0, 4)


def test_what_cannot_be_refined(detector, sheet):
    with pytest.raises(ImageError, match="uint8"):
        detector.refine(sheet.astype(np.float32), np.zeros((0, 4)))
    with pytest.raises(ImageError, match="finite"):
        detector.refine(sheet, np.array([[0, 0, np.nan, 1]]))
