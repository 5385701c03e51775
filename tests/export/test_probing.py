"""A good network's input format is determined even if only a few pairs distinguish the candidates."""

import numpy as np
import pytest

from export import probing
from kface.errors import ConfigError, ModelError
from kface.evaluation.foreign import Preprocessing

RIGHT = Preprocessing("bgr", 127.5, 128.0)


class Embedder:
    """Tells people apart well, and a little worse when it is fed wrongly; counts what goes through it."""

    shown = "net.onnx"

    def __init__(self, people, noise):
        random = np.random.default_rng(0)
        self.who = random.normal(0, 1, (people.max() + 1, 6))[people]
        self.within = random.normal(0, 1, self.who.shape)
        self.noise = noise
        self.seen = {}

    def run(self, faces, preprocessing):
        numbers = faces[:, 0, 0].astype(int) @ [1, 256, 65536]
        counts = self.seen.setdefault(preprocessing, np.zeros(len(self.who), int))
        np.add.at(counts, numbers, 1)
        return self.given(preprocessing)[numbers]

    def given(self, preprocessing):
        return (self.who + self.noise(preprocessing) * self.within).astype(np.float32)


@pytest.fixture(scope="module")
def material():
    """600 people, four faces each (their number in the first pixel), 6,000 pairs."""
    random = np.random.default_rng(1)
    people = np.repeat(np.arange(600), 4)
    faces = np.zeros((2400, 2, 2, 3), np.uint8)
    numbers = np.arange(2400)
    faces[:, 0, 0, 0], faces[:, 0, 0, 1] = numbers % 256, numbers // 256
    same = np.stack([random.integers(0, 600, 3000) * 4, np.zeros(3000, int)], 1)
    same = np.stack([same[:, 0], same[:, 0] + random.integers(1, 4, 3000)], 1)
    other = random.integers(0, 2400, (4000, 2))
    other = other[people[other[:, 0]] != people[other[:, 1]]][:3000]
    pairs = np.concatenate([same, other])
    return people, faces, pairs, people[pairs[:, 0]] == people[pairs[:, 1]]


def test_a_good_network_is_told_apart_by_less_than_a_point(material):
    people, *rest = material
    embedder = Embedder(people, lambda one: 0.25 if one == RIGHT else 0.29)
    probed = probing.probe(embedder, *rest)
    tried = probed.tried
    assert tried[0].preprocessing == RIGHT
    assert tried[1].eer - tried[0].eer < 0.01
    assert len({one.preprocessing for one in tried}) == 6
    # Each face goes through a combination once at most, and a clearly worse one is given up early.
    assert all(counts.max() == 1 for counts in embedder.seen.values())
    # And what the best one gave comes with the answer, for the faces that were looked at.
    np.testing.assert_array_equal(probed.known, embedder.seen[RIGHT] == 1)
    np.testing.assert_array_equal(probed.embeddings, np.where(probed.known[:, None], embedder.given(RIGHT), 0))
    ruined = Embedder(people, lambda one: 0.25 if one == RIGHT else 3.0)
    probing.probe(ruined, *rest)
    wrong = next(counts for one, counts in ruined.seen.items() if one != RIGHT)
    assert wrong.sum() < len(people) / 2


def test_what_makes_no_difference_has_to_be_declared(material):
    people, *rest = material
    with pytest.raises(ConfigError, match=r"net\.onnx: the pairs cannot distinguish .*preprocessing\.normalisation="):
        probing.probe(Embedder(people, lambda one: 0.25), *rest)


def test_a_declared_half_leaves_the_other(material):
    people, *rest = material
    embedder = Embedder(people, lambda one: 0.25 if one.colour == "bgr" else 0.5)
    tried = probing.probe(embedder, *rest, normalisation=[127.5, 128]).tried
    assert [one.preprocessing.colour for one in tried] == ["bgr", "rgb"]
    declared = probing.probe(embedder, *rest, colour="rgb", normalisation=[0, 1])
    assert declared.tried[0].preprocessing.colour == "rgb"


@pytest.mark.parametrize(
    ("noise", "message"), [(np.nan, "are not finite"), (None, "the same embedding for every face")]
)
@pytest.mark.parametrize("declared", [{}, {"colour": "rgb", "normalisation": [0, 1]}])
def test_embeddings_that_say_nothing_are_refused(material, noise, message, declared):
    people, *rest = material
    embedder = Embedder(people, lambda one: noise)
    if noise is None:
        embedder.run = lambda faces, preprocessing: np.ones((len(faces), 4), np.float32)
    with pytest.raises(ModelError, match=message):
        probing.probe(embedder, *rest, **declared)
