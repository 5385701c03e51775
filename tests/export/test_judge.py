"""Reduced precision is judged by the upper limit of its loss, not by the loss measured on a few people."""

import numpy as np
import pytest

from export import paired
from export.judge import AccuracyChange, Verdict, judge
from kface.data.testsets import TestSet
from kface.verification import eer, score_pairs


def population(count, each=4, seed=0, spread=0.6):
    """Embeddings of so many people, as hard to tell apart whatever their number."""
    random = np.random.default_rng(seed)
    people = np.repeat(np.arange(count), each)
    vectors = random.normal(0, 1, (count, 8))[people] + random.normal(0, spread, (count * each, 8))
    genuine = [(a, b) for a in range(len(people)) for b in range(a + 1, len(people)) if people[a] == people[b]]
    impostors = random.choice(len(people), (len(genuine), 2))
    impostors = impostors[people[impostors[:, 0]] != people[impostors[:, 1]]]
    pairs = np.concatenate([genuine, impostors])
    images = np.zeros((len(people), 1, 1, 3), np.uint8)
    return TestSet("lfw", "LFW", images, pairs, people, failed=np.zeros(len(people), bool)), vectors


def noisy(vectors, noise, seed=5):
    return vectors + np.random.default_rng(seed).normal(0, noise, vectors.shape)


def verdict(count, noise, allowed=0.02, **more):
    testset, vectors = population(count)
    return judge("embedder.int8.onnx", [(testset, vectors, noisy(vectors, noise))], (100, 25), allowed, **more)


def test_a_few_people_prove_nothing_and_many_do():
    few, many = verdict(20, 0.02), verdict(400, 0.02)
    assert few.changes[0].loss <= few.allowed
    assert not few.accepted
    assert many.accepted
    assert few.changes[0].largest_loss > 2 * many.changes[0].largest_loss > 0
    text = "\n".join(few.lines())
    assert "95 % interval: up to" in text
    assert "use more pairs: evaluate.lfw=DIR" in text


def test_what_loses_nothing_is_accepted_on_any_people():
    assert verdict(8, 0.0).accepted
    assert verdict(8, 0.0).changes[0].largest_loss == 0


def test_what_loses_much_is_refused_with_the_loss():
    ruined = verdict(400, 2.0)
    assert not ruined.accepted
    assert ruined.changes[0].loss > 0.1
    assert "use more pairs" not in "\n".join(ruined.lines())


@pytest.mark.parametrize(
    ("ratios", "asked", "accepted"),
    [
        ({("onnxruntime", 1): 0.7, ("onnxruntime", 8): 1.3}, False, True),
        ({("onnxruntime", 1): 0.7, ("openvino", 8): 1.5}, False, True),
        ({("onnxruntime", 1): 0.9, ("onnxruntime", 8): 1.01}, False, False),
        ({("onnxruntime", 1): 0.9, ("onnxruntime", 8): 0.8}, True, True),
        ({}, False, False),
    ],
)
def test_what_is_slower_everywhere_has_to_be_asked_for(ratios, asked, accepted):
    made = Verdict("embedder.fp16.onnx", (AccuracyChange("LFW", (0.01, 0.01), {}),), (10, 5), ratios, 0.02, asked)
    assert made.accepted == accepted
    assert ("precision.fp16=true bundles it" in "\n".join(made.lines())) == (not accepted)


def test_the_difference_is_known_better_than_either_rate():
    testset, vectors = population(100)
    scores = [score_pairs(each, testset.pairs) for each in (vectors, noisy(vectors, 0.1))]
    people = testset.people[testset.pairs]
    found = paired.differences(*scores, testset.genuine, people, 200, far=1e-2)
    assert len(found.eer) == len(found.area) == len(found.miss) == 200
    low, high = paired.interval(found.eer)
    measured = eer(scores[1], testset.genuine)[0] - eer(scores[0], testset.genuine)[0]
    assert low <= measured <= high
    # Unpaired, two rates of some 10 % on 100 people are known to a few points each.
    assert high - low < 0.05
    same = paired.differences(scores[0], scores[0], testset.genuine, None, 40)
    assert not same.eer.any()
    assert not same.area.any()
    again = paired.differences(*scores, testset.genuine, people, 200, far=1e-2)
    np.testing.assert_array_equal(found.eer, again.eer)
