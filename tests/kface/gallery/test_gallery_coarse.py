"""Large galleries: with bytes, exactly what comparing with all templates gives, whatever the templates are like."""

import numpy as np
import pytest

from kface.gallery import coarse as coarse_module
from kface.gallery.coarse import coarse
from kface.gallery.index import build, search
from kface.native import load
from kface.native.build import build as build_kernels
from kface.native.build import find_compiler
from kface.native.reference import ReferenceKernels, distances


@pytest.fixture(scope="session")
def compiled_kernels(tmp_path_factory):
    if find_compiler() is None:
        pytest.skip("there is no C++ compiler (apt-get install g++)")
    return load(str(build_kernels(tmp_path_factory.mktemp("native"))))


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def always_with_bytes(request, monkeypatch):
    """Small galleries are treated like large ones, and machines like those where bytes are faster; several threads."""
    chosen = ReferenceKernels() if request.param == "numpy" else request.getfixturevalue("compiled_kernels")
    monkeypatch.setattr(coarse_module, "kernels", lambda: chosen)
    monkeypatch.setattr(coarse_module, "LEAST", 1)
    monkeypatch.setattr(coarse_module, "EACH_THREAD", 1 << 16)
    monkeypatch.setattr(coarse_module, "cores", lambda: 3)
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
    codes[0], code = 0, np.full((511,), 255, np.uint8)
    found = distances(codes, code)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.square(codes.astype(np.int64) - code).sum(axis=1))


def expected_of(index, matrix, probe, k):
    """People, templates and scores by brute force: all rows in double precision, the first among equals."""
    scores = np.einsum("ij,j->i", matrix.astype(np.float64), probe.astype(np.float64))
    ends = np.append(index.starts[1:], len(matrix))
    best = np.maximum.reduceat(scores, index.starts)
    found = []
    for place in np.argsort(-best, kind="mergesort")[:k]:
        row = index.starts[place] + int(np.argmax(scores[index.starts[place] : ends[place]]))
        found.append((index.people[place], index.entries[row][0], min(1.0, max(-1.0, scores[row]))))
    return found


def found_of(matches):
    return [(match.person_id, match.template, match.score) for match in matches]


@pytest.mark.parametrize("bytes_too", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 10])
def test_the_same_as_comparing_all_in_double_precision(kind, k, bytes_too):
    matrix = templates(kind)
    index = indexed(matrix, bytes_too=bytes_too)
    probes = probes_for(matrix)
    for probe, matches in zip(probes, search(index, probes, k, None)):
        assert found_of(matches) == expected_of(index, matrix, probe, k)


@pytest.mark.parametrize("bytes_too", [True, False])
@pytest.mark.parametrize("each", [1, 2, 7])
@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize("batch", [1, 8, 33])
def test_few_rows_few_people_and_many_probes(count, batch, each, bytes_too):
    matrix = templates("any", count, 20)
    index = indexed(matrix, each, bytes_too)
    probes = unit(np.random.RandomState(2).normal(size=(batch, 20)))
    probes[0] = -matrix[0]
    for k in (1, 3, count, count + 3, 2000):
        for probe, matches in zip(probes, search(index, probes, k, None)):
            assert found_of(matches) == expected_of(index, matrix, probe, k)


@pytest.mark.parametrize("bytes_too", [True, False])
def test_near_ties_are_told_apart_by_the_last_digit(bytes_too):
    """Templates that differ by one step of single precision: closer than any byte, and than a product in float32, can say."""
    random = np.random.RandomState(3)
    one = unit(random.normal(size=(1, 96)))[0]
    matrix = np.repeat(one[None], 3000, axis=0)
    places = np.arange(3000)
    matrix[places, places % 96] = np.nextafter(matrix[places, places % 96], np.float32(random.choice([-2, 2], 3000)))
    # And among them some far away, opposite, and at right angles.
    matrix[::5] = unit(random.normal(size=(600, 96)))
    matrix[5::50] = -one
    across = random.normal(size=(96,)).astype(np.float32)
    matrix[7] = unit((across - one * np.dot(one, across))[None])[0]
    index = indexed(matrix, 1, bytes_too)
    probes = np.stack([one, -one, matrix[7], matrix[0], *unit(one + 0.1 * random.normal(size=(5, 96)))])
    for k in (1, 5, 50):
        for probe, matches in zip(probes, search(index, probes, k, None)):
            assert found_of(matches) == expected_of(index, matrix, probe, k)


def test_zeros_and_what_no_template_is_like(monkeypatch):
    """Not what a gallery has, but the search itself takes them."""
    matrix = templates("any")
    matrix[3] = 0
    assert coarse(matrix) is None
    matrix[3] = 1e30
    assert coarse(matrix) is None
    matrix = np.zeros((100, 96), np.float32)
    matrix[:, :4] = unit(np.random.RandomState(0).normal(size=(100, 4)))
    probe = np.zeros((1, 96), np.float32)
    probe[0, 50] = 1
    index = indexed(matrix)
    # All scores are 0: the first ones win.
    assert found_of(search(index, probe, 3, None)[0]) == expected_of(index, matrix, probe[0], 3)
    assert [match.template for match in search(index, probe, 3, None)[0]] == [100, 103, 106]


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_are_for_sure_among_the_near_and_the_near_are_few(kind):
    matrix = templates(kind)
    made = coarse(matrix)
    exact = matrix.astype(np.float64)
    starts = np.arange(0, len(matrix), 3)
    owners = np.repeat(np.arange(1000, dtype=np.int32), 3)
    counts = []
    probes = probes_for(matrix)
    for k in (1, 5):
        for probe, rows in zip(probes, made.near(probes, owners, k)):
            scores = np.dot(exact, probe.astype(np.float64))
            least = np.sort(np.maximum.reduceat(scores, starts))[-k]
            assert set(np.flatnonzero(scores >= least)) <= set(rows)
            assert (np.diff(rows) > 0).all()
            counts.append(len(rows))
    # The first ones are like somebody; those that are like nobody may be far from all.
    assert np.median(counts[:15]) < {"with twins": 1000}.get(kind, 60)


@pytest.mark.parametrize("lengths", [(1, 1), (0.7, 1.4), (0.9, 1.1)])
def test_the_best_are_near_even_in_two_dimensions(lengths):
    """There errors add up as badly as they ever can."""
    random = np.random.RandomState(0)
    matrix = unit(random.normal(size=(300, 2))) * np.float32(random.uniform(lengths[0], lengths[1], (300, 1)))
    made = coarse(matrix)
    probes = unit(random.normal(size=(2000, 2)))
    found = made.near(probes, np.arange(300, dtype=np.int32), 1)
    for probe, rows in zip(probes, found):
        assert int(np.argmax(np.dot(matrix.astype(np.float64), probe))) in rows
    assert np.mean([len(rows) for rows in found]) < 30


def test_where_nearly_all_are_near_all_are_compared(monkeypatch):
    monkeypatch.setattr("kface.native.compiled.NEAR_ROOM", 100)
    matrix = np.repeat(templates("any", 2), 1000, axis=0)
    index = indexed(matrix)
    for probe, matches in zip(matrix[::500], search(index, matrix[::500], 2, None)):
        assert found_of(matches) == expected_of(index, matrix, probe, 2)


def test_when_bytes_are_asked(monkeypatch):
    matrix = templates("any", 300)
    index = indexed(matrix)
    assert index.coarse.probes == coarse_module.ANY_NUMBER
    asked = []
    near = coarse_module.Coarse.near
    monkeypatch.setattr(
        coarse_module.Coarse, "near", lambda self, *rest: asked.append(len(rest[0])) or near(self, *rest)
    )
    search(index, matrix[:100], 1, None)
    few = index._replace(coarse=index.coarse._replace(probes=3))
    search(few, matrix[:3], 1, None)
    search(few, matrix[:4], 1, None)
    search(index, matrix[:1], 100, None)
    assert asked == [100, 3]
    monkeypatch.setattr(coarse_module, "LEAST", matrix.size + 1)
    assert coarse(matrix) is None


@pytest.mark.parametrize(("seconds", "probes"), [([2.0, 1.0, 2.0, 1.0], 0), ([2.0, 1.0, 1.0, 5.5], 5)])
def test_where_bytes_are_slow_they_are_not_asked(monkeypatch, seconds, probes):
    left = iter(seconds)
    monkeypatch.setattr(coarse_module, "_seconds", lambda call: next(left))
    assert coarse(templates("any", 300)).probes == probes


def test_an_earlier_state_is_gone_on_with(monkeypatch):
    matrix = templates("any", 600)
    old = coarse(matrix[:500])
    places = np.concatenate([np.arange(10, 500), np.full((100,), -1)])
    encoded = []
    encode = coarse_module.encode
    monkeypatch.setattr(coarse_module, "encode", lambda some, *rest: encoded.append(len(some)) or encode(some, *rest))
    made = coarse(matrix[10:], old, places)
    assert encoded == [100]
    assert made.probes == old.probes
    codes, bounds = encode(matrix[10:], old.mean)
    np.testing.assert_array_equal(made.codes, codes)
    np.testing.assert_array_equal(made.bounds, bounds)
    stand_for = (codes[:, :96].astype(np.float64) - 128) * bounds[0][:, None] + old.mean
    errors = np.sqrt(np.square(matrix[10:] - stand_for).sum(axis=1))
    assert (bounds[2] >= errors).all()
    assert (codes[:, 96:] == 128).all()
    # Mostly new ones have a mean of their own, and another length of embeddings begins anew.
    assert not np.array_equal(coarse(matrix[400:], old, np.arange(400, 600) * 0 - 1).mean, old.mean)
    assert coarse(templates("any", 500, 64), old, np.full((500,), -1)).codes.shape == (500, 64)


def test_a_gallery_uses_them_and_keeps_them_up(tmp_path):
    pytest.importorskip("cryptography")
    from gallery_fakes import one, open_at, vectors

    with open_at(tmp_path / "gallery.db") as gallery, open_at(tmp_path / "gallery.db") as other:
        gallery.add_many("Kim", vectors(1, 20))
        gallery.add_many("Lee", vectors(2, 20))
        assert [match.name for match in gallery.match(vectors(2, 3), 1)[1]] == ["Lee"]
        before = gallery._cache.current().coarse
        assert before.codes.shape == (40, 64)
        other.add("Park", one(3))
        assert gallery.match(one(3))[0][0].name == "Park"
        assert gallery._cache.current().coarse.codes.shape == (41, 64)
        gallery.delete("Kim")
        assert gallery.match(vectors(1)[0])[0][0].name in ("Lee", "Park")
        assert gallery.match(one(3))[0][0].score == pytest.approx(1.0)
        assert gallery._cache.current().coarse.codes.shape == (21, 64)
