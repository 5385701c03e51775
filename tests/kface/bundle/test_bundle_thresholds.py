"""The threshold table, compared with counts by hand, and its JSON."""

import json

import numpy as np
import pytest
from bundle_fakes import pairs

from kface import bundle
from kface.bundle import thresholds as module
from kface.errors import ConfigError, KFaceError
from kface.fields import Fields


def test_thresholds_are_the_lowest_that_meet_their_target():
    scores, genuine, people = pairs()
    rows = bundle.threshold_table(scores, genuine, people, fmrs=(0.1, 1e-2, 1e-3), replicates=0)
    assert [row.target for row in rows] == [0.1, 1e-2, 1e-3]
    for row in rows:
        accepted = scores >= row.threshold
        assert row.fmr.value == pytest.approx(accepted[~genuine].mean())
        assert row.fnmr.value == pytest.approx(1 - accepted[genuine].mean())
        assert row.fmr.value <= row.target
        below = scores[scores < row.threshold].max()
        assert (scores[~genuine] >= below).mean() > row.target
        assert row.fmr.interval is None
        assert row.reason is None


def test_targets_that_too_few_impostors_would_carry_have_no_number():
    scores, genuine, people = pairs(impostors=2000)
    rows = bundle.threshold_table(scores, genuine, people, replicates=10)
    assert [row.threshold is not None for row in rows] == [True, True, False, False]
    for row in rows[2:]:
        assert row == (row.target, None, None, None, "not measurable")
    # Exactly 1 / target pairs are enough, one less is not.
    exact = pairs(impostors=1000)
    assert bundle.threshold_table(*exact, fmrs=(1e-3,), replicates=0)[0].threshold is not None
    less = pairs(impostors=999)
    assert bundle.threshold_table(*less, fmrs=(1e-3,), replicates=0)[0].threshold is None


def test_a_target_that_only_rejecting_everything_meets_has_no_number():
    scores, genuine, people = pairs(impostors=200)
    scores[~genuine] = 1.0
    (row,) = bundle.threshold_table(scores, genuine, people, fmrs=(1e-2,), replicates=5)
    assert row == (1e-2, None, None, None, "no threshold meets it")


def test_intervals_are_of_the_rates_at_the_very_threshold():
    scores, genuine, people = pairs()
    rows = bundle.threshold_table(scores, genuine, people, fmrs=(1e-2, 1e-5, 0.1), replicates=200, seed=3)
    random = np.random.RandomState(3)
    draws = random.multinomial(40, np.full(40, 1 / 40), size=200)
    for row in (rows[0], rows[2]):
        accepted = scores >= row.threshold
        fmr, fnmr = [], []
        for draw in draws:
            weights = np.where(genuine, draw[people[:, 0]], draw[people[:, 0]] * draw[people[:, 1]])
            fmr.append(weights[~genuine & accepted].sum() / weights[~genuine].sum())
            fnmr.append(weights[genuine & ~accepted].sum() / weights[genuine].sum())
        np.testing.assert_allclose(row.fmr.interval, np.percentile(fmr, [2.5, 97.5]), atol=1e-12)
        np.testing.assert_allclose(row.fnmr.interval, np.percentile(fnmr, [2.5, 97.5]), atol=1e-12)
        assert row.fmr.interval.low < row.fmr.value < row.fmr.interval.high
    assert rows[1].fmr is None
    assert rows == bundle.threshold_table(scores, genuine, people, fmrs=(1e-2, 1e-5, 0.1), replicates=200, seed=3)


def test_failed_pairs_count_as_rejected():
    scores, genuine, people = pairs()
    before = bundle.threshold_table(scores, genuine, people, fmrs=(1e-2,), replicates=0)[0]
    lost = np.flatnonzero(genuine & (scores >= before.threshold))[:40]
    scores[lost] = -2.0
    after = bundle.threshold_table(scores, genuine, people, fmrs=(1e-2,), replicates=0)[0]
    assert after.fnmr.value == pytest.approx(before.fnmr.value + 40 / 400)


def test_a_table_knows_its_pairs_and_survives_json():
    table = bundle.measure(*pairs(), source="K-Face Q4", synthetic=True, replicates=30, seed=5)
    assert table[:7] == ("K-Face Q4", True, 400, 2000, 40, 30, 5)
    document = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert module.parse(Fields(document, "manifest.json")) == table
    unmeasured = document["rows"][3]
    assert unmeasured == {"target": 1e-5, "threshold": None, "fmr": None, "fnmr": None, "reason": "not measurable"}


def test_a_threshold_by_its_target():
    table = bundle.measure(*pairs(), source="K-Face Q4", synthetic=False, replicates=0)
    assert table.at(1e-3) == table.rows[1].threshold
    with pytest.raises(ConfigError, match=r"rate of 1e-05 \(not measurable\); choose one of: 0.01, 0.001"):
        table.at(1e-5)
    with pytest.raises(ConfigError, match="rate of 0.5; choose one of: 0.01, 0.001"):
        table.at(0.5)
    with pytest.raises(ConfigError, match="give the threshold itself"):
        table._replace(rows=table.rows[2:]).at(1e-5)


@pytest.mark.parametrize("fmrs", [(0.0,), (1.0,), (-1e-3,), (float("nan"),)])
def test_targets_out_of_range(fmrs):
    with pytest.raises(ConfigError, match="fmrs: must be between 0 and 1"):
        bundle.threshold_table(*pairs(), fmrs=fmrs)


def test_other_faulty_arguments():
    scores, genuine, people = pairs()
    with pytest.raises(ConfigError, match="replicates: must be at least 0"):
        bundle.threshold_table(scores, genuine, people, replicates=-1)
    with pytest.raises(KFaceError, match="not a cosine"):
        bundle.threshold_table(scores * 3, genuine, people)
    with pytest.raises(KFaceError, match=r"people must have the shape \(2400, 2\)"):
        bundle.threshold_table(scores, genuine, people[:-1])
    with pytest.raises(KFaceError, match="a genuine pair has two people"):
        bundle.threshold_table(scores, ~genuine, people)
    with pytest.raises(KFaceError, match="need genuine and impostor pairs"):
        bundle.threshold_table(scores[genuine], genuine[genuine], people[genuine])
