"""Large galleries: with bytes, exactly what comparing with all templates gives, whatever the templates are like."""

import numpy as np
import pytest

from kface.gallery import coarse as coarse_module
from kface.gallery import index as index_module
from kface.gallery.coarse import coarse, distances
from kface.gallery.index import build, search


@pytest.fixture(autouse=True)
def always_with_bytes(monkeypatch):
    """Small galleries are treated like large ones, and machines like those where bytes are faster."""
    monkeypatch.setattr(coarse_module, "LEAST", 1)
    seconds = iter([1.0, 100.0] * 100)
    monkeypatch.setattr(coarse_module, "_seconds", lambda call: (call(), next(seconds))[1])


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def templates(kind, count=3000, size=96):
    random = np.random.RandomState(0)
    vectors = random.normal(size=(count, size))
    if kind == "in one direction":
        vectors += 4
    if kind == "with an outlier":
        vectors[7] = 0
        vectors[7, 3] = 1
    if kind == "in a few dimensions":
        vectors[:, 8:] *= 0.01
    if kind == "with twins":
        vectors[1::2] = vectors[::2]
        vectors[-400:] = vectors[0]
    found = unit(vectors)
    # An import may bring templates whose lengths are 1 but for a thousandth.
    return found * np.float32([[0.9996], [1.0004]])[np.arange(count) % 2] if kind == "of some lengths" else found


KINDS = ("any", "in one direction", "with an outlier", "in a few dimensions", "with twins", "of some lengths")


def indexed(matrix, each=3, bytes_too=True):
    entries = [(100 + row, "person {}".format(row // each), b"") for row in range(len(matrix))]
    names = {person: person.upper() for _, person, _ in entries}
    return build(matrix, entries, names, coarse(matrix) if bytes_too else None)


def probes_for(matrix, count=40):
    random = np.random.RandomState(1)
    noise = random.normal(size=(count, matrix.shape[1])) / np.sqrt(matrix.shape[1])
    mixed = matrix[random.randint(0, len(matrix), count)] + np.linspace(0, 3, count)[:, None] * noise
    return unit(np.concatenate([mixed, -matrix[:2], matrix[:2], unit(noise[:2])]))


def test_distances_of_bytes_are_whole_numbers_without_any_rounding():
    random = np.random.RandomState(0)
    codes = random.randint(0, 256, (500, 511)).astype(np.uint8)
    codes[0], code = 0, np.full((1, 511), 255, np.uint8)
    found = distances(codes, code)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.square(codes.astype(np.int64) - code).sum(axis=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 10])
def test_the_same_as_comparing_with_all(monkeypatch, kind, k):
    matrix = templates(kind)
    fast, plain = indexed(matrix), indexed(matrix, bytes_too=False)
    monkeypatch.setattr(index_module, "MANY", 1.0)
    exact = matrix.astype(np.float64)
    for probe in probes_for(matrix):
        (found,) = search(fast, probe[None], k, None)
        (expected,) = search(plain, probe[None], k, None)
        np.testing.assert_allclose([match.score for match in found], [match.score for match in expected], atol=1e-6)
        best = np.maximum.reduceat(np.einsum("ij,j->i", exact, probe.astype(np.float64)), plain.starts)
        order = np.argsort(-best, kind="mergesort")[:k]
        # Among equals the first one in the gallery's order.
        assert [match.person_id for match in found] == [plain.people[place] for place in order]
        for match, place in zip(found, order):
            rows = slice(plain.starts[place], plain.starts[place] + 3)
            assert match.template == 100 + rows.start + int(np.argmax(np.einsum("ij,j->i", exact[rows], probe)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_are_for_sure_among_the_near_and_the_near_are_few(kind):
    matrix = templates(kind)
    made = coarse(matrix)
    exact = matrix.astype(np.float64)
    starts = np.arange(0, len(matrix), 3)
    counts = []
    for probe in probes_for(matrix):
        scores = np.dot(exact, probe.astype(np.float64))
        for k in (1, 5):
            least = np.sort(np.maximum.reduceat(scores, starts))[-k]
            rows = made.near(probe, starts, k)
            assert set(np.flatnonzero(scores >= least)) <= set(rows)
            assert (np.diff(rows) > 0).all()
        counts.append(len(made.near(probe, starts, 1)))
    limit = {"with twins": 1000, "of some lengths": 150}.get(kind, 60)
    # The first ones are like somebody; those that are like nobody may be far from all.
    assert np.median(counts[:15]) < limit


@pytest.mark.parametrize(("scale", "lengths"), [(2.0, (1, 1)), (5.0, (1, 1)), (127.0, (0.7, 1.4)), (5.0, (0.9, 1.1))])
def test_the_best_are_near_even_with_crude_bytes(scale, lengths):
    """In two dimensions, and with few steps, errors add up as badly as they ever can."""
    random = np.random.RandomState(0)
    matrix = unit(random.normal(size=(300, 2))) * np.float32(random.uniform(lengths[0], lengths[1], (300, 1)))
    nothing = np.zeros((0, 2), np.uint8)
    blank = coarse_module.Coarse(nothing, np.zeros((2,), np.float32), scale, 0.0, (np.inf, -np.inf), 0)
    made = coarse_module._fill(matrix, blank, np.full((300,), -1))
    counts = []
    for probe in unit(random.normal(size=(2000, 2))):
        scores = np.dot(matrix.astype(np.float64), probe)
        rows = made.near(probe, np.arange(300), 1)
        assert int(np.argmax(scores)) in rows
        counts.append(len(rows))
    assert np.mean(counts) < 250


def test_where_nearly_all_are_near_all_are_compared(monkeypatch):
    matrix = np.repeat(templates("any", 2), 1000, axis=0)
    asked = []
    whole = index_module._search_all
    monkeypatch.setattr(index_module, "_search_all", lambda *rest: asked.append(1) or whole(*rest))
    (found,) = search(indexed(matrix), matrix[:1], 1, None)
    assert (found[0].person_id, found[0].template, asked) == ("person 0", 100, [1])


def test_when_bytes_are_asked(monkeypatch):
    matrix = templates("any", 300)
    index = indexed(matrix)
    assert index.coarse.probes == 100
    asked = []
    near = coarse_module.Coarse.near
    monkeypatch.setattr(coarse_module.Coarse, "near", lambda self, *rest: asked.append(1) or near(self, *rest))
    search(index, matrix[:100], 1, None)
    assert len(asked) == 100
    search(index, matrix[:101], 1, None)
    search(index, matrix[:1], 100, None)
    search(index._replace(coarse=index.coarse._replace(probes=0)), matrix[:1], 1, None)
    assert len(asked) == 100
    monkeypatch.setattr(coarse_module, "LEAST", matrix.size + 1)
    assert coarse(matrix) is None


def test_where_bytes_are_slow_they_are_not_asked(monkeypatch):
    seconds = iter([2.0, 1.0])
    monkeypatch.setattr(coarse_module, "_seconds", lambda call: next(seconds))
    assert coarse(templates("any", 300)).probes == 0


def test_an_earlier_state_is_gone_on_with(monkeypatch):
    matrix = templates("any", 600)
    old = coarse(matrix[:500])
    places = np.concatenate([np.arange(10, 500), np.full((100,), -1)])
    encoded = []
    encode = coarse_module._encode
    monkeypatch.setattr(coarse_module, "_encode", lambda some, *rest: encoded.append(len(some)) or encode(some, *rest))
    made = coarse(matrix[10:], old, places)
    assert encoded == [100]
    assert (made.scale, made.probes) == (old.scale, old.probes)
    np.testing.assert_array_equal(made.codes, encode(matrix[10:], old.mean, old.scale)[0])
    errors = np.abs(matrix[10:] - (made.codes.astype(np.float32) - 128) / made.scale - made.mean)
    assert made.error >= np.sqrt(np.square(errors).sum(axis=1)).max() - 1e-6


def test_newcomers_far_beyond_the_scale_ask_for_another_one():
    matrix = np.concatenate([templates("any", 500), np.eye(96, dtype=np.float32)[:3]])
    old = coarse(matrix[:500])
    made = coarse(matrix, old, np.concatenate([np.arange(500), np.full((3,), -1)]))
    assert made.scale < old.scale
    assert made.error < 0.1
    # And another length of embeddings begins anew.
    assert coarse(templates("any", 500, 64), old, np.full((500,), -1)).codes.shape == (500, 64)


def test_a_gallery_uses_them_and_keeps_them_up(tmp_path):
    pytest.importorskip("cryptography")
    from gallery_fakes import one, open_at, vectors

    with open_at(tmp_path / "gallery.db") as gallery, open_at(tmp_path / "gallery.db") as other:
        gallery.add_many("Kim", vectors(1, 20))
        gallery.add_many("Lee", vectors(2, 20))
        assert [match.name for match in gallery.match(vectors(2, 3), 1)[1]] == ["Lee"]
        before = gallery._cache.current().coarse
        assert before.codes.shape == (40, 16)
        other.add("Park", one(3))
        assert gallery.match(one(3))[0][0].name == "Park"
        assert gallery._cache.current().coarse.codes.shape == (41, 16)
        gallery.delete("Kim")
        assert gallery.match(vectors(1)[0])[0][0].name in ("Lee", "Park")
        assert gallery.match(one(3))[0][0].score == pytest.approx(1.0)
        assert gallery._cache.current().coarse.codes.shape == (21, 16)
