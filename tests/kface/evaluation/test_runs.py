"""A run is usable from any directory, and after it was moved or copied together with its data."""

import pytest

from kface.evaluation import runs

ABOUT = {"data_set": "data/aligned/faces-1"}


def checkout(parent):
    """A directory with a run and the data set that it names as the settings gave it."""
    data_set = parent / "data" / "aligned" / "faces-1"
    data_set.mkdir(parents=True)
    (data_set / "manifest.json").write_text("{}")
    run = parent / "outputs" / "2026-01-01" / "resnet50-arcface"
    run.mkdir(parents=True)
    return run, data_set


def test_a_run_s_data_set_is_found_from_another_directory(tmp_path, monkeypatch):
    run, data_set = checkout(tmp_path / "here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert runs.data_set_of(run, ABOUT, "data") == data_set
    (tmp_path / "here").rename(tmp_path / "moved")
    assert runs.data_set_of(tmp_path / "moved" / run.relative_to(tmp_path / "here"), ABOUT, "data") == (
        tmp_path / "moved" / "data" / "aligned" / "faces-1"
    )


def test_a_run_is_named_from_the_home_directory(tmp_path, monkeypatch):
    run, _ = checkout(tmp_path)
    (run / "model.json").write_text("{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runs.newest_run(tmp_path, "~/outputs/2026-01-01/resnet50-arcface") == run


def test_the_run_s_own_data_set_comes_before_one_here(tmp_path, monkeypatch):
    run, data_set = checkout(tmp_path / "here")
    checkout(tmp_path / "other")
    monkeypatch.chdir(tmp_path / "other")
    assert runs.data_set_of(run, ABOUT, "data") == data_set


@pytest.mark.parametrize("written", ["data/aligned/faces-1", "/nowhere/data/aligned/faces-1"])
def test_a_run_that_came_alone_takes_the_data_set_of_this_machine(tmp_path, monkeypatch, written):
    _, data_set = checkout(tmp_path / "here")
    run = tmp_path / "alone" / "run"
    run.mkdir(parents=True)
    monkeypatch.chdir(run)
    assert runs.data_set_of(run, {"data_set": written}, tmp_path / "here" / "data") == data_set
    assert str(runs.data_set_of(run, {"data_set": written}, "data")) == written
