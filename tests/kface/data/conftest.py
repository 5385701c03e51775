import pytest


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory):
    """Six people, ten images each; four of them train."""
    # Here, because data sets are a workstation's: the tests beside also run under Python 3.6.
    from tiny_data_set import make_tiny_data_set

    return make_tiny_data_set(tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("faces") / "tiny")
