"""Waiting for what another thread does."""

import time

#: Seconds to wait for what happens at once on a machine that has nothing else to do.
GENEROUS = 30.0


def until(condition, seconds=GENEROUS):
    """Wait for a condition, and return whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())
