"""The samplers' draws, without TensorFlow's pipeline: shares, caps, decks without replacement, and resuming."""

import numpy as np
import pytest

from kface.errors import ConfigError
from train.decks import Decks, Population, hashed, share_out
from train.samplers import PK, SAMPLERS, Balanced, Natural

#: Images of eight identities.
SIZES = (3, 50, 7, 20, 1, 100, 12, 5)


def population(sizes=SIZES, members=None, **more):
    groups = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    # Not sorted by identity, as shards of different members are not.
    groups = groups[np.random.default_rng(0).permutation(len(groups))]
    members = np.zeros(len(sizes), np.int32) if members is None else np.array(members, np.int32)
    return Population(groups, members, np.zeros(len(sizes), bool), **more)


def epochs(sampler, people, images, count, batch=8, seed=5):
    decks = sampler.decks(people, images, seed, batch)
    return [sampler.order(decks, epoch, batch) for epoch in range(count)]


def of_identity(people, images):
    return np.bincount(people.groups[images], minlength=len(people.counts))


@pytest.mark.parametrize(
    "sampler", [Balanced(), Balanced(0.5), Balanced(1), Balanced(0, 6), Natural(4), PK(2), PK(4, 0.5)]
)
def test_an_epoch_follows_from_the_seed_and_its_number(sampler):
    people = population()
    images = sampler.images(people, None, 8) // 8 * 8
    complete = epochs(sampler, people, images, 4)
    assert all(len(epoch) == images for epoch in complete)
    # By itself, as after a resume, and backwards.
    decks = sampler.decks(people, images, 5, 8)
    for epoch in (3, 1, 2):
        np.testing.assert_array_equal(sampler.order(decks, epoch, 8), complete[epoch])
    assert not np.array_equal(complete[0], complete[1])
    assert not np.array_equal(complete[0], epochs(sampler, people, images, 1, seed=6)[0])


@pytest.mark.parametrize("sampler", [Balanced(), Balanced(0.5), Natural(4), PK(2)])
def test_no_image_comes_again_before_all_others_of_its_identity(sampler):
    people = population()
    images = sampler.images(people, None, 8) // 8 * 8
    shown = [np.zeros(0, np.int64)]
    for epoch in epochs(sampler, people, images, 9):
        shown.append(epoch)
        times = np.bincount(np.concatenate(shown), minlength=len(people.groups))
        for identity in range(len(SIZES)):
            mine = times[people.groups == identity]
            assert mine.max() - mine.min() <= 1


def test_balanced_draws_every_identity_equally_often():
    people = population()
    for count in epochs(Balanced(), people, 100, 5):
        assert set(of_identity(people, count)) <= {12, 13}
    total = sum(of_identity(people, epoch) for epoch in epochs(Balanced(), people, 100, 40))
    np.testing.assert_allclose(total, 500, atol=8)
    # More identities than draws: all take their turns.
    total = sum(of_identity(people, epoch) for epoch in epochs(Balanced(), people, 3, 80))
    np.testing.assert_allclose(total, 30, atol=12)


def test_the_power_lies_between_identities_and_images():
    people = population()
    total = sum(of_identity(people, epoch) for epoch in epochs(Balanced(0.5), people, 100, 40))
    expected = np.sqrt(SIZES) / np.sqrt(SIZES).sum() * 4000
    np.testing.assert_allclose(total, expected, rtol=0.1, atol=8)
    total = sum(of_identity(people, epoch) for epoch in epochs(Balanced(1), people, 198, 3))
    np.testing.assert_array_equal(total, np.array(SIZES) * 3)


def test_a_cap_holds_in_each_epoch_and_others_follow():
    people = population()
    sampler = Natural(10)
    assert sampler.images(people, None, 8) == sum(min(size, 10) for size in SIZES)
    seen = epochs(sampler, people, sampler.images(people, None, 8), 10)
    for epoch in seen:
        np.testing.assert_array_equal(of_identity(people, epoch), np.minimum(SIZES, 10))
    assert len(np.unique(np.concatenate(seen))) == len(people.groups)
    for epoch in epochs(Balanced(0, 20), people, 150, 6):
        assert of_identity(people, epoch).max() <= 20
    with pytest.raises(ConfigError, match="is 90, but the caps on images of an identity leave 80"):
        sampler.images(people, 90, 8)


def test_weights_and_caps_of_members():
    members = [0, 0, 0, 0, 0, 1, 1, 1]
    people = population(members=members, weights=(1.0, 3.0), caps=(None, None))
    total = sum(of_identity(people, epoch) for epoch in epochs(Balanced(), people, 100, 20))
    np.testing.assert_allclose(np.bincount(members, weights=total), [500, 1500], atol=10)
    np.testing.assert_allclose(total[:5], 100, atol=8)
    natural = sum(of_identity(people, epoch) for epoch in epochs(Natural(), people, 100, 20))
    np.testing.assert_allclose(np.bincount(members, weights=natural), [500, 1500], atol=10)
    np.testing.assert_allclose(natural[:5], np.array(SIZES[:5]) / sum(SIZES[:5]) * 500, atol=8)
    assert not Natural().as_it_is(people)
    capped = population(members=members, weights=(None, None), caps=(2, None))
    assert Natural().images(capped, None, 8) == 2 * 4 + 1 + 117
    for epoch in epochs(Natural(), capped, 126, 3):
        np.testing.assert_array_equal(of_identity(capped, epoch), [2, 2, 2, 2, 1, 100, 12, 5])


def test_pk_batches():
    people = population()
    sampler = PK(4)
    for epoch in epochs(sampler, people, 160, 4, batch=16):
        for batch in epoch.reshape(-1, 16):
            groups = people.groups[batch].reshape(4, 4)
            assert (groups == groups[:, :1]).all()
            assert len(set(groups[:, 0].tolist())) == 4
        assert set(of_identity(people, epoch) // 4) <= {5}
    # One that is in every batch, and a cap that is not a multiple.
    few = population((9, 30, 40), caps=(9,))
    images = PK(4).images(few, None, 8) // 8 * 8
    assert images == 24
    for epoch in epochs(PK(4), few, images, 3):
        assert of_identity(few, epoch).max() <= 9


@pytest.mark.parametrize(
    ("batch", "sampler", "message"),
    [
        (10, PK(4), r"fit\.batch_size: is 10, not a multiple of .*; set it to 8"),
        (4, PK(4), r"fit\.batch_size: is 4, not a multiple"),
        (64, PK(4), "needs 16 identities a batch, but there are 8"),
    ],
)
def test_a_batch_that_cannot_be_filled(batch, sampler, message):
    with pytest.raises(ConfigError, match=message):
        sampler.images(population(), None, batch)
    pool = Population(np.zeros(9, np.int32), np.zeros(1, np.int32), np.ones(1, bool))
    with pytest.raises(ConfigError, match="needs an identity for each image"):
        sampler.images(pool, None, 8)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("natural", {"per_identity_cap": 0}, r"sampler\.per_identity_cap"),
        ("balanced", {"power": 1.5}, r"sampler\.power"),
        ("pk", {"images_per_identity": 1}, r"sampler\.images_per_identity"),
        ("even", {}, "unknown sampler 'even'"),
    ],
)
def test_wrong_settings(name, arguments, message):
    with pytest.raises(ConfigError, match=message):
        SAMPLERS.make(name, arguments)


def test_sharing_out():
    np.testing.assert_allclose(share_out(np.array([1.0, 1, 2]), 8, np.full(3, np.inf)), [2, 2, 4])
    np.testing.assert_allclose(share_out(np.array([1.0, 1, 6]), 8, np.array([np.inf, 2.5, 3])), [2.5, 2.5, 3])
    np.testing.assert_allclose(share_out(np.array([0.0, 1]), 5, np.array([9.0, 2])), [3, 2])


def test_hashes_stay_as_they_are():
    # The first two numbers of SplitMix64 from the seed 1234567, by its reference implementation.
    from train.decks import _mix

    golden = 0x9E3779B97F4A7C15
    state = np.array([1234567, (1234567 + golden) % 2**64], np.uint64)
    with np.errstate(over="ignore"):
        assert _mix(state).tolist() == [6457827717110365317, 3203168211198807973]
    assert len(set(hashed(0, 1, np.arange(1000)).tolist())) == 1000


def test_an_epoch_of_a_large_population_is_drawn_in_a_moment():
    groups = np.repeat(np.arange(5000, dtype=np.int32), 20)
    decks = Decks(Population(groups, np.zeros(5000, np.int32), np.zeros(5000, bool)), np.full(5000, 3.2), seed=1)
    drawn = decks.draw(7)
    assert len(drawn) == len(set(drawn.tolist())) == 16000
