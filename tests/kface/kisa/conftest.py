import pytest
from kisa_fakes import write_folder


@pytest.fixture
def folder(tmp_path):
    """A folder of two people with all 18 conditions."""
    return write_folder(tmp_path / "base")
