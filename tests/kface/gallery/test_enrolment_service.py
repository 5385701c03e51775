"""The one way to enrol, for images and for faces that were picked: find, judge, embed, warn of duplicates, add."""

import threading

import numpy as np
import pytest
from gallery_fakes import MODEL, crop, one, open_at

from kface import alignment
from kface.errors import GalleryError, ImageError, ModelError
from kface.faces import Faces
from kface.gallery import EnrolledFace, Enrolment, Limits, Refusal
from kface.images import encode_jpeg
from kface.mtcnn import FaceDetector
from kface.recognizer import FaceRecognizer, OperatingPoint
from kface.recognizer.embedder import EmbedderOutput

LENIENT = Limits(10.0, 1.0, 0.9, (0.0, 1.0))
BOXES = [(20, 20, 140, 140), (160, 20, 280, 140)]


class Detector(FaceDetector):
    """Finds as many faces as it is told, in fixed places."""

    min_face = 39.8

    def __init__(self, count=1):
        self.count = count

    def detect(self, rgb):
        return self.detect_many([rgb])[0]

    def detect_many(self, images):
        return [self._find(image) for image in images]

    def _find(self, image):
        # Turned or cut patches show nothing.
        boxes = np.array(BOXES[: self.count] if image.shape == (160, 300, 3) else [], np.float32).reshape(-1, 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        landmarks = boxes[:, None, :2] + alignment.TEMPLATE[None] * sides[:, None] / 112
        return Faces(boxes, np.full((len(boxes),), 0.99, np.float32), landmarks.astype(np.float32))


class Embedder(object):
    """Gives whoever it is told to."""

    size = 16
    runtime = "fake"

    def __init__(self, lock=None):
        self.who = one(1)
        self.failed = False
        self.lock = lock

    def run(self, crops):
        assert self.lock is None or self.lock.locked()
        vectors = np.stack([self.who / np.linalg.norm(self.who)] * len(crops)) if len(crops) else np.zeros((0, 16))
        return EmbedderOutput(vectors.astype(np.float32), np.full((len(crops),), self.failed))


@pytest.fixture
def gallery(tmp_path):
    with open_at(tmp_path / "gallery.db") as opened:
        yield opened


@pytest.fixture
def recognizer():
    return FaceRecognizer(Detector(), Embedder(), MODEL, OperatingPoint(0.6, 0.3))


@pytest.fixture
def enrolment(gallery, recognizer):
    return Enrolment(gallery, recognizer, LENIENT)


def image(seed=0):
    return np.random.RandomState(seed).randint(0, 256, (160, 300, 3)).astype(np.uint8)


def test_an_image_is_enrolled_and_its_person_recognised(enrolment, gallery):
    assert enrolment.enrol_image(" Kim  Chulsoo", image()) == EnrolledFace("Kim Chulsoo", 1, None)
    assert gallery.match(one(1))[0][0].name == "Kim Chulsoo"
    assert gallery.crop(1) is None


def test_a_file_is_read_and_named_in_what_is_wrong(enrolment, tmp_path, recognizer):
    path = tmp_path / "kim.jpg"
    path.write_bytes(encode_jpeg(image(), 95))
    assert enrolment.enrol_image("Kim", path).template == 1
    recognizer.detector.count = 2
    with pytest.raises(ImageError) as caught:
        enrolment.enrol_image("Kim", path)
    assert str(caught.value).startswith("{}: is not good enough to enrol: faces 2 (exactly 1)".format(path))
    with pytest.raises(ImageError, match=r"none\.jpg"):
        enrolment.enrol_image("Kim", tmp_path / "none.jpg")


def test_crops_are_kept_where_that_is_asked_for(gallery, recognizer):
    made = Enrolment(gallery, recognizer, LENIENT, keep_crops=True).enrol_image("Kim", image())
    assert gallery.crop(made.template).shape == (112, 112, 3)


@pytest.mark.parametrize("count", [0, 2])
def test_force_does_not_choose_among_faces(enrolment, recognizer, gallery, count):
    recognizer.detector.count = count
    with pytest.raises(ImageError, match="faces {}".format(count)):
        enrolment.enrol_image("Kim", image(), force=True)
    assert gallery.list() == []


def test_all_reasons_are_said_and_force_overrules_them(gallery, recognizer):
    strict = Enrolment(gallery, recognizer, Limits(200.0, 1e9, 0.9, (0.0, 1.0)))
    with pytest.raises(ImageError) as caught:
        strict.enrol_image("Kim", image())
    assert "size 120 (at least 200 pixels), sharpness " in str(caught.value)
    assert gallery.list() == []
    assert strict.enrol_image("Kim", image(), force=True).template == 1


def test_what_has_no_embedding_is_not_enrolled_even_by_force(enrolment, recognizer, gallery):
    recognizer.embedder.failed = True
    with pytest.raises(ImageError, match="cannot be enrolled: "):
        enrolment.enrol_image("Kim", image(), force=True)
    with pytest.raises(ModelError, match="has no embedding for 1 of 1 faces"):
        enrolment.enrol_face("Kim", crop(1), force=True)
    assert gallery.list() == []


def test_a_face_that_was_picked(enrolment, gallery):
    refusal = Refusal("size", 20.0, "at least 60 pixels")
    with pytest.raises(ImageError) as caught:
        enrolment.enrol_face("Kim", crop(1), [refusal, "yaw 0.5 (from -0.3 to 0.3)"])
    assert str(caught.value).startswith(
        "the face: is not good enough to enrol: size 20 (at least 60 pixels), yaw 0.5 (from -0.3 to 0.3); take"
    )
    assert enrolment.enrol_face("Kim", crop(1), [refusal], force=True) == EnrolledFace("Kim", 1, None)
    assert enrolment.enrol_face("Kim", crop(1)) == EnrolledFace("Kim", 2, None)


def test_a_name_that_looks_the_same_is_the_one_that_is_enrolled(enrolment):
    enrolment.enrol_image("김", image())
    decomposed = "김"
    assert enrolment.known_name(decomposed) == "김"
    assert enrolment.enrol_image(decomposed, image()).name == "김"
    assert enrolment.known_name(" Lee  Jr ") == "Lee Jr"


def test_a_name_that_cannot_be_one_is_refused_before_any_network_works(enrolment, recognizer):
    recognizer.detector.detect_many = None
    with pytest.raises(GalleryError, match="a name must not be empty"):
        enrolment.enrol_image("  ", image())


def test_a_face_under_a_second_name_is_a_warning_by_either_way(enrolment, recognizer):
    enrolment.enrol_image("Kim", image())
    assert enrolment.enrol_image("Lee", image()).warning == "the same picture is already enrolled as Kim"
    assert enrolment.enrol_face("Park", crop(1)).warning == "the same picture is already enrolled as Kim"
    recognizer.embedder.who = one(1) / np.linalg.norm(one(1)) + 0.5 * one(2) / np.linalg.norm(one(2))
    assert enrolment.enrol_face("Choi", crop(1)).warning.startswith("looks like ")
    # The threshold is asked for each time.
    thresholds = iter([0.9999, None])
    enrolment = Enrolment(enrolment.gallery, recognizer, LENIENT, threshold=lambda: next(thresholds))
    assert enrolment.enrol_face("Han", crop(1)).warning == "the same picture is already enrolled as Choi"
    recognizer.embedder.who = one(1) / np.linalg.norm(one(1)) + 0.3 * one(2) / np.linalg.norm(one(2))
    assert enrolment.enrol_face("Yun", crop(1)).warning is None


def test_without_a_session_the_threshold_is_the_one_for_the_number_of_people(gallery, recognizer):
    asked = []
    recognizer.operating_point_for = lambda people: asked.append(people) or OperatingPoint(0.6, 0.3)
    enrolment = Enrolment(gallery, recognizer, LENIENT)
    enrolment.enrol_face("Kim", crop(1))
    enrolment.enrol_face("Park", crop(2))
    assert asked == [0, 1]


def test_networks_are_used_with_the_lock_that_others_use_too(gallery, recognizer):
    lock = threading.Lock()
    recognizer.embedder.lock = lock
    enrolment = Enrolment(gallery, recognizer, LENIENT, networks=lock)
    enrolment.enrol_image("Kim", image())
    enrolment.enrol_face("Kim", crop(1))
    assert not lock.locked()


def test_many_are_embedded_for_another_model(gallery, recognizer):
    made = Enrolment(gallery, recognizer).embed(np.stack([crop(1), crop(2)]))
    assert made.shape == (2, 16)
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 1])
