"""The fast bootstrap gives what weighing every pair in every draw gives."""

import numpy as np
import pytest
from kisa_scores import made_up

from kface.kisa import bootstrap
from kface.kisa.bootstrap import Draws, Weighing
from kface.kisa.conditions import Category
from kface.kisa.matching import PairPolicy
from kface.kisa.results import flat
from kface.verification import Resampling, eer
from kface.verification.curves import crossing, rank, rates

REPLICATES = 150


def naive(scores, acquired=False):
    """Return the EER in each draw, every pair weighed by kface.verification's own resampling."""
    impostor = scores.compared & ~scores.failed if acquired else scores.compared
    own = ~scores.genuine_failed if acquired else np.ones(scores.probes, bool)
    probes, others = np.nonzero(impostor)
    people = np.concatenate(
        [np.stack([scores.owners[own]] * 2, axis=1), np.stack([scores.owners[probes], others], axis=1)]
    )
    values, genuine = flat(scores, acquired)
    resampling = Resampling(people, REPLICATES, 0)
    assert resampling.people == scores.people
    return crossing(*rates(rank(values, genuine), resampling.weights(0, REPLICATES)))


@pytest.mark.parametrize("noise", [0.2, 0.8, 1.5, 4.0], ids=["separated", "good", "middling", "poor"])
@pytest.mark.parametrize("policy", [PairPolicy(), PairPolicy("one_direction"), PairPolicy("random", 300)])
def test_every_draw_is_as_if_all_pairs_were_weighed(noise, policy):
    scores = made_up(noise=noise, policy=policy)
    value = eer(*flat(scores))[0]
    found = Weighing(scores, Draws.of(scores.people, REPLICATES, 0)).eers(value)
    np.testing.assert_allclose(found, naive(scores), atol=1e-9)


@pytest.mark.parametrize("acquired", [False, True])
def test_failures_count_or_are_left_out(acquired):
    scores = made_up(people=20, failed=0.08, seed=3)
    assert scores.genuine_failed.any()
    value = eer(*flat(scores, acquired))[0]
    found = Weighing(scores, Draws.of(scores.people, REPLICATES, 0), acquired).eers(value)
    wanted = naive(scores) if not acquired else None
    if wanted is None:
        # People who failed altogether still belong to the draws.
        kept = ~scores.enrolment_failed
        assert kept.sum() < scores.people
        wanted = _left_out(scores)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def _left_out(scores):
    """Return the EER in each draw from pairs repeated as often as their people were drawn, one by one."""
    draws = Draws.of(scores.people, REPLICATES, 0).counts.astype(int)
    found = []
    for counts in draws:
        own = np.repeat(scores.genuine, counts[scores.owners] * ~scores.genuine_failed)
        cells = counts[scores.owners][:, None] * counts[None, :] * (scores.compared & ~scores.failed)
        others = np.repeat(scores.scores.reshape(-1), cells.reshape(-1))
        labels = np.concatenate([np.ones(len(own), bool), np.zeros(len(others), bool)])
        found.append(eer(np.concatenate([own, others]), labels)[0])
    return found


def test_equal_scores_are_one_threshold():
    scores = made_up(noise=2.0, levels=8)
    value = eer(*flat(scores))[0]
    found = Weighing(scores, Draws.of(scores.people, REPLICATES, 0)).eers(value)
    np.testing.assert_allclose(found, naive(scores), atol=1e-9)


def test_fewer_thresholds_change_little(monkeypatch):
    scores = made_up(people=40, noise=2.0)
    weighing = Weighing(scores, Draws.of(scores.people, REPLICATES, 0))
    value = eer(*flat(scores))[0]
    exact = weighing.eers(value)
    monkeypatch.setattr(bootstrap, "THRESHOLDS", 60)
    monkeypatch.setattr(bootstrap, "BLOCK", 5000)
    np.testing.assert_allclose(weighing.eers(value), exact, atol=2e-3)


def test_the_rates_at_a_threshold_are_those_of_the_pairs_that_were_drawn():
    scores = made_up(people=9, noise=1.5).of_category(Category.LIGHT)
    draws = Draws.of(scores.people, REPLICATES, 0)
    found = Weighing(scores, draws).rates(0.4)
    rates_by_draw = []
    for counts in draws.counts.astype(int):
        own = np.repeat(scores.genuine, counts[scores.owners])
        cells = counts[scores.owners][:, None] * counts[None, :] * scores.compared
        others = np.repeat(scores.scores.reshape(-1), cells.reshape(-1))
        rates_by_draw.append(((others >= 0.4).mean() if len(others) else np.nan, (own < 0.4).mean()))
    low, high = np.nanpercentile(rates_by_draw, [2.5, 97.5], axis=0)
    np.testing.assert_allclose([found[0].low, found[1].low], low, atol=1e-9)
    np.testing.assert_allclose([found[0].high, found[1].high], high, atol=1e-9)
