"""The tiny data set, for everything that trains."""

import pytest
from tiny_data_set import make_tiny_data_set


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory):
    """Six people, ten images each; four of them train."""
    return make_tiny_data_set(tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("faces") / "tiny")


@pytest.fixture(scope="session")
def undisturbed(tiny_manifest, tmp_path_factory):
    """A run of three epochs: its directory, not to be changed, and its result."""
    from tiny_training import run

    directory = tmp_path_factory.mktemp("run")
    return directory, run(tiny_manifest, directory)
