"""Brightened copies: what they are, when they are looked at, and that nothing that was found before changes."""

import hashlib
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from kface.errors import ConfigError
from kface.faces import Faces
from kface.images import read_image
from kface.mtcnn import Detector, FaceDetector, settings
from kface.mtcnn.again import added, alike, find_again, of_subject
from kface.mtcnn.brighten import WAYS, brightened

#: Data sets are a workstation's, whose Python is a newer one.
WORKSTATION = sys.version_info >= (3, 10)
if WORKSTATION:
    from kface.data.dataset import DatasetSettings

BOTH = ("clahe", "log_clahe")
#: The copies of :func:`picture`, the same with OpenCV 4.1 and 5.0.
DIGESTS = {"clahe": "f6ac5d5b0369", "log": "e8dc3fdfdab4", "log_clahe": "decec12ece5f", "gamma": "eff774aed1b7"}


def picture():
    """A dark gradient in colours, made of whole numbers."""
    rows, columns = np.mgrid[0:61, 0:83]
    return np.stack([(rows * 2 + columns) // 6, rows * columns // 130, (columns * 3) // 7], axis=2).astype(np.uint8)


def faces_at(*places):
    """Faces of 20 pixels at x, with scores that fall."""
    boxes = np.array([[x, 0, x + 20, 20] for x in places], np.float32).reshape(-1, 4)
    return Faces(boxes, np.linspace(0.99, 0.9, len(boxes)).astype(np.float32), np.zeros((len(boxes), 5, 2), np.float32))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other))


@pytest.fixture(scope="module")
def portrait():
    """A synthetic face, from the picture of the sample in the documentation, with room around it."""
    sheet = read_image(Path(__file__).resolve().parents[2] / "docs" / "images" / "sample.jpg")
    return cv2.copyMakeBorder(cv2.resize(sheet[340:510, 340:510], (510, 510)), 60, 60, 60, 60, cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def dark(portrait):
    """The same in a tenth of its light."""
    return (portrait * 0.1).astype(np.uint8)


@pytest.fixture(scope="module")
def plain():
    return Detector(min_face=39.8, threads=1)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_way_brightens_what_is_dark_and_only_its_luma(way):
    rgb = picture()
    kept = rgb.copy()
    made = brightened(rgb, way)
    np.testing.assert_array_equal(rgb, kept)
    assert (made.shape, made.dtype) == (rgb.shape, np.uint8)
    assert made.mean() > 1.5 * rgb.mean()
    grey = np.repeat(rgb[..., :1], 3, axis=2)
    copy = brightened(grey, way)
    assert (copy == copy[..., :1]).all()
    before, after = [cv2.cvtColor(one, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(int) for one in (rgb, made)]
    # Where no colour reaches the end of its range it stays what it was, but for rounding.
    inside = (made.min(axis=2) > 0) & (made.max(axis=2) < 255)
    assert inside.mean() > 0.5
    assert np.abs(before - after)[inside].max() <= 2


@pytest.mark.parametrize("way", sorted(WAYS))
def test_copies_are_the_same_with_every_opencv(way):
    assert hashlib.sha256(brightened(picture(), way).tobytes()).hexdigest()[:12] == DIGESTS[way]


@pytest.mark.parametrize("shape", [(0, 20, 3), (1, 1, 3), (11, 400, 3), (12, 12, 3), (13, 300, 3), (301, 17, 3)])
def test_images_of_any_size_have_copies(shape):
    rgb = np.random.RandomState(0).randint(0, 40, shape).astype(np.uint8)
    for way in WAYS:
        for image in (rgb, rgb[::-1, ::-1], np.asfortranarray(rgb)):
            made = brightened(image, way)
            assert made.shape == shape
            np.testing.assert_array_equal(made, brightened(np.ascontiguousarray(image), way))
            assert not np.shares_memory(made, image) or not made.size


def test_the_ways_are_tried_in_turn_and_only_as_long_as_faces_are_short():
    images = [np.full((20, 20, 3), level, np.uint8) for level in (1, 2, 3)]
    levels = {
        way: {int(brightened(image, way)[0, 0, 0]): n for n, image in enumerate(images)} for way in ("log", "gamma")
    }
    asked = []

    def find(copies):
        way = ("log", "gamma")[len(asked)]
        asked.append([levels[way][int(copy[0, 0, 0])] for copy in copies])
        return [faces_at(40) if (way, number) in (("log", 1), ("gamma", 2)) else Faces.empty() for number in asked[-1]]

    found = find_again(find, images, [faces_at(0), Faces.empty(), Faces.empty()], ("log", "gamma"))
    assert asked == [[1, 2], [2]]
    assert [faces.boxes[:, 0].tolist() for faces in found] == [[0], [40], [40]]


def test_what_was_found_stays_and_what_a_copy_shows_comes_after_it():
    before = faces_at(100, 0)
    found = added(before, faces_at(50, 2, 101, 200))
    assert found.boxes[:, 0].tolist() == [100, 0, 50, 200]
    assert same(found.take(np.arange(2)), before)
    one = np.zeros((20, 20, 3), np.uint8)
    calls = []

    def find(copies):
        calls.append(len(copies))
        return [faces_at(100, 300)] * len(copies)

    for expected, looks in ((0, 0), (2, 0), (3, 1), (9, 2)):
        del calls[:]
        (found,) = find_again(find, [one], [before], BOTH, expected)
        assert calls == [1] * looks
        assert same(found.take(np.arange(2)), before)
        assert found.count == (3 if looks else 2)
    assert find_again(find, [], [], BOTH) == []


def test_of_an_image_of_one_person_only_large_faces_count():
    boxes = np.array([[0, 0, 33, 90], [0, 0, 34, 10], [50, 0, 150, 90]], np.float32)
    faces = Faces(boxes, np.ones(3, np.float32), np.zeros((3, 5, 2), np.float32))
    assert of_subject(faces, (200, 100, 3), 1 / 3.0).boxes[:, 2].tolist() == [34, 150]
    assert of_subject(faces, (300, 400, 3), 0.2).boxes[:, 2].tolist() == [150]
    assert of_subject(Faces.empty(), (10, 10, 3), 0.2).count == 0


def test_a_dark_face_is_found_on_the_copy_alone(plain, portrait, dark):
    detector = plain.with_brighten(BOTH)
    assert (plain.brighten, detector.brighten) == ((), BOTH)
    assert plain.detect(dark).count == 0
    (found,), (bright,) = detector.detect_many([dark]), detector.detect_many([portrait])
    assert found.count == bright.count == 1
    eyes = np.linalg.norm(bright.landmarks[0, 1] - bright.landmarks[0, 0])
    assert np.abs(found.landmarks - bright.landmarks).max() < 0.2 * eyes
    assert detector.detect(dark, expected=0).count == 0
    assert detector.with_min_face(79.1).brighten == BOTH
    assert detector.with_brighten("none").detect(dark).count == 0


def test_nothing_that_was_found_changes(plain, portrait, dark):
    detector = plain.with_brighten(BOTH)
    noise = np.random.RandomState(5).randint(0, 256, (90, 120, 3)).astype(np.uint8)
    beside = np.concatenate([portrait, dark], axis=1)
    images = [portrait, dark, noise, portrait[::2, ::2], beside, np.zeros((60, 80, 3), np.uint8)]
    before, after = plain.detect_many(images), detector.detect_many(images)
    assert [faces.count for faces in before] == [1, 0, 0, 1, 1, 0]
    assert [faces.count for faces in after] == [1, 1, 0, 1, 1, 0]
    assert all(same(one, other) for one, other in zip(before, after) if one.count)
    (more,) = detector.detect_many([beside], expected=2)
    assert more.count == 2
    assert same(more.take(np.arange(1)), before[4])
    assert more.boxes[1, 0] > portrait.shape[1]


def test_by_default_a_detector_looks_at_no_copies(plain, monkeypatch):
    monkeypatch.setattr("kface.mtcnn.again.brightened", lambda *_: pytest.fail("looked at a copy"))
    assert plain.brighten == ()
    assert plain.detect(np.zeros((60, 80, 3), np.uint8), expected=3).count == 0


@pytest.mark.parametrize("nothing", [None, "none", "null", [], ()])
def test_no_way_is_a_way(nothing):
    assert settings.brighten(nothing) == ()
    if WORKSTATION:
        assert DatasetSettings(brighten=nothing).validated().brighten == ()


@pytest.mark.parametrize(
    "value", ["bright", "", ["clahe", "bright"], [None], 5, True, {"clahe": 1}, b"clahe", [["clahe"]], ["x" * 999]]
)
def test_what_is_no_way_is_refused_at_every_door(plain, value):
    for make in (settings.brighten, plain.with_brighten, lambda value: Detector(threads=1, brighten=value)):
        with pytest.raises(ConfigError, match="^detector.brighten: must be a list of ways to brighten") as caught:
            make(value)
        assert "clahe, log, log_clahe, gamma" in str(caught.value)
        assert len(str(caught.value)) < 250
        assert "\n" not in str(caught.value)
    if WORKSTATION:
        with pytest.raises(ConfigError, match="^brighten: must be a list"):
            DatasetSettings(brighten=value).validated()


def test_a_way_comes_once_and_may_stand_alone():
    assert settings.brighten("gamma") == ("gamma",)
    assert settings.brighten(["log", "clahe"]) == ("log", "clahe")
    with pytest.raises(ConfigError, match="^detector.brighten: a way is given twice: log, log; remove one"):
        settings.brighten(["log", "log"])
    assert settings.brighten(settings.BRIGHTEN) == settings.BRIGHTEN


class Square(FaceDetector):
    """Finds a face in every image that is bright enough."""

    brighten = BOTH
    min_face = 20.0

    def __init__(self, least):
        self.least = least
        self.seen = []

    def with_brighten(self, ways):
        assert ways == ()
        return self

    def detect_many(self, images, expected=1):
        self.seen.append(len(images))
        return [faces_at(0) if image.max() >= self.least else Faces.empty() for image in images]


def test_images_that_are_compared_are_looked_at_alike():
    bright, dim = np.full((20, 20, 3), 200, np.uint8), np.full((20, 20, 3), 3, np.uint8)
    inner = Square(100)
    detector = alike(inner)
    assert detector.min_face == 20.0
    # One that shows a face as it is forbids copies of the others.
    assert [faces.count for faces in detector.detect_many([bright, dim])] == [1, 0]
    assert inner.seen == [2]
    inner = Square(int(brightened(dim, "log_clahe").max()))
    found = [faces.count for faces in alike(inner).detect_many([dim, np.zeros_like(dim)])]
    assert found[0] == 1
    assert set(inner.seen) == {2}


def test_a_detector_that_looks_at_no_copies_is_left_as_it_is(plain):
    assert plain.plain() is plain
    assert alike(plain) is plain
    assert plain.with_brighten(BOTH).plain().brighten == ()


def test_dark_faces_of_real_people_are_found(shared_data, plain):
    folder = shared_data / "extended_yale_b"
    if not folder.is_dir():
        pytest.skip("Extended Yale B is not here")
    files = sorted(folder.glob("yaleB1*/*A+110E*.png")) + sorted(folder.glob("yaleB1*/*A+035E*.png"))
    assert len(files) >= 20
    images = [cv2.copyMakeBorder(read_image(file), 55, 55, 55, 55, cv2.BORDER_CONSTANT) for file in files]
    before, after = plain.detect_many(images), plain.with_brighten(BOTH).detect_many(images)
    assert all(same(one, other) for one, other in zip(before, after) if one.count)
    found = [sum(faces.count > 0 for faces in some) for some in (before, after)]
    assert found[1] >= 0.85 * len(files)
    assert found[1] - found[0] >= 0.25 * len(files)
