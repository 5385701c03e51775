"""Verification's figures against hand-computed cases, scikit-learn and brute force."""

import json

import numpy as np
import pytest

from kface import verification as v
from kface.errors import KFaceError
from kface.verification.bootstrap import Resampling
from kface.verification.curves import crossing, rank, rates, within


def random_pairs(seed=0, people=20, genuine=300, impostors=700, ties=True, shift=1.0):
    random = np.random.RandomState(seed)
    first = random.randint(0, people, genuine + impostors)
    second = (first + random.randint(1, people, genuine + impostors)) % people
    labels = np.arange(genuine + impostors) < genuine
    second[labels] = first[labels]
    scores = random.normal(shift * labels, 1)
    return (np.round(scores, 1) if ties else scores), labels, np.stack([first, second], 1)


def test_hand_computed_with_a_tie_between_kinds():
    scores = [0.9, 0.8, 0.8, 0.7, 0.6, 0.5]
    genuine = [True, True, False, True, False, False]
    made = v.curve(scores, genuine)
    np.testing.assert_allclose(made.thresholds, [np.inf, 0.9, 0.8, 0.7, 0.6, 0.5])
    np.testing.assert_allclose(made.fmr, [0, 0, 1 / 3, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(made.fnmr, [1, 2 / 3, 1 / 3, 0, 0, 0])
    assert v.eer(scores, genuine) == pytest.approx((1 / 3, 0.8))
    # By hand: 0.9 beats all three impostors, 0.8 beats two and ties with one, 0.7 beats two.
    assert v.roc_area(made) == pytest.approx((3 + 2.5 + 2) / 9)
    assert v.operating_point(made, 0.34) == pytest.approx((0.7, 1 / 3, 0))
    assert v.operating_point(made, 0.1) == pytest.approx((0.9, 0, 2 / 3))


def test_between_two_thresholds_the_eer_is_interpolated():
    # FMR jumps from 0 to 1/2 while FNMR falls from 1/2 to 0: the line crosses at a quarter.
    assert v.eer([3, 2, 2, 1], [True, True, False, False])[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([2, 2, 1, 1], 0.0), ([1, 1, 2, 2], 1.0), ([1, 1, 1, 1], 0.5), ([0.0, -0.0, 0.0, 0.0], 0.5)],
)
def test_extremes(scores, expected):
    genuine = [True, True, False, False]
    assert v.eer(scores, genuine)[0] == pytest.approx(expected)
    assert v.roc_area(v.curve(scores, genuine)) == pytest.approx(1 - expected)


@pytest.mark.parametrize("ties", [False, True])
def test_against_scikit_learn(ties):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    for seed in range(5):
        scores, genuine, _ = random_pairs(seed, ties=ties)
        made = v.curve(scores, genuine)
        fpr, tpr, thresholds = metrics.roc_curve(genuine, scores, drop_intermediate=False)
        np.testing.assert_allclose(made.fmr, fpr)
        np.testing.assert_allclose(1 - made.fnmr, tpr)
        np.testing.assert_allclose(made.thresholds[1:], thresholds[1:])
        assert v.roc_area(made) == pytest.approx(metrics.roc_auc_score(genuine, scores))


def test_tar_at_far():
    scores = np.concatenate([np.linspace(0, 1, 200), np.linspace(-1, 0.5, 100)])
    genuine = np.arange(300) < 200
    accepted = np.sort(scores[~genuine])[::-1]
    for far, impostors in ((0.01, 1), (0.1, 10)):
        expected = np.mean(scores[:200] > accepted[impostors])
        assert v.tar_at_far(scores, genuine, far) == pytest.approx(expected, abs=0.006)
    assert v.tar_at_far(scores, genuine, 1e-3) is None
    assert v.tar_at_far([2, 2] + [1] * 100, [True, True] + [False] * 100, 0.01) == 1
    assert v.tar_at_far([1, 1] + [2] * 100, [True, True] + [False] * 100, 0.01) == 0


def test_what_cannot_be_measured_is_refused():
    for scores, genuine, message in (
        ([1, 2], [True, True], "genuine and impostor"),
        ([1, 2], [False, False], "genuine and impostor"),
        ([], [], "genuine and impostor"),
        ([1, np.nan], [True, False], "not a number"),
        ([1, 2, 3], [True, False], "same shape"),
    ):
        with pytest.raises(KFaceError, match=message):
            v.curve(np.array(scores, float), np.array(genuine, bool))
    with pytest.raises(KFaceError, match="two people"):
        v.verify([1.0, 0.0], [True, False], [[0, 1], [0, 1]])


def test_weighted_rates_equal_repeated_pairs():
    scores, genuine, _ = random_pairs(3)
    weights = np.random.RandomState(0).randint(0, 4, (len(scores), 7))
    fmr, fnmr = rates(rank(scores, genuine), weights)
    for draw in range(7):
        repeated = np.repeat(np.arange(len(scores)), weights[:, draw])
        made = v.curve(scores[repeated], genuine[repeated])
        assert float(crossing(fmr[:, draw], fnmr[:, draw])) == pytest.approx(
            v.eer(scores[repeated], genuine[repeated])[0]
        )
        assert float(within(fmr, fnmr, 0.05)[draw]) == pytest.approx(float(within(made.fmr, made.fnmr, 0.05)))
    np.testing.assert_allclose(crossing(fmr, fnmr), [crossing(f, g) for f, g in zip(fmr.T, fnmr.T)])


def test_weights_of_a_draw_of_people():
    people = np.array([[7, 7], [7, 9], [9, 9], [9, 3]])
    resampling = Resampling(people, replicates=4, seed=0)
    resampling.draws = np.array([[1, 2, 0], [0, 0, 3]])  # of people 3, 7 and 9
    np.testing.assert_array_equal(resampling.weights(0, 2), [[2, 0], [0, 0], [0, 3], [0, 0]])
    resampling.draws = np.array([[1, 1, 1]])
    np.testing.assert_array_equal(resampling.weights(0, 1), [[1], [1], [1], [1]])


def test_bootstrap_against_brute_force():
    scores, genuine, people = random_pairs(5, people=8, genuine=40, impostors=80)
    resampling = Resampling(people, replicates=50, seed=2)
    found = resampling.of_rates(rank(scores, genuine), crossing)[0]
    values = []
    for draw in resampling.draws:
        index = []
        for pair, (a, b) in enumerate(people):
            index += [pair] * (draw[a] if a == b else draw[a] * draw[b])
        index = np.array(index)
        if genuine[index].any() and not genuine[index].all():
            values.append(v.eer(scores[index], genuine[index])[0])
    assert tuple(found) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_intervals_by_people_are_wider_than_by_pairs_and_hold_the_value():
    random = np.random.RandomState(0)
    _, genuine, people = random_pairs(1, people=12, genuine=600, impostors=1200)
    habit = random.normal(size=12)
    scores = genuine * 1.5 + habit[people].sum(axis=1) * 0.7 + random.normal(size=len(genuine)) * 0.3
    report = v.verify(scores, genuine, people, replicates=400)
    low, high = report.eer.interval
    assert low < report.eer.value < high
    pairs = [v.eer(scores[i], genuine[i])[0] for i in random.randint(0, len(scores), (200, len(scores)))]
    assert high - low > 1.5 * np.subtract(*np.percentile(pairs, [97.5, 2.5]))


def test_kfold_chooses_the_threshold_on_the_other_folds():
    # Fold 1 alone would want a threshold near 5; the others want one near 0.5.
    scores = np.array([1, 0, 1, 0, 1, 0, 6, 4], float)
    genuine = np.array([1, 0, 1, 0, 1, 0, 1, 0], bool)
    folds = np.repeat([2, 3, 4, 1], 2)
    right, thresholds = v.fold_accuracies(scores, genuine, folds)
    assert right.tolist() == [True] * 7 + [False]
    assert thresholds[0] == pytest.approx(0.5)
    assert v.kfold_accuracy(scores, genuine, folds)[0] == pytest.approx(7 / 8)
    with pytest.raises(KFaceError, match="two folds"):
        v.kfold_accuracy(scores, genuine, np.zeros(8))


def test_best_threshold_is_best_by_brute_force():
    from kface.verification.kfold import best_threshold

    for seed in range(5):
        scores, genuine, _ = random_pairs(seed, genuine=30, impostors=40)
        best = best_threshold(scores, genuine)
        candidates = np.concatenate([np.unique(scores), [99]])
        assert np.mean((scores >= best) == genuine) == max(np.mean((scores >= c) == genuine) for c in candidates)
    assert best_threshold(np.array([1.0, 1.0]), np.array([True, False])) in (1.0, np.nextafter(1.0, 2.0))


def test_folds_keep_people_together():
    _, genuine, people = random_pairs(0, people=25)
    folds = v.folds_by_person(people)
    assert set(folds) == set(range(10))
    for person in range(25):
        assert len(set(folds[genuine & (people[:, 0] == person)])) <= 1
    assert set(v.folds_by_person(people[people[:, 0] < 3])) == {0, 1, 2}
    few = np.array([[0, 0], [1, 1], [0, 1], [0, 1]] * 10)
    dealt = v.folds_by_person(few)
    assert all(len(set(np.ptp(few[dealt != fold], axis=1))) == 2 for fold in set(dealt))


def test_scores_of_pairs():
    embeddings = np.array([[3, 0], [0, 2], [-1, 0], [1, 1], [0, 0]], float)
    pairs = np.array([[0, 0], [0, 1], [0, 2], [1, 3], [0, 4]])
    np.testing.assert_allclose(v.score_pairs(embeddings, pairs, block=2), [1, 0, -1, 0.5**0.5, 0], atol=1e-6)
    failed = np.array([False, False, True, False, False])
    assert v.score_pairs(embeddings, pairs, failed)[2] == v.FAILED
    with pytest.raises(KFaceError, match="no embedding"):
        v.score_pairs(embeddings, np.array([[0, 5]]))
    with pytest.raises(KFaceError, match="not finite"):
        v.score_pairs(embeddings * np.nan, pairs)


@pytest.mark.parametrize("each", [1, 500])
def test_without_an_error_to_resample_there_is_no_interval(each):
    people = np.repeat([[0, 0], [1, 1], [2, 2], [0, 1], [1, 2], [2, 0]], each, axis=0)
    genuine = people[:, 0] == people[:, 1]
    report = v.verify(np.where(genuine, 0.9, 0.1), genuine, people, replicates=100)
    assert (report.accuracy, report.eer) == (v.RateEstimate(1.0, None), v.RateEstimate(0.0, None))
    assert report.tar[1e-2] == (None if each == 1 else v.RateEstimate(1.0, None))
    wrong = np.where(genuine, 0.9, 0.1)
    wrong[0] = 0.05
    assert v.verify(wrong, genuine, people, replicates=100).accuracy.interval is not None


def test_failures_count_as_non_matches():
    scores, genuine, people = random_pairs(0, ties=False, shift=4)
    clean = v.verify(scores / 10, genuine, people, replicates=0)
    scores = scores / 10
    scores[:30] = v.FAILED
    report = v.verify(scores, genuine, people, replicates=0)
    assert report.failures == 30
    assert report.eer.value > clean.eer.value
    assert report.eer_acquired == pytest.approx(clean.eer.value, abs=0.02)


def test_the_report_is_json():
    scores, genuine, people = random_pairs(0)
    scores = scores / 10
    report = v.verify(scores, genuine, people, replicates=50)
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["pairs"] == {"genuine": 300, "impostor": 700, "failed": 0}
    assert told["tar_at_far"]["1e-03"] is None
    assert told["tar_at_far"]["1e-02"]["interval"][0] <= told["tar_at_far"]["1e-02"]["value"]
    assert told["people"] == 20
    assert v.verify(scores, genuine, people, replicates=50).eer == report.eer


def test_a_hundred_thousand_pairs_fit_in_memory():
    import tracemalloc

    scores, genuine, people = random_pairs(0, people=30, genuine=50000, impostors=50000, ties=False)
    tracemalloc.start()
    report = v.verify(scores, genuine, people, replicates=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.tar[1e-4] is not None
    assert peak < 400 << 20
