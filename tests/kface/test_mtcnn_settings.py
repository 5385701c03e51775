"""The cascade's settings at every door, and images with nothing in them."""

import sys

import numpy as np
import pytest

from kface.commands.conf import configuration_directory
from kface.data.layout import Capture
from kface.data.sample import render, subject_names
from kface.errors import ConfigError
from kface.images import in_batches
from kface.mtcnn import Detector, pyramid, settings

#: Data sets are a workstation's, whose Python is a newer one.
WORKSTATION = sys.version_info >= (3, 10)
if WORKSTATION:
    from kface.data.dataset import DatasetSettings

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def detector():
    return Detector(threads=1)


@pytest.mark.parametrize(
    ("key", "value"),
    [("min_face", value) for value in (INF, -INF, NAN, "40", True, -1, 0, 19.9, 10001, 10**400, None)]
    + [("factor", value) for value in (0.999, 0.96, 0.49, 0.01, 0, 1, -0.5, NAN, INF, "0.7", True, None)]
    + [
        ("thresholds", value)
        for value in (
            "abc",
            None,
            0.6,
            [0.6, 0.7],
            [0.6, 0.7, NAN],
            [0.6, 0.7, 1],
            [0.6, -0.1, 0.8],
            [True, 0.7, 0.8],
            ["0.6"] * 3,
        )
    ],
)
def test_what_does_not_work_is_refused_at_every_door(detector, key, value):
    with pytest.raises(ConfigError, match="^detector.{}: must be ".format(key)) as caught:
        Detector(threads=1, **{key: value})
    assert len(str(caught.value)) < 200
    if key == "min_face":
        with pytest.raises(ConfigError, match="^detector.min_face"):
            detector.with_min_face(value)
    if WORKSTATION:
        with pytest.raises(ConfigError, match="^{}: must".format(key)):
            DatasetSettings(**{key: value}).validated()


def test_numpy_numbers_and_arrays_are_numbers():
    made = Detector(threads=1, min_face=np.float32(40), thresholds=np.array([0.6, 0.7, 0.8]), factor=np.float64(0.8))
    assert made.min_face == 40.0
    assert made.thresholds == (0.6, 0.7, 0.8)


@pytest.mark.parametrize("factor", [0.5, 0.6, 0.709, 0.75, 0.79, 0.8, 0.9, 0.95])
def test_every_factor_has_levels_from_the_smallest_face_to_the_largest(factor):
    for side in list(range(12, 200)) + [576, 720, 1080, 2160]:
        found = pyramid.scales(side, side + 7, 20.0, factor)
        sides = [int(side * scale) for scale in found]
        assert all(one >= pyramid.CELL for one in sides)
        # A face that fills the image is seen at the last level.
        if sides:
            assert sides[-1] <= pyramid.CELL / factor + 2 if factor != 0.709 else sides[-1] <= 17


def test_the_references_levels_are_as_they_were():
    for side in range(12, 3000):
        count = int(round(-(np.log(side / 12.0) / np.log(0.709) + 1)))
        assert pyramid.scales(side, side, 20.0, 0.709) == [0.6 * 0.709**level for level in range(0, count)]


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.95])
def test_any_allowed_factor_finds_the_face(factor):
    image, annotation = render(Capture(subject_names(1)[0], 1, 1, 1, 7))
    five = annotation.five()
    faces = Detector(factor=factor, threads=1).detect(image)
    assert faces.count == 1
    assert np.linalg.norm(faces.landmarks[0] - five, axis=1).mean() < 0.2 * np.linalg.norm(five[1] - five[0])
    noise = np.random.RandomState(2).randint(0, 256, (97, 131, 3)).astype(np.uint8)
    assert Detector(factor=factor, threads=1).detect(noise).count == 0


@pytest.mark.parametrize("shape", [(0, 124, 3), (124, 0, 3), (0, 0, 3), (1, 1, 3), (11, 400, 3)])
def test_there_is_no_face_in_nothing(detector, shape):
    empty = np.zeros(shape, np.uint8)
    assert detector.detect(empty).count == 0
    assert detector.detect_others(empty, np.zeros((0, 4))).count == 0
    image = np.random.RandomState(3).randint(0, 256, (60, 80, 3)).astype(np.uint8)
    assert [faces.count for faces in detector.detect_many([image, empty, image])] == [0, 0, 0]
    if not empty.size:
        assert detector.refine(empty, np.array([[0, 0, 20, 20]])).faces.count == 0
    assert detector.detect_many([]) == []


def test_strides_do_not_matter(detector):
    image = np.random.RandomState(4).randint(0, 256, (120, 160, 3)).astype(np.uint8)
    for view in (image[:, ::-1], image[::2, ::3], image[..., ::-1], np.asfortranarray(image)):
        one, other = detector.detect(view), detector.detect(np.ascontiguousarray(view))
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_large_images_go_through_alone(detector, monkeypatch):
    groups = []
    monkeypatch.setattr(
        detector, "_detect_group", lambda images, known: groups.append(len(images)) or [None] * len(images)
    )
    large, small = np.zeros((4000, 4000, 3), np.uint8), np.zeros((100, 100, 3), np.uint8)
    assert len(detector.detect_many([small, small, large, large, small])) == 5
    assert groups == [3, 2]


def test_batches_hold_so_many_images_and_pixels():
    batches = list(in_batches(iter([1, 2, 3, 1 << 24, 5, 1 << 25, 7]), 2, lambda value: value))
    assert batches == [[1, 2], [3], [1 << 24], [5], [1 << 25], [7]]


def test_configuration_files_repeat_the_defaults():
    yaml = pytest.importorskip("yaml")
    of_streams = yaml.safe_load((configuration_directory() / "deploy.yaml").read_text(encoding="utf-8"))["detector"]
    of_data_sets = yaml.safe_load((configuration_directory() / "detector" / "mtcnn.yaml").read_text(encoding="utf-8"))
    for section in (of_streams, of_data_sets):
        assert tuple(section["thresholds"]) == settings.THRESHOLDS
        assert section["factor"] == settings.FACTOR
        assert tuple(section["brighten"]) == settings.BRIGHTEN
    assert set(of_streams) == set(settings.OF_STREAMS)
    assert of_streams["min_face"] == settings.OF_STREAMS["min_face"]
    if WORKSTATION:
        assert tuple(of_data_sets["min_face"]) == DatasetSettings().min_face


def test_default_smallest_faces_are_steps_of_the_pyramids_grid():
    for size in (settings.MIN_FACE, settings.MIN_FACE_OF_STREAMS, settings.MIN_FACE_OF_PORTRAITS):
        steps = pyramid.dropped_levels(size, settings.FACTOR)
        assert abs(settings.MIN_FACE / settings.FACTOR**steps - size) < 0.1
