"""The gate of every front end: a face lies inside the picture, is upright, and is nobody's whose name is another."""

import cv2
import numpy as np
import pytest

from kface import alignment
from kface.errors import ConfigError
from kface.faces import Faces
from kface.gallery import Limits, Match, Quality, QualityGate, duplicate, measure, refusals
from kface.images import read_image
from kface.mtcnn import Detector, FaceDetector

SHAPE = (400, 500)
BOX = np.array([200, 100, 300, 220], np.float32)
LENIENT = Limits(10.0, 1.0, 0.9, (0.0, 1.0))


def crop_of(seed=0):
    return np.random.RandomState(seed).randint(0, 256, (112, 112, 3)).astype(np.uint8)


def landmarks_in(box):
    return box[:2] + alignment.TEMPLATE / 112.0 * (box[2:] - box[:2])


def reasons(box, landmarks=None, shape=SHAPE, limits=None):
    points = landmarks_in(box) if landmarks is None else landmarks
    return [one.what for one in refusals(1, measure(box, points, crop_of(), shape), limits)]


EDGES = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}


@pytest.mark.parametrize("edge", sorted(EDGES))
@pytest.mark.parametrize(
    ("part", "wrong"), [(-0.5, []), (0.0, []), (0.08, []), (0.15, ["outside"]), (0.45, ["outside"])]
)
def test_a_face_reaches_out_of_the_picture_at_any_edge(edge, part, wrong):
    towards = np.array(EDGES[edge])
    sides = BOX[2:] - BOX[:2]
    # The corner that touches the edge, and by how much the box has to be moved over it.
    touching = np.where(towards < 0, BOX[:2], BOX[2:] - np.array(SHAPE[::-1]))
    moved = np.where(towards == 0, 0, -touching + towards * part * sides)
    assert reasons(BOX + np.tile(moved, 2).astype(np.float32)) == wrong


def test_landmarks_outside_count_where_the_box_stops_at_the_edge():
    box = np.array([0, 100, 100, 220], np.float32)
    points = landmarks_in(box)
    assert reasons(box, points) == []
    points[[0, 3], 0] = -5
    assert "outside" in reasons(box, points)


def test_how_much_outside_is_a_setting_and_the_reason_is_said():
    box = BOX + np.array([-230, 0, -230, 0], np.float32)
    quality = measure(box, landmarks_in(box), crop_of(), SHAPE)
    assert quality.outside == pytest.approx(0.3)
    (refusal,) = refusals(1, quality)
    assert str(refusal) == "outside 0.3 (the face extends beyond the picture: at most 0.1 of it)"
    assert refusals(1, quality, Limits(outside=0.4)) == []
    assert measure(box, landmarks_in(box), crop_of()).outside == 0


@pytest.mark.parametrize(
    ("degrees", "wrong"), [(0, False), (30, False), (-30, False), (60, True), (90, True), (-90, True), (180, True)]
)
def test_a_rolled_face_is_not_upright(degrees, wrong):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (BOX[:2] + BOX[2:]) / 2
    points = (landmarks_in(BOX) - centre).dot(turn.T) + centre
    quality = measure(BOX, points, crop_of(), SHAPE)
    assert abs(quality.roll) == pytest.approx(abs(degrees), abs=1)
    found = [str(one) for one in refusals(1, quality) if one.what == "roll"]
    assert bool(found) is wrong
    assert all("the face is not upright: at most 45 degrees" in one for one in found)
    assert refusals(1, quality, Limits(roll=180)) == []


def test_what_is_not_a_number_is_not_good_enough():
    good = Quality(100.0, 200.0, 0.0, 0.5)
    assert [one.what for one in refusals(1, good._replace(roll=np.nan, outside=np.nan))] == ["roll", "outside"]


class Turned(FaceDetector):
    """Finds a face in the middle of any square, with one score where it is brighter above and another where below."""

    min_face = 39.8

    def __init__(self, upright, turned):
        self.scores = {True: upright, False: turned}
        self.asked = 0

    def detect_many(self, images):
        return [self._find(image) for image in images]

    def _find(self, image):
        self.asked += 1
        size = image.shape[0]
        upper, lower = image[: size // 3].mean(), image[-size // 3 :].mean()
        score = self.scores[bool(upper >= lower)]
        if score is None:
            return Faces.empty()
        box = np.array([[0.25, 0.25, 0.75, 0.75]], np.float32) * size
        return Faces(box, np.array([score], np.float32), landmarks_in(box[0])[None].astype(np.float32))


def lit():
    """Return a picture that is bright above the middle."""
    rgb = np.zeros(SHAPE + (3,), np.uint8)
    rgb[: SHAPE[0] // 2] = 200
    return rgb


MIDDLE = np.array([200, 150, 300, 250], np.float32)


@pytest.mark.parametrize(
    ("upright", "turned", "wrong"), [(0.8, 0.97, True), (0.97, 0.8, False), (0.9, 0.91, False), (0.99, None, False)]
)
def test_a_face_that_is_surer_to_be_one_when_turned_is_not_upright(upright, turned, wrong):
    detector = Turned(upright, turned)
    faces = Faces(MIDDLE[None], np.array([upright], np.float32), landmarks_in(MIDDLE)[None])
    found = QualityGate(LENIENT, detector).refusals(lit(), faces, crop_of())
    assert [one.what for one in found] == (["roll"] if wrong else [])
    if wrong:
        assert abs(found[0].value) > 45
    assert QualityGate(LENIENT).refusals(lit(), faces, crop_of()) == []


@pytest.fixture(scope="module")
def detector():
    return Detector(min_face=39.8, threads=1)


@pytest.fixture(scope="module")
def portrait():
    """A synthetic face, from the picture of the sample in the documentation, with room around it."""
    from pathlib import Path

    sheet = read_image(Path(__file__).resolve().parents[3] / "docs" / "images" / "sample.jpg")
    tile = sheet[340:510, 340:510]
    return cv2.copyMakeBorder(cv2.resize(tile, (510, 510)), 60, 60, 60, 60, cv2.BORDER_REPLICATE)


def gate(detector, rgb):
    faces = detector.detect(rgb)
    crop = alignment.align(rgb, faces.landmarks)[0] if faces.count == 1 else None
    return [one.what for one in QualityGate(LENIENT, detector).refusals(rgb, faces, crop)]


def test_a_portrait_is_good_as_it_is_and_mirrored_but_not_turned(detector, portrait):
    assert gate(detector, portrait) == []
    assert gate(detector, np.ascontiguousarray(portrait[:, ::-1])) == []
    for quarters in (1, 2, 3):
        assert "roll" in gate(detector, np.ascontiguousarray(np.rot90(portrait, quarters)))


def test_a_picture_without_a_face_in_any_direction_is_just_that(detector):
    assert gate(detector, np.full((200, 300, 3), 99, np.uint8)) == ["faces"]


@pytest.mark.parametrize("edge", sorted(EDGES))
def test_a_portrait_that_was_cut_is_refused(detector, portrait, edge):
    box = detector.detect(portrait).boxes[0].astype(int)
    width, height = box[2:] - box[:2]
    cut = {
        "left": portrait[:, box[0] + width * 3 // 10 :],
        "right": portrait[:, : box[2] - width * 3 // 10],
        "top": portrait[box[1] + height * 3 // 10 :],
        "bottom": portrait[: box[3] - height * 3 // 10],
    }[edge]
    assert set(gate(detector, np.ascontiguousarray(cut))) & {"outside", "faces"}


class People(object):
    """A gallery that answers with what it is given."""

    def __init__(self, *matches):
        self.matches = list(matches)

    def match(self, embeddings, k):
        return [self.matches[:k]] * len(embeddings)


PROBE = np.array([1, 0], np.float32)


def test_a_face_that_is_enrolled_under_another_name_is_a_warning():
    assert duplicate(People(), "Park", PROBE, 0.6) is None
    assert duplicate(People(("Kim", 0.7), ("Lee", 0.2)), "Park", PROBE, 0.6) == "looks like Kim (score 0.700)"
    assert (
        duplicate(People(("Kim", 1.0), ("Lee", 0.2)), "Park", PROBE, 0.6)
        == "the same picture is already enrolled as Kim"
    )
    assert duplicate(People(("Kim", 0.59)), "Park", PROBE, 0.6) is None
    # Without thresholds only the very picture is sure.
    assert duplicate(People(("Kim", 0.99)), "Park", PROBE) is None
    assert duplicate(People(("Kim", 0.99995)), "Park", PROBE) is not None


def test_the_picture_s_first_owner_is_named():
    later, first, like = (
        Match(name, score, name, template, None)
        for name, score, template in (("Later", 1.0, 7), ("First", 0.9999, 3), ("Like", 0.95, 1))
    )
    said = duplicate(People(later, Match("Middle", 1.0, "m", 5, None), first, like), "Park", PROBE, 0.6)
    assert said == "the same picture is already enrolled as First"


def test_more_of_the_same_person_is_no_warning_but_another_one_behind_it_is():
    assert duplicate(People(("Kim", 1.0), ("Lee", 0.2)), "Kim", PROBE, 0.6) is None
    assert duplicate(People(("Kim", 1.0)), " Kim ", PROBE, 0.6) is None
    assert duplicate(People(("Kim", 0.9), ("Lee", 0.8)), "Kim", PROBE, 0.6) == "looks like Lee (score 0.800)"


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        (Limits(size=-1), "size"),
        (Limits(yaw=float("nan")), "yaw"),
        (Limits(roll=float("inf")), "roll"),
        (Limits(outside=-0.1), "outside"),
        (Limits(pitch=(0.8, 0.2)), "pitch"),
        (Limits(pitch=(0.2, float("nan"))), "pitch"),
    ],
)
def test_limits_that_cannot_be(limits, key):
    with pytest.raises(ConfigError, match="enrolment." + key):
        limits.check()
    Limits().check()


def test_dark_faces_have_the_reasons_of_bright_ones(detector, portrait):
    """Found on a copy, and turned: all turns are looked at alike."""
    brightens = detector.with_brighten(["clahe", "log_clahe"])
    dark = (portrait * 0.1).astype(np.uint8)
    assert gate(detector, dark) == ["faces"]
    assert gate(brightens, dark) == []
    for quarters in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(dark, quarters))
        assert "roll" in gate(brightens, turned)
        # A bright one has the reasons it always had.
        bright = np.ascontiguousarray(np.rot90(portrait, quarters))
        assert gate(brightens, bright) == gate(detector, bright)
    assert gate(brightens, portrait) == []
    assert gate(brightens, np.zeros((200, 200, 3), np.uint8)) == ["faces"]
