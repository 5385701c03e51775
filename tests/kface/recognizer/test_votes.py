"""Thresholds, votes, and which views are worth an embedding."""

import cv2
import numpy as np
import pytest
from recognizer_fakes import POINT, faces_at

from kface import alignment
from kface.bundle import ThresholdRow, Thresholds
from kface.errors import ConfigError
from kface.recognizer.operating_point import OperatingPoint, bound
from kface.recognizer.settings import TrackSettings
from kface.recognizer.views import FaceView, alignable, is_new, seen_in, views_of
from kface.recognizer.votes import Vote, count
from kface.verification.report import RateEstimate


def table(*rows):
    made = [
        ThresholdRow(target, None, None, None, "not measurable")
        if threshold is None
        else ThresholdRow(target, threshold, RateEstimate(fmr), RateEstimate(0.1))
        for target, threshold, fmr in rows
    ]
    return Thresholds("pairs", True, 10, 1000, 5, 0, 0, tuple(made))


FULL = table((1e-2, 0.3, 0.0099), (1e-3, 0.5, 0.0009), (1e-4, 0.6, 0.0001), (1e-5, 0.7, 0.0))


def test_what_the_table_recommends():
    assert OperatingPoint.from_thresholds(FULL) == OperatingPoint(0.6, 0.3, 0.0001)
    assert OperatingPoint.from_thresholds(table((1e-2, 0.3, 0.01), (1e-4, None, None))) == OperatingPoint(
        0.3, 0.3, 0.01
    )
    assert OperatingPoint.from_thresholds(table((1e-3, 0.5, 0.001))) == OperatingPoint(0.5, 0.5, 0.001)
    assert OperatingPoint.from_thresholds(table((1e-4, None, None))) is None
    assert OperatingPoint.from_thresholds(None) is None


@pytest.mark.parametrize(("people", "recognised"), [(0, 0.6), (1, 0.6), (30, 0.6), (300, 0.9), (10**6, 0.9)])
def test_many_people_raise_the_threshold_that_recognises(people, recognised):
    strict = table((1e-2, 0.3, 0.0099), (1e-3, 0.5, 0.0009), (1e-4, 0.6, 0.0001), (1e-5, 0.9, 0.00001))
    found = OperatingPoint.from_thresholds(strict, people)
    assert found.recognised == pytest.approx(recognised)
    assert found.unknown == 0.3
    assert found.fmr == (0.00001 if recognised == 0.9 else 0.0001)
    # As far as was measured, and no further.
    assert OperatingPoint.from_thresholds(table((1e-2, 0.3, 0.0099), (1e-3, 0.5, 0.0009)), people).recognised == 0.5


def test_between_two_rows_the_threshold_follows_the_logarithm_of_the_rate():
    strict = table((1e-2, 0.3, 0.0099), (1e-4, 0.6, 0.0001), (1e-5, 0.9, 0.00001))
    # Half way from 1e-4 to 1e-5 lies 3.16e-5: 95 people.
    found = OperatingPoint.from_thresholds(strict, 95)
    assert found.recognised == pytest.approx(0.75, abs=0.001)
    assert found.fmr == 0.0001
    every = [OperatingPoint.from_thresholds(strict, people).recognised for people in range(1, 400)]
    assert every == sorted(every)
    # What the settings say holds for any number.
    assert OperatingPoint.from_settings({"recognised": 0.2}, strict, 1000).recognised == 0.2
    assert OperatingPoint.from_settings({}, strict, 300).recognised == pytest.approx(0.9)


def test_what_the_settings_say():
    assert OperatingPoint.from_settings({"recognised": 0.65, "unknown": 0.4}, FULL) == OperatingPoint(0.65, 0.4, 0.0001)
    assert OperatingPoint.from_settings({"recognised": 0.2}, FULL) == OperatingPoint(0.2, 0.2, None)
    assert OperatingPoint.from_settings({"recognised": 1, "unknown": -1}) == OperatingPoint(1.0, -1.0, None)
    assert OperatingPoint.from_settings({"recognised": None, "unknown": None}, FULL) == OperatingPoint.from_thresholds(
        FULL
    )
    assert OperatingPoint.from_settings({}) is None


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"recognised": 1.5}, "match.recognised"),
        ({"recognised": True}, "match.recognised"),
        ({"recognised": "0.5"}, "match.recognised"),
        ({"recognised": float("nan")}, "match.recognised"),
        ({"recognised": 0.5, "unknown": 0.6}, "match.unknown"),
        ({"unknown": 0.6}, "match.recognised"),
        ({"threshold": 0.6}, "match.threshold"),
    ],
)
def test_wrong_thresholds(wrong, key):
    with pytest.raises(ConfigError, match=key):
        OperatingPoint.from_settings(wrong)


def test_the_rate_that_a_threshold_keeps_to():
    assert [bound(FULL, value) for value in (0.29, 0.3, 0.55, 0.95)] == [None, 0.0099, 0.0009, 0.0]


def test_states():
    states = [POINT.state(score) for score in (0.6, 0.5999, 0.3, 0.2999, -2.0)]
    assert states == ["recognised", "undecided", "undecided", "unknown", "unknown"]


def test_votes():
    assert count([], POINT).state == "undecided"
    found = count([Vote("ann", 0.9, 1.0), Vote("ann", 0.6, 3.0), Vote("bob", 0.95, 1.0)], POINT)
    assert found == ("recognised", "ann", pytest.approx(0.675), pytest.approx(0.8), 3)
    # The mean of the winner's cosines decides, not the best.
    assert count([Vote("ann", 0.9, 1.0), Vote("ann", 0.4, 3.0)], POINT).state == "undecided"
    # Most of the weight is needed, not just more than any other.
    split = [Vote("ann", 0.9, 2.0), Vote("bob", 0.9, 1.5), Vote("eve", 0.9, 1.5)]
    assert count(split, POINT)[:2] == ("undecided", "ann")
    assert count([Vote("ann", 0.9, 1.0), Vote("bob", 0.9, 1.0)], POINT).state == "undecided"
    nobody = [Vote("ann", 0.1, 2.0), Vote("bob", 0.2, 2.0), Vote("ann", 0.9, 1.0)]
    assert count(nobody, POINT)[:3] == ("unknown", None, pytest.approx(0.15))
    assert count([Vote("ann", 0.9, 1.0)], POINT, least=2)[:2] == ("undecided", "ann")


def test_larger_and_sharper_views_weigh_more():
    def weight(side, sharp):
        return FaceView(np.zeros((5, 2)), side, sharp).weight

    assert weight(112, 100) == pytest.approx(0.5)
    assert weight(56, 100) == pytest.approx(0.25)
    assert weight(500, 1e9) == pytest.approx(1)
    assert weight(112, 50) < weight(112, 100) < weight(112, 400)
    assert weight(0, 0) == 0.01


def test_a_view_does_not_change_with_place_size_or_roll():
    faces = faces_at([(60, 60, 40), (200, 90, 100)])
    turn = cv2.getRotationMatrix2D((60, 60), 30, 1.0)
    turned = faces._replace(landmarks=(faces.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32))
    one, other = views_of(faces, np.array([1.0, 2.0]))
    np.testing.assert_allclose(one.shape, alignment.TEMPLATE, atol=1e-3)
    np.testing.assert_allclose(other.shape, alignment.TEMPLATE, atol=1e-3)
    np.testing.assert_allclose(views_of(turned, np.zeros(2))[0].shape, alignment.TEMPLATE, atol=1e-3)
    assert (one.side, one.sharpness, other.sharpness) == (pytest.approx(40), 1.0, 2.0)
    moved = faces.landmarks.copy()
    moved[0, 2, 0] += 40 * 10 / 112.0
    away = views_of(faces._replace(landmarks=moved), np.zeros(2))[0]
    assert is_new(away, seen_in([one]), TrackSettings())
    assert not is_new(away, seen_in([one, away]), TrackSettings())


def test_sharpness_is_looked_at_only_where_it_matters():
    asked = []
    (one,) = views_of(faces_at([(60, 60, 40)]), lambda number: asked.append(number) or 80.0)
    seen = seen_in([FaceView(one.shape + 9, 40.0, 50.0)])
    assert is_new(one, seen, TrackSettings())
    assert not asked
    assert not is_new(one, seen_in([FaceView(one.shape, 40.0, 50.0)]), TrackSettings())
    assert is_new(one, seen_in([FaceView(one.shape, 40.0, 39.0)]), TrackSettings())
    assert one.weight == pytest.approx(40 / 112.0 * 80 / 180)
    assert asked == [0]


def test_a_view_is_new_where_none_shows_it():
    def view(turned=0.0, side=40.0, sharp=50.0):
        shape = alignment.TEMPLATE.astype(np.float64)
        shape[2, 0] += turned
        return FaceView(shape, side, sharp)

    seen = seen_in([view(), view(20.0), view(0, 60.0), view(0, 40.0, 90.0)])
    for new in (view(10.0), view(-6.0), view(26.0), view(0, 79.0), view(0, 40.0, 181.0)):
        assert is_new(new, seen, TrackSettings())
    for known in (view(4.0), view(-4.0), view(16.0), view(24.0), view(0, 77.0), view(0, 40.0, 179.0)):
        assert not is_new(known, seen, TrackSettings())


def test_landmarks_that_cannot_be_aligned():
    landmarks = np.stack([alignment.TEMPLATE, np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
    assert alignable(landmarks).tolist() == [True, False, False, False]
    assert alignable(np.zeros((0, 5, 2))).tolist() == []
