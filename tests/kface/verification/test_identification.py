"""1:N: the closed form against every gallery there is, and against scikit-learn."""

import itertools

import numpy as np
import pytest

from kface import verification as v
from kface.errors import KFaceError
from kface.verification import identification


def crowd(people=7, each=3, noise=0.7, seed=0, dimensions=4):
    """Embeddings of people, and who is in each."""
    random = np.random.RandomState(seed)
    centres = random.normal(size=(people, dimensions))
    who = np.repeat(np.arange(people), each)
    return (centres[who] + noise * random.normal(size=(len(who), dimensions))).astype(np.float32), who


def brute_force(embeddings, who, size, threshold):
    """FPIR, TPIR and rank 1 by every gallery: each person's first image is enrolled."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    people = np.unique(who)
    first = {person: np.flatnonzero(who == person)[0] for person in people}
    strangers, found, best = [], [], []
    for gallery in itertools.combinations(people, size):
        templates = unit[[first[person] for person in gallery]]
        for person in people:
            if person not in gallery:
                strangers.append((person, (templates @ unit[first[person]] >= threshold).any()))
        for probe in range(len(who)):
            if who[probe] in gallery and probe != first[who[probe]]:
                scores = templates @ unit[probe]
                right = gallery[int(np.argmax(scores))] == who[probe]
                best.append(right)
                found.append(right and scores.max() >= threshold)
    return np.mean([matched for _, matched in strangers]), np.mean(found), np.mean(best)


@pytest.mark.parametrize("size", [1, 3, 6])
def test_all_galleries_of_a_size(monkeypatch, size):
    monkeypatch.setattr(identification, "FMRS", (0.2,))
    monkeypatch.setattr(identification, "FPIRS", (0.4,))
    embeddings, who = crowd()
    found = v.identify(embeddings, who, replicates=0, sizes=[size, 50])
    assert (found.people, found.mated_probes) == (7, 14)
    (point,) = found.false_positive
    fpir, _, best = brute_force(embeddings, who, size, point.threshold - 1e-7)
    assert point.galleries[0].fpir.value == pytest.approx(fpir)
    assert point.galleries[1].fpir is None
    assert point.galleries[1].extrapolated == pytest.approx(1 - (1 - point.measured_fmr) ** 50)
    assert found.rank_1[0].rate.value == pytest.approx(best)
    (opened,) = found.open_set
    at, tpir, _ = brute_force(embeddings, who, size, opened.threshold - 1e-7)
    assert at <= 0.4
    assert opened.tpir.value == pytest.approx(tpir)
    # The next lower score would let too many strangers in.
    unit = embeddings[::3] / np.linalg.norm(embeddings[::3], axis=1, keepdims=True)
    scores = np.unique((unit @ unit.T)[np.triu_indices(7, 1)])
    lower = scores[scores < opened.threshold - 1e-6]
    assert brute_force(embeddings, who, size, lower[-1] - 1e-7)[0] > 0.4


def test_rank_one_of_everybody_is_the_nearest_neighbour():
    embeddings, who = crowd(people=41, each=3, noise=0.5, dimensions=8)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first = np.arange(len(who)) % 3 == 0
    scores = unit[~first] @ unit[first].T
    ahead = (scores >= scores[np.arange(len(scores)), who[~first], None]).sum(axis=1) - 1
    # Of the 41, one is missing in each gallery of 40: it is the only one ahead in 1 of 40.
    wanted = np.mean(np.select([ahead == 0, ahead == 1], [1, 1 / 40], 0))
    assert 0.5 < wanted < 0.95
    found = v.identify(embeddings, who, replicates=0, sizes=[40])
    assert found.rank_1[0].rate.value == pytest.approx(wanted)


def test_the_threshold_of_an_fmr_is_scikit_learn_s():
    metrics = pytest.importorskip("sklearn.metrics", reason="compares")
    embeddings, who = crowd(people=60, each=1)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    scores = (unit @ unit.T)[np.triu_indices(60, 1)]
    found = v.identify(embeddings, who, replicates=0)
    fmr, _, thresholds = metrics.roc_curve(
        np.append(np.zeros(len(scores)), 1), np.append(scores, 9.0), drop_intermediate=False
    )
    for point in found.false_positive:
        allowed = fmr <= point.fmr
        assert point.threshold == pytest.approx(thresholds[allowed].min(), abs=1e-6)
        assert point.measured_fmr == pytest.approx(fmr[allowed].max())
    assert [point.fmr for point in found.false_positive] == [1e-2, 1e-3]
    assert not found.rank_1


def test_strangers_of_their_own_are_rarer_than_independence_says():
    """Some probes match many people; 1 - (1 - FMR)^N spreads these matches over all probes."""
    random = np.random.RandomState(1)
    lambs = np.concatenate([np.tile([[3.0, 0, 0, 0, 0, 0]], (20, 1)), np.zeros((180, 6))])
    embeddings = lambs + random.normal(size=(200, 6))
    found = v.identify(embeddings, np.arange(200), replicates=50)
    point = found.false_positive[0]
    assert point.measured_fmr == pytest.approx(0.01, rel=0.01)
    hundred = point.galleries[1]
    assert hundred.fpir.value < 0.9 * hundred.extrapolated
    low, high = hundred.fpir.interval
    assert low < hundred.fpir.value < high


def test_the_interval_is_the_one_of_resampled_people(monkeypatch):
    monkeypatch.setattr(identification, "FMRS", (0.1,))
    embeddings, who = crowd(people=12, each=2, noise=1.0)
    found = v.identify(embeddings, who, replicates=100, seed=3, sizes=[4])
    threshold, rate = found.false_positive[0].threshold, found.false_positive[0].galleries[0].fpir
    draws = np.random.RandomState(3).multinomial(12, np.full(12, 1 / 12), size=100)
    unit = embeddings[::2] / np.linalg.norm(embeddings[::2], axis=1, keepdims=True)
    reached = unit @ unit.T >= threshold - 1e-7
    values = []
    for draw in draws:
        there = np.repeat(np.arange(12), draw)
        missed = 0.0
        for probe in there:
            others = there[there != probe]
            bad = reached[probe, others].sum()
            kept = 1.0
            for number in range(4):
                kept *= max(len(others) - bad - number, 0) / (len(others) - number)
            missed += 1 - kept
        values.append(missed / 12)
    shifted = np.percentile(values, [2.5, 97.5]) - np.mean(values) + rate.value
    assert rate.interval == pytest.approx(tuple(np.clip(shifted, 0, 1)))


def test_failures_are_never_found_and_never_enrolled():
    embeddings, who = crowd(people=20, each=3, noise=0.1, dimensions=16)
    clean = v.identify(embeddings, who, replicates=0)
    failed = np.zeros(60, bool)
    failed[[1, 3, 57, 58, 59]] = True
    embeddings[failed] = np.nan
    found = v.identify(embeddings, who, failed, replicates=0)
    # The second person's second image takes the place of the first; the last person is not there.
    assert (found.people, found.not_enrolled, found.mated_probes) == (19, 1, 38)
    assert clean.rank_1[0].rate.value == 1
    assert found.rank_1[0].rate.value == pytest.approx(36 / 38)


def test_the_image_that_is_enrolled_can_be_named():
    embeddings, who = crowd(people=12, each=2)
    by_default = v.identify(embeddings, who, replicates=0)
    swapped = v.identify(embeddings, who, enrolled=np.arange(1, 24, 2), replicates=0)
    reordered = v.identify(embeddings[np.arange(24) ^ 1], who, replicates=0)
    assert swapped == reordered != by_default


def test_too_few_people_and_wrong_shapes():
    embeddings, who = crowd(people=10)
    assert v.identify(embeddings, who) is None
    with pytest.raises(KFaceError, match="embeddings must be"):
        v.identify(embeddings, who[:-1])
    with pytest.raises(KFaceError, match="not finite"):
        v.identify(np.full((30, 4), np.inf, np.float32), np.arange(30))


def test_constant_scores_find_nobody():
    """Ties are misses: a network that maps all faces to one point identifies no one."""
    found = v.identify(np.ones((40, 3), np.float32), np.repeat(np.arange(20), 2), replicates=0)
    assert found.rank_1[0].rate.value == 0
    assert found.open_set[0].tpir.value == 0
    assert found.false_positive[0].measured_fmr == 0
