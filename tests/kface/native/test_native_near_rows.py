"""The search for near rows: compiled kernels with and without AVX2 against numpy, and against the best rows themselves."""

import numpy as np
import pytest

from kface.errors import ConfigError
from kface.native import compiled as compiled_module


def problem(rows, length, probes, owners=None, seed=0):
    random = np.random.RandomState(seed)
    codes = random.randint(1, 256, (rows, length)).astype(np.uint8)
    bounds = np.abs(random.normal(size=(3, rows))).astype(np.float32)
    bounds[1:] *= 30
    whose = np.sort(random.randint(0, owners or max(1, rows // 3), rows)).astype(np.int32)
    others = random.randint(-127, 128, (probes, length)).astype(np.int8)
    return codes, bounds, whose, others, np.abs(random.normal(size=(3, probes))).astype(np.float32)


def same(found, expected):
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_allclose(one.lower, other.lower, rtol=1e-6)
        np.testing.assert_allclose(one.upper, other.upper, rtol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("probes", [0, 1, 7, 8, 9, 33])
def test_compiled_ones_find_what_numpy_finds(compiled, reference, rows, probes):
    for length, k in ((64, 1), (512, 5), (192, 100)):
        arguments = problem(rows, length, probes)
        found = compiled.near_rows(*arguments, k=k)
        assert len(found) == probes
        same(found, reference.near_rows(*arguments, k=k))
        same(found, compiled._near_rows(*arguments, k, plain=True))


def test_products_of_the_largest_bytes_are_not_rounded_off(either):
    for code in (0, 1, 255):
        for other in (-127, 127):
            codes, probes = np.full((3, 1024), code, np.uint8), np.full((1, 1024), other, np.int8)
            sides = np.ones((3, 3), np.float32) * np.float32([[1], [0], [0]])
            whose = np.arange(3, dtype=np.int32)
            (found,) = either.near_rows(codes, sides, whose, probes, np.float32([[1], [0], [1]]), 1)
            assert found.rows.tolist() == [0, 1, 2]
            assert found.lower.tolist() == found.upper.tolist() == [(code - 128) * other * 1024] * 3


@pytest.mark.parametrize("k", [1, 3])
def test_the_best_of_any_numbers_within_the_bounds_are_found(either, k):
    codes, bounds, whose, probes, sides = problem(500, 64, 4, owners=40)
    random = np.random.RandomState(1)
    for probe, near in enumerate(either.near_rows(codes, bounds, whose, probes, sides, k)):
        middle = ((codes.astype(np.int64) - 128) @ probes[probe].astype(np.int64)) * (
            bounds[0] * float(sides[0, probe])
        )
        off = bounds[1] * float(sides[1, probe]) + bounds[2] * float(sides[2, probe])
        for _ in range(50):
            scores = middle + off * random.choice([-0.999, 0, 0.999], len(off))
            best = [scores[whose == owner].max() for owner in np.unique(whose)]
            assert set(np.flatnonzero(scores >= np.sort(best)[-k])) <= set(near.rows)


def test_where_nearly_all_are_near_there_is_no_answer(compiled, monkeypatch):
    monkeypatch.setattr(compiled_module, "NEAR_ROOM", 50)
    monkeypatch.setattr(compiled_module, "NEAR_ROOM_EACH", 1)
    codes, bounds, whose, probes, sides = problem(1000, 64, 9)
    codes[:] = codes[0]
    bounds[:] = 1
    probes[4] = 0
    assert compiled.near_rows(codes, bounds, whose, probes, sides, 2) == [None] * 9
    # One owner's many rows: the best of them is known before the last.
    whose[:] = 0
    bounds[0], bounds[1:] = np.arange(1000)[::-1], 0
    found = compiled.near_rows(codes, bounds, whose, probes[:1], sides[:, :1], 1)
    assert len(found[0].rows) == 1


def test_arrays_that_do_not_fit_are_refused(either):
    arguments = list(problem(10, 64, 2))
    for place, wrong in enumerate(
        (
            np.zeros((10, 63), np.uint8),
            np.zeros((3, 9), np.float32),
            np.zeros((10,), np.int64),
            np.zeros((2, 64), np.uint8),
        )
    ):
        with pytest.raises(ConfigError, match="do not fit together"):
            either.near_rows(*(arguments[:place] + [wrong] + arguments[place + 1 :]), k=1)
    for k in (0, 1025):
        with pytest.raises(ConfigError, match="k"):
            either.near_rows(*arguments, k=k)
