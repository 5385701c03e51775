"""Faces of photographs: those that the image shows, or large ones that only a brightened copy shows."""

import numpy as np
import pytest
from recognizer_fakes import POINT, FakeDetector, FakeEmbedder, Gallery, faces_at, grey

from kface.mtcnn.brighten import brightened
from kface.recognizer import FaceRecognizer
from kface.recognizer.subjects import PART, detect_subjects

WAYS = ("clahe", "log_clahe")
#: An image of 320x200 pixels in which the detector finds nothing, and what it finds in its copy.
DARK = 20
LARGE, EAR = (150, 100, 60), (150, 100, 30)


class Brightening(FakeDetector):
    """Finds by level, also in copies."""

    brighten = WAYS

    def with_brighten(self, ways):
        plain = FakeDetector(self.found)
        plain.brighten = tuple(ways)
        return plain


def detector(on_copy, found=()):
    first, second = (int(brightened(grey(DARK), way)[0, 0, 0]) for way in WAYS)
    assert len({DARK, first, second}) == 3
    made = {DARK: faces_at(list(found)), second: faces_at([])}
    made[first] = faces_at(list(on_copy))
    return Brightening(made)


def widths(faces):
    return [round(float(box[2] - box[0])) for box in faces.boxes]


def test_a_face_on_a_copy_must_be_large(monkeypatch):
    shorter = min(grey(DARK).shape[:2])
    assert 30 < PART * shorter < 60
    assert [widths(faces) for faces in detect_subjects(detector([LARGE, EAR]), [grey(DARK)])] == [[60]]
    assert detect_subjects(detector([EAR]), [grey(DARK)])[0].count == 0


def test_a_face_of_the_image_itself_may_have_any_size_and_no_copy_is_searched():
    assert [widths(faces) for faces in detect_subjects(detector([LARGE], [EAR]), [grey(DARK)])] == [[30]]


@pytest.mark.parametrize(("on_copy", "count"), [([LARGE], 1), ([EAR], 0)])
def test_the_recogniser_goes_by_it(on_copy, count):
    recognizer = FaceRecognizer(detector(on_copy), FakeEmbedder(), "f", POINT)
    assert len(recognizer.faces(grey(DARK))) == count
    assert len(recognizer.identify(grey(DARK), Gallery({}))) == count
    assert recognizer.embed(grey(DARK)).failed.tolist() == [not count]
    verified = recognizer.verify(grey(DARK), grey(DARK))
    assert (verified.reason is None) == bool(count)
    assert np.isfinite(verified.score)
