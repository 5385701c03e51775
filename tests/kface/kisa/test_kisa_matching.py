"""Which pairs are compared, and what a failed template scores."""

import numpy as np
import pytest
from small_kisa import PixelEngine, small_database

from kface.errors import ConfigError, ModelError
from kface.kisa import matching
from kface.kisa.conditions import PROBE_CATEGORIES, Category
from kface.kisa.matching import FAILED_SCORE, PairPolicy, match
from kface.kisa.templates import make_templates


def matched(tmp_path, policy=None, **changed):
    database = small_database(**changed)
    engine = PixelEngine()
    templates = make_templates(database, engine, tmp_path, progress=False)
    return database, templates, match(templates, engine.scores, policy or PairPolicy(), progress=False)


@pytest.mark.parametrize(
    ("policy", "share"), [(PairPolicy(), 1), (PairPolicy("one_direction"), 0.5)], ids=["full", "half"]
)
def test_the_counts_are_those_of_kisa_s_form(tmp_path, policy, share):
    _, _, made = matched(tmp_path, policy, people=6)
    for category, conditions in zip(PROBE_CATEGORIES, (8, 4, 3, 2), strict=True):
        part = made.scores.of_category(category)
        assert part.probes == 6 * conditions
        assert part.compared.sum() == 6 * 5 * conditions * share
        assert not part.compared[np.arange(part.probes), part.owners].any()


def test_random_pairs_are_drawn_in_each_category_and_the_same_again(tmp_path):
    policy = PairPolicy("random", 17, seed=3)
    first, second = (matched(tmp_path, policy)[2].scores for _ in range(2))
    np.testing.assert_array_equal(first.compared, second.compared)
    assert [int(first.of_category(category).compared.sum()) for category in PROBE_CATEGORIES] == [17] * 4
    other = matched(tmp_path, PairPolicy("random", 17, seed=4))[2].scores
    assert (other.compared != first.compared).any()
    everything = matched(tmp_path, PairPolicy("random", 10**9))[2].scores
    np.testing.assert_array_equal(everything.compared, matched(tmp_path)[2].scores.compared)


def test_scores_are_those_of_the_engine_whatever_the_blocks(tmp_path, monkeypatch):
    database, templates, made = matched(tmp_path)
    monkeypatch.setattr(matching, "BLOCK", 7)
    blocks = match(templates, PixelEngine().scores, PairPolicy(), progress=False)
    np.testing.assert_allclose(blocks.scores.scores, made.scores.scores, atol=1e-6)
    row, column = 40, 2
    number = made.scores.images[row]
    enrolment = database.images.index(database.enrolments[column])
    expected = PixelEngine().scores(templates.data[number : number + 1], templates.data[enrolment : enrolment + 1])
    assert made.scores.scores[row, column] == pytest.approx(float(expected[0, 0]), abs=1e-6)
    assert database.people[made.scores.owners[row]] == database.images[number].person


def test_a_failed_template_scores_minus_one_and_is_never_compared(tmp_path):
    _, _, made = matched(tmp_path, black=[(0, "light_0")], unreadable=[(1, "enrolment_neutral")])
    scores = made.scores
    assert scores.enrolment_failed.tolist() == [False, True, False, False, False]
    assert (scores.scores[:, 1] == FAILED_SCORE).all()
    assert scores.probe_failed.sum() == 1
    assert (scores.scores[scores.probe_failed] == FAILED_SCORE).all()
    assert (scores.failed == (scores.scores == FAILED_SCORE)).all()
    assert made.comparisons == (85 - 1) * 4
    # Of the light: the black probe, and the eight of the person who is not enrolled.
    assert scores.of_category(Category.LIGHT).genuine_failed.sum() == 9


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, 1.1, -2.0])
def test_what_is_not_a_similarity_is_an_error_and_no_figure(tmp_path, score):
    templates = make_templates(small_database(), PixelEngine(), tmp_path, progress=False)

    def scorer(probes, enrolments):
        scores = np.zeros((len(probes), len(enrolments)))
        scores[3, 1] = score
        return scores

    with pytest.raises(ModelError, match="gave 1 similarities that are not numbers from -1 to 1"):
        match(templates, scorer, PairPolicy(), progress=False)


def test_rounding_above_one_is_one(tmp_path):
    templates = make_templates(small_database(), PixelEngine(), tmp_path, progress=False)
    made = match(templates, lambda a, b: np.full((len(a), len(b)), 1.00001), PairPolicy(), progress=False)
    assert (made.scores.scores == 1).all()


def test_an_unknown_policy_is_refused():
    with pytest.raises(ConfigError, match="pairs.impostors: must be one of full_cross"):
        PairPolicy("all")
