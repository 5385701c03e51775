"""Each refusal says which measure it was, and the number."""

import cv2
import numpy as np
import pytest

from kface import alignment
from kface.errors import ImageError
from kface.gallery import Limits, Quality, measure, refusals, require

GOOD = Quality(100.0, 200.0, 0.0, 0.5)
BOX = np.array([10, 20, 110, 150], np.float32)


def sharp_crop():
    return np.random.RandomState(0).randint(0, 256, (112, 112, 3)).astype(np.uint8)


def turned(yaw, pitch):
    """Project a head's landmarks, in units of the eyes' distance, turned by degrees."""
    points = np.array([[-0.5, -0.45, 0], [0.5, -0.45, 0], [0, 0.1, 0.5], [-0.4, 0.65, 0], [0.4, 0.65, 0]])
    a, b = np.radians(yaw), np.radians(pitch)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return (points.dot((about_x.dot(about_y)).T)[:, :2] * 60 + 200).astype(np.float32)


def test_a_face_from_the_front_has_no_yaw_and_the_nose_in_the_middle():
    quality = measure(BOX, alignment.TEMPLATE, sharp_crop())
    assert quality.size == 100
    assert quality.yaw == pytest.approx(0, abs=0.01)
    assert quality.pitch == pytest.approx(0.5, abs=0.01)
    assert refusals(1, quality) == []


@pytest.mark.parametrize("degrees", [-45, -20, 20, 45])
def test_yaw_is_half_the_tangent_of_the_angle_with_its_sign(degrees):
    yaw = measure(BOX, turned(degrees, 0), sharp_crop()).yaw
    assert yaw == pytest.approx(0.5 * np.tan(np.radians(degrees)), abs=0.01)


def test_pitch_falls_when_looking_up_and_rises_when_looking_down():
    up, front, down = (measure(BOX, turned(0, angle), sharp_crop()).pitch for angle in (25, 0, -25))
    assert up < front - 0.1 < front < down - 0.1
    assert front == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("roll", [-60, 30, 90, 180])
def test_roll_and_scale_change_neither_yaw_nor_pitch(roll):
    plain = measure(BOX, turned(20, 10), sharp_crop())
    a = np.radians(roll)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    rolled = measure(BOX, turned(20, 10).dot(rotation.T) * 3, sharp_crop())
    assert (rolled.yaw, rolled.pitch) == (pytest.approx(plain.yaw, abs=1e-4), pytest.approx(plain.pitch, abs=1e-4))


def test_sharpness_is_the_variance_of_the_laplacian_and_falls_with_blur():
    crop = sharp_crop()
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float64)
    inner = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    assert measure(BOX, alignment.TEMPLATE, crop).sharpness == pytest.approx(inner.var(), rel=0.05)
    assert measure(BOX, alignment.TEMPLATE, cv2.GaussianBlur(crop, (0, 0), 3)).sharpness < inner.var() / 20
    assert measure(BOX, alignment.TEMPLATE, np.full((112, 112, 3), 99, np.uint8)).sharpness == 0


def test_the_size_is_the_shorter_side():
    assert measure([0, 0, 50, 90], alignment.TEMPLATE, sharp_crop()).size == 50
    assert measure([0, 0, 90, 40], alignment.TEMPLATE, sharp_crop()).size == 40


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (GOOD._replace(size=59.5), "size 59.5 (at least 60 pixels)"),
        (GOOD._replace(sharpness=23.4), "sharpness 23.4 (at least 60)"),
        (GOOD._replace(yaw=0.42), "yaw 0.42 (from -0.3 to 0.3)"),
        (GOOD._replace(yaw=-0.42), "yaw -0.42 (from -0.3 to 0.3)"),
        (GOOD._replace(pitch=0.2), "pitch 0.2 (from 0.3 to 0.75)"),
        (GOOD._replace(pitch=0.8), "pitch 0.8 (from 0.3 to 0.75)"),
        (GOOD._replace(size=np.nan), "size nan (at least 60 pixels)"),
        (GOOD._replace(yaw=np.nan), "yaw nan (from -0.3 to 0.3)"),
    ],
)
def test_each_refusal_says_which_and_the_number(quality, said):
    assert [str(refusal) for refusal in refusals(1, quality)] == [said]


@pytest.mark.parametrize("count", [0, 2, 7])
def test_only_one_face_is_enrolled(count):
    assert [str(refusal) for refusal in refusals(count, GOOD)] == ["faces {} (exactly 1)".format(count)]


def test_all_reasons_are_in_one_line_and_limits_can_be_others():
    poor = Quality(30, 5, 0.9, 0.9)
    with pytest.raises(ImageError) as caught:
        require(1, poor, where="a.jpg")
    assert str(caught.value).startswith(
        "a.jpg: is not good enough to enrol: size 30 (at least 60 pixels), sharpness 5 ("
    )
    assert "yaw 0.9" in str(caught.value)
    assert "pitch 0.9" in str(caught.value)
    require(1, poor, Limits(30, 5, 0.9, (0, 0.9)))
    require(1, GOOD)


def test_landmarks_that_make_no_face_are_refused_as_pose():
    same = np.ones((5, 2), np.float32)
    upside_down = alignment.TEMPLATE[[0, 1, 2, 3, 4]] * np.array([[1, 1], [1, 1], [1, 1], [1, -1], [1, -1]], np.float32)
    for landmarks in (same, upside_down):
        assert [refusal.what for refusal in refusals(1, measure(BOX, landmarks, sharp_crop()))] == ["yaw", "pitch"]
