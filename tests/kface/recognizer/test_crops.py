"""Faces are cut out when they are asked for, once, and as alignment cuts them."""

import numpy as np
from recognizer_fakes import faces_at

from kface import alignment
from kface.recognizer import crops as crops_module
from kface.recognizer.crops import Crops
from kface.sharpness import sharpness

FACES = faces_at([(60, 100, 50), (200, 100, 120), (150, 30, 40)])


def test_the_crops_are_those_of_alignment(monkeypatch):
    frame = np.random.RandomState(0).randint(0, 256, (200, 300, 3)).astype(np.uint8)
    expected = alignment.align(frame, FACES.landmarks)
    cut = []
    original = alignment.cut
    monkeypatch.setattr(
        crops_module.alignment, "cut", lambda rgb, matrices: cut.append(len(matrices)) or original(rgb, matrices)
    )
    crops = Crops(frame, FACES)
    assert cut == []
    np.testing.assert_array_equal(crops.take([2, 0]), expected[[2, 0]])
    assert crops.sharpness(1) == float(sharpness(expected[1:2])[0])
    np.testing.assert_array_equal(crops.take(range(3)), expected)
    np.testing.assert_array_equal(crops.take([1, 1]), expected[[1, 1]])
    # Each of the three only once.
    assert sum(cut) == 3
    assert crops.take([]).shape == (0, 112, 112, 3)


def test_a_frame_without_faces():
    crops = Crops(np.zeros((20, 20, 3), np.uint8), FACES.take(np.zeros((0,), int)))
    assert crops.take([]).shape == (0, 112, 112, 3)
    assert crops.matrices.shape == (0, 2, 3)
