"""Rates at a threshold: as measured at the points, interpolated between them, bounds outside; and a stranger's chance."""

import numpy as np
import pytest

from kface.bundle.thresholds import FMRS, ThresholdRow, Thresholds, measure
from kface.recognizer.threshold_meaning import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    MEASURED,
    UNKNOWN_RATE,
    Rate,
    curve_range,
    percent,
    rates_at,
    stranger_chance,
    threshold_meaning,
)
from kface.verification.report import RateEstimate


def table(*rows, impostors=100000):
    made = tuple(ThresholdRow(0.01, at, RateEstimate(fmr), RateEstimate(fnmr)) for at, fmr, fnmr in rows)
    absent = ThresholdRow(1e-5, None, None, None, "not measurable")
    return Thresholds("CFP", False, 1000, impostors, 100, 0, 0, (*made, absent))


TABLE = table((0.2, 1e-2, 0.02), (0.3, 1e-3, 0.05), (0.4, 1e-4, 0.15))


def test_a_measured_point_is_returned_as_it_is():
    assert rates_at(TABLE, 0.3) == (Rate(MEASURED, 1e-3), Rate(MEASURED, 0.05))
    assert curve_range(TABLE) == (0.2, 0.4)


def test_between_two_points_the_fmr_goes_along_its_logarithm():
    fmr, fnmr = rates_at(TABLE, 0.35)
    assert (fmr.kind, fnmr.kind) == (BETWEEN, BETWEEN)
    assert fmr.value == pytest.approx(10**-3.5)
    assert fnmr.value == pytest.approx(0.1)


def test_outside_only_bounds_are_known():
    assert rates_at(TABLE, 0.1) == (Rate(AT_LEAST, 1e-2), Rate(AT_MOST, 0.02))
    assert rates_at(TABLE, 0.6) == (Rate(AT_MOST, 1e-4), Rate(AT_LEAST, 0.15))


def test_no_error_seen_is_not_none_possible():
    none = table((0.2, 1e-2, 0.02), (0.3, 0.0, 0.05), impostors=1000)
    for threshold in (0.3, 0.9):
        assert rates_at(none, threshold)[0] == Rate(AT_MOST, 0.003)
    assert rates_at(none, 0.25)[0] == Rate(AT_MOST, 1e-2)


def test_without_a_table_nothing_is_known():
    for absent in (None, table()):
        meaning = threshold_meaning(absent, 0.3, 10)
        assert meaning.fmr == meaning.fnmr == meaning.stranger == Rate(UNKNOWN_RATE, None)
        assert curve_range(absent) is None
    assert str(Rate(UNKNOWN_RATE, None)) == "unknown"


def test_a_strangers_chance_grows_with_the_people():
    assert stranger_chance(Rate(MEASURED, 1e-3), 1).value == pytest.approx(1e-3)
    assert stranger_chance(Rate(MEASURED, 1e-3), 100) == (MEASURED, pytest.approx(1 - 0.999**100))
    assert stranger_chance(Rate(AT_MOST, 1e-12), 10) == (AT_MOST, pytest.approx(1e-11, rel=1e-6))
    assert stranger_chance(Rate(AT_LEAST, 1.0), 3) == Rate(AT_LEAST, 1.0)
    # With nobody enrolled nobody is taken for anybody.
    assert stranger_chance(Rate(UNKNOWN_RATE, None), 0) == Rate(MEASURED, 0.0)


def test_the_interpolation_is_near_what_a_finer_measurement_says():
    draw = np.random.RandomState(0)
    scores = np.clip(np.concatenate([draw.normal(0.55, 0.12, 4000), draw.normal(0.0, 0.1, 200000)]), -1, 1)
    genuine = np.arange(len(scores)) < 4000
    people = np.stack([np.arange(len(scores)) % 50, (np.arange(len(scores)) % 50) + np.where(genuine, 0, 1)], axis=1)
    made = measure(scores, genuine, people, "normal", False, FMRS, replicates=0)
    for threshold in (0.25, 0.28, 0.33, 0.37):
        fmr, fnmr = rates_at(made, threshold)
        assert fmr.value == pytest.approx((scores[~genuine] >= threshold).mean(), rel=0.35)
        assert fnmr.value == pytest.approx((scores[genuine] < threshold).mean(), abs=0.01)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.5, "50 %"),
        (0.0123, "1.23 %"),
        (1e-4, "0.01 %"),
        (5e-5, "1 in 20,000"),
        (1.1e-7, "1 in 9,100,000"),
    ],
)
def test_rates_are_readable(value, text):
    assert percent(value) == text
    assert str(Rate(AT_MOST, value)) == "at most " + text
