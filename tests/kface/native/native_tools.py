"""What the tests of the kernels share."""

import numpy as np
import pytest

from kface.native import load
from kface.native.build import build, find_compiler

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="there is no C++ compiler (apt-get install g++)")


def an_image(height, width, seed=0):
    """Return uint8 (h, w, 3) of noise, on which every wrong pixel shows."""
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def built(tmp_path_factory):
    """Return the compiled kernels, built into a folder of the test run's own, and their path."""
    if find_compiler() is None:
        pytest.skip("there is no C++ compiler (apt-get install g++)")
    path = build(tmp_path_factory.mktemp("native"))
    return load(str(path)), path
