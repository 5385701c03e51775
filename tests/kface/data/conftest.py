import pytest
from tiny_data_set import make_tiny_data_set


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory):
    """Six people, ten images each; four of them train."""
    return make_tiny_data_set(tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("faces") / "tiny")
