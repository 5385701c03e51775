"""Figures by category and condition, beside kface.verification's; failures; and what passes."""

import numpy as np
import pytest
from kisa_scores import made_up
from small_kisa import PixelEngine, small_database

from kface.kisa.conditions import PROBE_CATEGORIES, PROBES, Category, conditions_of
from kface.kisa.matching import KisaScores, PairPolicy, match
from kface.kisa.results import Verdict, compute, flat, thinned
from kface.kisa.templates import make_templates
from kface.verification import curve, eer, verify

MARKS = {category: category.criterion for category in PROBE_CATEGORIES}


def computed(tmp_path, marks=MARKS, replicates=20, **changed):
    database = small_database(**changed)
    templates = make_templates(database, PixelEngine(), tmp_path, progress=False)
    made = match(templates, PixelEngine().scores, PairPolicy(), progress=False)
    return database, made.scores, compute(made.scores, database, marks, replicates)


def test_the_figures_are_those_of_verification():
    scores = made_up(people=30, noise=1.2, failed=0.03, seed=5)
    found = compute(scores, small_database(people=2), MARKS, replicates=200, seed=7)
    for category in PROBE_CATEGORIES:
        part = scores.of_category(category)
        probes, others = np.nonzero(part.compared)
        people = np.concatenate([np.stack([part.owners] * 2, 1), np.stack([part.owners[probes], others], 1)])
        values, genuine = flat(part)
        # There a failed pair scores -2; here -1.
        expected = verify(np.where(values == -1, -2, values), genuine, people, replicates=200, seed=7)
        made = found.categories[category]
        assert made.eer.value == pytest.approx(expected.eer.value)
        assert made.eer.interval == pytest.approx(expected.eer.interval)
        assert made.eer_acquired.value == pytest.approx(expected.eer_acquired)
        assert made.threshold == pytest.approx(expected.threshold)
        assert made.genuine_failed + made.impostor_failed == expected.failures
        assert made.fta == part.probe_failed.mean()


def test_rates_at_the_thresholds():
    scores = made_up(people=20, noise=1.5)
    found = compute(scores, small_database(people=2), MARKS, replicates=0)
    values, genuine = flat(scores)
    assert found.fixed_threshold == eer(values, genuine)[1]
    part = found.categories[Category.POSE]
    values, genuine = flat(scores.of_category(Category.POSE))
    assert part.fmr == (values[~genuine] >= part.threshold).mean()
    assert part.fnmr == (values[genuine] < part.threshold).mean()
    assert part.fixed_fmr.value == (values[~genuine] >= found.fixed_threshold).mean()
    assert part.fixed_fnmr.value == (values[genuine] < found.fixed_threshold).mean()
    assert part.eer.interval is None
    assert part.fixed_fmr.interval is None


def test_a_category_passes_fails_or_cannot_be_measured(tmp_path):
    _, _, found = computed(tmp_path, unlike=0.2)
    assert {made.verdict for made in found.verdicts.values()} == {Verdict.PASS}
    assert found.verdict is Verdict.PASS
    assert all(found.conditions[condition].eer.value == 0 for condition in PROBES)
    _, _, found = computed(tmp_path, unlike=0.2, left_out=["accessory_glasses", "accessory_hair-band"])
    assert found.verdicts[Category.ACCESSORY].verdict is Verdict.NOT_MEASURED
    assert found.verdicts[Category.ACCESSORY].incomplete
    assert found.verdict is Verdict.NOT_MEASURED
    _, _, found = computed(tmp_path, unlike=0.95)
    assert found.verdict is Verdict.FAIL


def test_a_missing_condition_makes_a_category_incomplete(tmp_path):
    _, _, found = computed(tmp_path, left_out=["expression_anger"])
    assert [category for category, made in found.verdicts.items() if made.incomplete] == [Category.EXPRESSION]
    assert found.categories[Category.EXPRESSION] is not None
    assert [condition.key for condition, made in found.conditions.items() if made is None] == ["expression_anger"]


def test_failures_count_as_non_matches_and_are_left_out_of_eer_star(tmp_path):
    black = [(number, "light_90") for number in range(4)]
    _, _, found = computed(tmp_path, unlike=0.2, black=black, people=5)
    light = found.categories[Category.LIGHT]
    assert light.fta == 4 / 40
    # A tenth of the genuine pairs never matches: the EER's line leads from FNMR 10 % up to where everything is accepted.
    assert light.eer.value > 0.04
    assert light.eer_acquired.value == 0
    assert found.failed_to_enrol == 0
    _, _, found = computed(tmp_path, unlike=0.2, unreadable=[(2, "enrolment_neutral")])
    assert (found.failed_to_enrol, found.fte) == (1, 0.2)


def test_an_interval_that_holds_the_mark_is_named():
    scores = made_up(people=15, noise=1.5, seed=2)
    marks = dict.fromkeys(PROBE_CATEGORIES, 0.0)
    found = compute(scores, small_database(people=2), marks, replicates=100)
    low, high = found.categories[Category.LIGHT].eer.interval
    assert low > 0
    assert not found.verdicts[Category.LIGHT].straddles
    marks[Category.LIGHT] = (low + high) / 2
    assert compute(scores, small_database(people=2), marks, replicates=100).verdicts[Category.LIGHT].straddles
    marks[Category.LIGHT] = high
    found = compute(scores, small_database(people=2), marks, replicates=100).verdicts[Category.LIGHT]
    assert (found.verdict, found.straddles) == (Verdict.PASS, False)


def test_a_rate_at_the_mark_passes_whatever_the_rounding():
    """One of 100 genuine pairs rejected, and one of 100 impostors accepted: 1 - 0.99 is above 0.01."""
    assert 1 - 0.99 > 0.01
    count = 100
    scores = np.full((count, count), -0.5, np.float32)
    np.fill_diagonal(scores, 0.9)
    scores[0, 0] = 0.1
    # Of 9,900 impostor pairs 99 reach what the lowest genuine pair does not.
    scores.reshape(-1)[np.flatnonzero(~np.eye(count, dtype=bool))[:99]] = 0.5
    owners = np.arange(count)
    places = np.full(count, conditions_of(Category.LIGHT)[0].place)
    good = np.zeros(count, bool)
    compared = owners[:, None] != owners[None, :]
    made = KisaScores(scores, owners, places, owners, compared, good, good)
    found = compute(made, small_database(people=2), MARKS, replicates=200)
    light = found.categories[Category.LIGHT]
    assert light.eer.value == pytest.approx(0.01, abs=1e-12)
    assert found.verdicts[Category.LIGHT].verdict is Verdict.PASS
    assert found.verdicts[Category.LIGHT].straddles


def test_a_thinned_curve_lies_on_the_curve():
    made = curve(*flat(made_up(people=60, noise=1.5)))
    small = thinned(made, 100)
    assert len(small.fmr) < 400 < len(made.fmr)
    assert (small.fmr[0], small.fnmr[0], small.fmr[-1], small.fnmr[-1]) == (0, 1, 1, 0)
    places = np.searchsorted(-made.thresholds, -small.thresholds)
    np.testing.assert_array_equal(made.fmr[places], small.fmr)
    np.testing.assert_array_equal(made.fnmr[places], small.fnmr)


def test_where_every_probe_failed_nothing_is_accepted(tmp_path):
    everything = [(number, probe.key) for number in range(5) for probe in PROBES]
    _, _, found = computed(tmp_path, black=everything)
    for part in (found.total, *found.categories.values()):
        assert (part.fmr, part.fnmr) == (0, 1)
        assert (part.fixed_fmr.value, part.fixed_fnmr.value) == (0, 1)
        assert part.eer_acquired is None
    assert found.verdict is Verdict.FAIL


def test_without_an_error_there_is_no_interval_of_no_width(tmp_path):
    _, _, found = computed(tmp_path, unlike=0.1)
    assert found.verdict is Verdict.PASS
    for part in found.categories.values():
        assert (part.eer.value, part.eer.interval, part.fixed_fnmr.interval) == (0, None, None)


def test_an_incomplete_category_does_not_pass_the_test(tmp_path):
    _, _, found = computed(tmp_path, unlike=0.1, left_out=("expression_surprise",))
    assert {verdict.verdict for verdict in found.verdicts.values()} == {Verdict.PASS}
    assert found.verdict is Verdict.NOT_MEASURED
