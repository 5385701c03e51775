"""The closed-form similarity against skimage, OpenCV and itself."""

import cv2
import numpy as np
import pytest

from kface.alignment import SIZE, TEMPLATE, align, similarity
from kface.errors import ImageError


def faces(count, seed=0, noise=3.0):
    """Landmarks of faces that are turned, scaled and moved, with some noise; and the clean similarities."""
    random = np.random.RandomState(seed)
    angle, scale = random.uniform(-np.pi, np.pi, count), random.uniform(0.3, 4, count)
    turn = (
        np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
        * scale[:, None, None]
    )
    shift = random.uniform(-300, 900, (count, 2))
    points = np.einsum("nij,kj->nki", turn, TEMPLATE) + shift[:, None]
    return points + random.normal(0, noise, points.shape)


def test_against_skimage():
    transform = pytest.importorskip("skimage.transform", reason="scikit-image is the oracle")
    points = faces(200)
    for landmarks, matrix in zip(points, similarity(points)):
        target = TEMPLATE.astype(np.float64)
        if hasattr(transform.SimilarityTransform, "from_estimate"):
            expected = transform.SimilarityTransform.from_estimate(landmarks, target)
        else:  # scikit-image before 0.26, the last for Python 3.10
            expected = transform.SimilarityTransform()
            assert expected.estimate(landmarks, target)
        np.testing.assert_allclose(matrix, expected.params[:2], atol=1e-9, rtol=1e-9)


def test_against_opencv_with_all_points_as_inliers():
    points = faces(50, noise=1.0)
    for landmarks, matrix in zip(points, similarity(points)):
        expected, inliers = cv2.estimateAffinePartial2D(landmarks, TEMPLATE, ransacReprojThreshold=1e6)
        assert inliers.all()
        np.testing.assert_allclose(matrix, expected, atol=1e-3 * max(1, np.abs(expected).max()))


def test_the_template_is_recovered():
    points = faces(100, noise=0)
    matrices = similarity(points)
    mapped = np.einsum("nij,nkj->nki", matrices[:, :, :2], points) + matrices[:, None, :, 2]
    np.testing.assert_allclose(mapped, np.broadcast_to(TEMPLATE, mapped.shape), atol=1e-4)


def test_no_similarity_is_closer():
    points = faces(5)
    random = np.random.RandomState(1)
    for landmarks, matrix in zip(points, similarity(points)):
        best = np.sum((landmarks @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE) ** 2)
        for _ in range(200):
            a, b, x, y = random.normal(0, 1e-2, 4)
            other = matrix + np.array([[a, -b, 10 * x], [b, a, 10 * y]])
            assert np.sum((landmarks @ other[:, :2].T + other[:, 2] - TEMPLATE) ** 2) >= best - 1e-9


def test_align_puts_the_landmarks_in_their_places():
    image = np.zeros((300, 400, 3), np.uint8)
    landmarks = (TEMPLATE * 1.7 + [90, 60]).astype(np.float32)
    for number, (x, y) in enumerate(landmarks):
        cv2.circle(image, (int(round(float(x))), int(round(float(y)))), 3, (50 * number + 50, 0, 255 - 50 * number), -1)
    crop = align(image, landmarks[None])
    assert crop.shape == (1, SIZE, SIZE, 3)
    assert crop.dtype == np.uint8
    for number, (x, y) in enumerate(TEMPLATE):
        colour = crop[0, int(round(float(y))), int(round(float(x)))]
        assert abs(int(colour[0]) - (50 * number + 50)) < 40
    assert align(image, landmarks[None], size=224).shape == (1, 224, 224, 3)
    assert align(image, np.zeros((0, 5, 2))).shape == (0, SIZE, SIZE, 3)


def test_outside_the_image_it_is_black():
    white = np.full((60, 60, 3), 255, np.uint8)
    crop = align(white, (TEMPLATE + [-56, 0])[None])[0]
    assert crop[:50, 65:].min() == 255
    assert crop[:, :50].max() == 0
    assert crop[70:].max() == 0


@pytest.mark.parametrize(
    "points", [np.full((1, 5, 2), 7.0), np.full((1, 5, 2), np.nan), np.zeros((1, 4, 2)), np.zeros((5, 2))]
)
def test_what_cannot_be_aligned_is_refused(points):
    with pytest.raises(ImageError):
        similarity(points)
