"""Q1-Q4 and the images by condition, of a data set whose images are arrays."""

import numpy as np
import pytest
from kface_fakes import SUBJECTS, captures_of, faces_of, manifest_of

from kface.data.protocols import Pair, get, write_pairs
from kface.data.testsets import kface_pairs, kface_protocols
from kface.errors import ConfigError, ProtocolError

T1_CAMERAS = tuple(range(4, 11))


@pytest.fixture
def data_set(monkeypatch):
    """Return a function that puts captures into the test split and returns the manifest."""

    def make(held, **facts):
        images = faces_of(held)
        read = []

        def read_some(manifest, wanted):
            read.append(list(wanted))
            return images[wanted]

        monkeypatch.setattr(kface_protocols, "read_captures", lambda manifest, split: list(held))
        monkeypatch.setattr(kface_pairs, "read_some", read_some)
        made = manifest_of(**facts)
        return made, images, read

    return make


def test_q1_and_q4_have_their_protocols_conditions(data_set):
    held = captures_of(SUBJECTS, (1,), (1, 7, 8), (1,), (1, *T1_CAMERAS))
    manifest, images, read = data_set(held)
    own = kface_protocols.own_sets(manifest, 60, ["q1", "q4"], conditions=True)
    assert [each.name for each in own.sets] == ["kface", "q1", "q4"]
    assert [each.title for each in own.sets][1] == "K-Face-shaped synthetic sample Q1"
    # Loaded once, and shared.
    assert len(read) == 1
    assert own.sets[0].images is own.sets[1].images is own.conditions.images
    for each, protocol in zip(own.sets[1:], ("q1", "q4"), strict=True):
        conditions = get(protocol).conditions
        used = [held[read[0][number]] for number in np.unique(each.pairs)]
        assert all(conditions.admits(capture) for capture in used)
        for a, b in each.pairs:
            first, second = held[read[0][a]], held[read[0][b]]
            assert (first.subject == second.subject) == (each.people[a] == each.people[b])
            np.testing.assert_array_equal(each.images[a], images[read[0][a]])
        assert abs(each.genuine.mean() - 0.5) < 0.01
        assert each.synthetic
    # 8 people with 7 images each make 168 genuine pairs, so 336 in all.
    assert len(own.sets[1].pairs) == 336
    assert own.sets[1].note == "336 pairs: the images do not make 1,000"
    # Not one image of L7, where there is no light at all.
    lights = {held[read[0][number]].light for number in np.unique(own.sets[2].pairs)}
    assert lights == {1, 8}
    assert own.sets[0].names[0] == held[0].path()


def test_the_enrolled_image_is_the_reference(data_set):
    held = captures_of(SUBJECTS)
    manifest, _, read = data_set(held)
    (own,) = kface_protocols.own_sets(manifest, 60).sets
    assert {held[read[0][number]][1:5] for number in own.enrolled} == {(1, 1, 1, 7)}
    assert len(own.enrolled) == len(SUBJECTS)


def test_published_lists_and_what_the_data_set_refused(data_set, tmp_path):
    held = captures_of(SUBJECTS)
    dark, there = held[4], [each for each in held if each != held[4]]
    pairs = [
        Pair(held[0], held[1], True),
        Pair(dark, held[0], True),
        Pair(held[0], held[-1], False),
        Pair(held[-1], dark, False),
    ]
    write_pairs(tmp_path / "q2.txt", pairs)
    manifest, _, _ = data_set(there, refused=[dark])
    (own,) = kface_protocols.own_sets(manifest, None, ["q2"], tmp_path).sets
    assert own.genuine.tolist() == [True, True, False, False]
    # A face that the data set's detector did not find is a failure of the chain, not a pair that vanishes.
    assert own.failed[own.pairs].any(axis=1).tolist() == [False, True, False, True]
    assert own.names[own.pairs[1, 0]] == dark.path()
    manifest, _, _ = data_set(there)
    with pytest.raises(ProtocolError, match="is not in the data set's test split"):
        kface_protocols.own_sets(manifest, None, ["q2"], tmp_path)
    with pytest.raises(ConfigError, match=r"contains no Q3\.txt"):
        kface_protocols.own_sets(manifest, None, ["q3"], tmp_path)


def test_a_corpus_without_conditions_has_no_protocols(data_set):
    manifest, _, _ = data_set(captures_of(SUBJECTS), layout="folders")
    with pytest.raises(ConfigError, match="evaluate.protocols: are pairs of K-Face's conditions"):
        kface_protocols.own_sets(manifest, None, ["q1"])


def test_conditions_that_make_no_pairs_are_refused(data_set):
    manifest, _, _ = data_set(captures_of(SUBJECTS, cameras=(1, 20)))
    with pytest.raises(ProtocolError, match="Q1: the data set has 0 images of test people under its conditions"):
        kface_protocols.own_sets(manifest, None, ["q1"])


def test_of_too_many_images_some_are_compared_spread_over_the_conditions(data_set, monkeypatch):
    monkeypatch.setattr(kface_protocols, "MOST_BY_CONDITION", 8 * 6)
    held = captures_of(SUBJECTS)
    manifest, _, _ = data_set(held)
    own = kface_protocols.own_sets(manifest, None, conditions=True)
    kept = own.conditions.captures
    # Six of each person's 18, and the reference where it is not among them.
    assert 48 <= len(kept) <= 56
    assert {each.subject for each in kept if each[1:5] == (1, 1, 1, 7)} == set(SUBJECTS)
    for camera in (6, 7, 13):
        assert sum(each.camera == camera for each in kept) >= 16


def test_pairs_keep_their_meaning_when_few_images_are_needed(data_set):
    held = captures_of(SUBJECTS)
    manifest, images, read = data_set(held)
    (own,) = kface_protocols.own_sets(manifest, None, ["q1"]).sets
    assert len(own.images) == len(read[0]) < len(held)
    for a in np.unique(own.pairs):
        np.testing.assert_array_equal(own.images[a], images[read[0][a]])
        assert held[read[0][a]].subject == own.names[a].split("/")[1]
