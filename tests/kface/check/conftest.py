"""A bundle with golden pictures of noise, for fake programs."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bundle"))

from check_fakes import write_bundle

from kface import bundle


@pytest.fixture
def opened(tmp_path):
    return bundle.load(write_bundle(tmp_path / "bundle"))
