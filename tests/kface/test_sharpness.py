"""The one measure of sharpness, for votes and for enrolment."""

import cv2
import numpy as np
import pytest

from kface.sharpness import sharpness


def test_it_is_the_variance_of_the_laplacian_of_the_grey_levels():
    crops = np.random.RandomState(0).randint(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    crops[1] //= 8
    found = sharpness(crops)
    assert (found.dtype, found.shape) == (np.float32, (3,))
    for crop, value in zip(crops, found):
        grey = np.pad(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float64), 1, "reflect")
        around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        assert value == pytest.approx((around - 4 * grey[1:-1, 1:-1]).var(), rel=1e-5)


def test_it_falls_with_blur():
    noise = np.random.RandomState(0).randint(0, 256, (112, 112, 3)).astype(np.uint8)
    sharp, blurred, even = sharpness(np.stack([noise, cv2.GaussianBlur(noise, (9, 9), 3), np.full_like(noise, 90)]))
    assert sharp > 100 * blurred > 0
    assert even == 0


def test_the_steepest_edges_do_not_overflow():
    board = (np.indices((112, 112)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert sharpness(np.stack([board] * 3, axis=2)[None])[0] == pytest.approx(1020.0**2, rel=1e-6)


def test_views_of_arrays_and_no_crops_at_all():
    wide = np.random.RandomState(0).randint(0, 256, (112, 224, 3)).astype(np.uint8)
    for view in (wide[:, ::2], wide[::-1], wide[..., ::-1]):
        assert sharpness(view[None])[0] == sharpness(view[None].copy())[0]
    assert sharpness(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0,)
