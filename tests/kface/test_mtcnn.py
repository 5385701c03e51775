"""The detector against the ``mtcnn`` package itself: same faces, same landmarks."""

import cv2
import numpy as np
import pytest
from cascades import cascade, cascades

from kface.images import read_image
from kface.mtcnn import Detector
from kface.networks import runtimes


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("tensorflow", reason="the mtcnn package runs on TensorFlow")
    package = pytest.importorskip("mtcnn", reason="the mtcnn package is the oracle")
    oracle = package.MTCNN()

    def detect(image):
        found = oracle.detect_faces(image, output_type="numpy", fit_to_image=False, box_format="xyxy")
        return found[:, 1:5], np.stack([found[:, 6:11], found[:, 11:16]], axis=2)

    return detect


@pytest.fixture(scope="module", params=cascades())
def detector(request):
    with cascade(request.param, threads=2) as made:
        yield made


def clip_frames(shared_data, count):
    frames = []
    for path in sorted((shared_data / "video").glob("*.gif")):
        capture = cv2.VideoCapture(str(path))
        while len(frames) < count:
            read, bgr = capture.read()
            if not read:
                break
            frames.append(np.ascontiguousarray(bgr[:, :, ::-1]))
            for _ in range(15):
                capture.read()
        capture.release()
    return frames


def compare(images, reference, detector):
    """Return landmark distances of the faces that both find, and how many only one of them finds."""
    distances, alone = [], 0
    for image in images:
        boxes, landmarks = reference(image)
        faces = detector.detect(image)
        alone += abs(len(boxes) - faces.count)
        if len(boxes) and faces.count:
            every = np.abs(landmarks[:, None] - faces.landmarks[None]).max(axis=(2, 3))
            distances += every.min(axis=1).tolist()
    return np.array(distances), alone


def check(distances, alone, least):
    assert len(distances) >= least
    assert alone == 0
    assert np.mean(distances < 0.01) >= 0.99
    assert np.mean(distances > 0.5) <= 0.005


def lfw_images(shared_data, step):
    return [read_image(path) for path in sorted((shared_data / "lfw").rglob("*.jpg"))[::step]]


def crowd(images, columns, rows):
    tiles = [cv2.resize(image, (128, 128)) for image in images[: columns * rows]]
    return np.concatenate([np.concatenate(tiles[row * columns : (row + 1) * columns], axis=1) for row in range(rows)])


def test_real_faces(shared_data, reference, detector):
    images = lfw_images(shared_data, 320)
    check(*compare(images + clip_frames(shared_data, 4) + [crowd(images, 5, 4)], reference, detector), least=40)


@pytest.mark.slow
def test_many_real_faces(shared_data, reference, detector):
    images = lfw_images(shared_data, 65)
    crowds = [crowd(images[start:], 9, 6) for start in (0, 54)]
    check(*compare(images + clip_frames(shared_data, 12) + crowds, reference, detector), least=200)


def test_the_sample(reference, detector):
    from kface.data.layout import Capture
    from kface.data.sample import render, subject_names

    conditions = [(1, 1, 1, 7), (2, 2, 2, 5), (3, 4, 3, 9), (5, 8, 1, 10)]
    images = [render(Capture(name, *condition))[0] for name, condition in zip(subject_names(4), conditions)]
    check(*compare(images, reference, detector), least=3)


def test_large_faces_stay_where_they_are(shared_data, detector):
    images = [cv2.resize(image, (450, 450)) for image in lfw_images(shared_data, 700)]
    for image in images:
        small, large = detector.detect(image), detector.with_min_face(79.1).detect(image)
        big = small.take(small.boxes[:, 2] - small.boxes[:, 0] > 130)
        for landmarks in big.landmarks:
            assert np.abs(large.landmarks - landmarks).max(axis=(1, 2)).min() < 0.05


@pytest.mark.parametrize("runtime", [name for name in runtimes(".onnx") if name != "onnxruntime"])
def test_other_runtimes_find_the_same(shared_data, detector, runtime):
    other = Detector(runtime=runtime)
    for image in lfw_images(shared_data, 1500):
        one, two = detector.detect(image), other.detect(image)
        assert one.count == two.count
        np.testing.assert_allclose(one.landmarks, two.landmarks, atol=0.5)
