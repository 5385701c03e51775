"""Waiting for what other threads do, as long as a loaded machine may take."""

import time


def until(condition, seconds=20.0):
    """Wait for a condition, and return whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())
