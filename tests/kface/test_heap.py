import ctypes
from pathlib import Path

import numpy as np
import pytest

from kface import heap


def resident():
    text = Path("/proc/self/statm").read_text()
    return int(text.split()[1]) * 4096


def test_freed_memory_goes_back_to_the_system():
    if not heap.trim():
        pytest.skip("this C library has no malloc_trim")
    # Below the size that is given back at once, and pinned by every hundredth, which keeps the heap's top where it is.
    blocks = [np.ones(100000, np.uint8) for _ in range(2000)]
    kept = blocks[::100]
    full = resident()
    del blocks
    assert heap.trim()
    assert resident() < full - 100 * 2**20
    assert all(block.all() for block in kept)


def test_other_c_libraries_are_left_alone(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert heap.trim() is False
    assert heap.trim() is False
