"""The tiny data set, for everything that trains."""

import shutil

import pytest
from tiny_data_set import make_tiny_data_set


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory):
    """Six people, ten images each; four of them train."""
    return make_tiny_data_set(tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("faces") / "tiny")


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch):
    """The backbone of :mod:`tiny_training`, registered for the tests of this directory only."""
    from tiny_training import register

    register(monkeypatch.setitem)


@pytest.fixture(scope="session")
def left_by_a_kill(tmp_path_factory):
    """A copy of the undisturbed run's directory after its second epoch, with a half-written file; read only."""
    return tmp_path_factory.mktemp("killed") / "run"


@pytest.fixture(scope="session")
def undisturbed(tiny_manifest, left_by_a_kill, tmp_path_factory):
    """A run of three epochs: its directory, read only, and its result."""
    from tiny_training import register, run

    from train import checkpoints

    directory = tmp_path_factory.mktemp("run")
    save = checkpoints.save

    def then_copy(place, model, position, *more):
        save(place, model, position, *more)
        if position.epoch == 2:
            shutil.copytree(directory, left_by_a_kill)
            (left_by_a_kill / place.relative_to(directory) / "tmp-1.weights.h5").write_bytes(b"half")

    with pytest.MonkeyPatch.context() as patch:
        register(patch.setitem)
        patch.setattr(checkpoints, "save", then_copy)
        return directory, run(tiny_manifest, directory)
