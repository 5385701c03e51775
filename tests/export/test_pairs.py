"""A bundle is measured on the given pairs, whatever else the output directory holds."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from export import pairs
from kface.data.testsets import TestSet
from kface.errors import ConfigError, DatasetError
from kface.evaluation.settings import EvaluateSettings


def faces_of(name, title, synthetic=False, people=6, each=4, failed=()):
    who = np.repeat(np.arange(people), each)
    first, second = np.triu_indices(people * each, 1)
    missing = np.zeros(people * each, bool)
    missing[list(failed)] = True
    images = np.zeros((people * each, 112, 112, 3), np.uint8)
    return TestSet(name, title, images, np.stack([first, second], 1), who, failed=missing, synthetic=synthetic)


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A job; LFW is given where it is named, and there is a run on the sample."""
    lfw = faces_of("lfw", "LFW")
    monkeypatch.setattr(pairs.test_sets, "photographs", lambda settings: [lfw] if settings.lfw else [])
    monkeypatch.setattr(pairs.runs, "newest_run", lambda outputs, named: tmp_path)
    monkeypatch.setattr(pairs.runs, "read_about", lambda run: {"data_set": "data"})
    monkeypatch.setattr(pairs, "load_data_set", lambda path: SimpleNamespace(source={"synthetic": True}))
    monkeypatch.setattr(pairs, "kface_set", lambda *_: faces_of("kface", "sample", synthetic=True))

    def job(lfw=None, pairs=10):
        return SimpleNamespace(evaluation=EvaluateSettings(sets={"lfw": lfw} if lfw else {}, pairs=pairs), seed=0, output_dir=Path("outputs"))

    return job


def titles(material):
    return [one.title for one in material.sets]


def test_real_pairs_that_were_given_come_first(place, tmp_path):
    assert titles(pairs.gather(place("lfw"), tmp_path)) == ["LFW", "sample"]
    assert titles(pairs.gather(place(), tmp_path)) == ["sample"]


def test_no_pairs_of_the_data_set(place, tmp_path):
    assert titles(pairs.gather(place("lfw", None), tmp_path)) == ["LFW"]
    with pytest.raises(ConfigError, match=r"evaluate\.pairs: null leaves no pairs"):
        pairs.gather(place(None, None), tmp_path)


def test_runs_do_not_change_what_a_foreign_embedder_is_measured_on(place, monkeypatch):
    def none(outputs, named):
        raise ConfigError("there is no trained run")

    with_runs = pairs.gather(place("lfw"), None)
    assert titles(pairs.gather(place(), None)) == ["sample"]
    monkeypatch.setattr(pairs.runs, "newest_run", none)
    without = pairs.gather(place("lfw"), None)
    assert titles(with_runs) == titles(without) == ["LFW"]
    assert with_runs.data_set is None
    assert with_runs.calibrated_on() == "faces of LFW"
    with pytest.raises(ConfigError, match=r"no pairs of faces are available .*; add evaluate\.lfw=DIR"):
        pairs.gather(place(), None)


def test_a_run_without_its_data_set(place, tmp_path, monkeypatch, capsys):
    def gone(path):
        raise DatasetError("there is no finished data set", path)

    monkeypatch.setattr(pairs, "load_data_set", gone)
    with pytest.raises(DatasetError):
        pairs.gather(place(), tmp_path)
    assert titles(pairs.gather(place("lfw"), tmp_path)) == ["LFW"]
    assert "the run's data set is not used" in capsys.readouterr().out


def test_all_pairs_where_people_are_known_and_the_list_where_not():
    found, source = pairs.threshold_pairs(faces_of("lfw", "LFW", failed=[0]), 10_000, 0)
    people = faces_of("lfw", "LFW").people[found]
    same = people[:, 0] == people[:, 1]
    # 23 faces: 5 people with 4 and one with 3.
    assert (same.sum(), (~same).sum()) == (33, 23 * 22 // 2 - 33)
    assert not (found == 0).any()
    assert source == "all pairs of unseen people, LFW"
    listed = faces_of("agedb30", "AgeDB-30")
    found, source = pairs.threshold_pairs(listed, 10_000, 0)
    np.testing.assert_array_equal(found, listed.pairs)
    assert source == "the pairs of AgeDB-30"


def test_of_a_network_from_elsewhere_nobody_says_whom_it_has_seen():
    said = {
        title: pairs.threshold_pairs(faces_of(name, title), 10_000, 0, pairs.UNKNOWN)[1]
        for name, title in (("lfw", "LFW"), ("kface", "unseen people of shop"), ("agedb30", "AgeDB-30"))
    }
    assert said == {
        "LFW": "all pairs of LFW (whether these people were trained on is not known)",
        "unseen people of shop": "all pairs of people of shop (whether these people were trained on is not known)",
        "AgeDB-30": "the pairs of AgeDB-30",
    }


@pytest.mark.parametrize("most", [20, 100, 1000])
def test_impostors_are_drawn_once_each_and_the_same_again(most):
    many = faces_of("lfw", "LFW", people=40, each=3)
    found, _ = pairs.threshold_pairs(many, most, 1)
    people = many.people[found]
    impostors = found[people[:, 0] != people[:, 1]]
    assert len(impostors) == most
    assert len({tuple(sorted(pair)) for pair in impostors.tolist()}) == most
    np.testing.assert_array_equal(found, pairs.threshold_pairs(many, most, 1)[0])
    assert not np.array_equal(found, pairs.threshold_pairs(many, most, 2)[0])
