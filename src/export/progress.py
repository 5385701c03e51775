"""Prints the progress of an export: one line per step, and one every half minute during a long step."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds between two lines about the same step.
EVERY = 30.0


@contextmanager
def step(what: str, every: float = EVERY) -> Iterator[None]:
    """Print the step, and repeatedly how long it has been running."""
    print(f"export: {what} ...", flush=True)
    began = time.monotonic()
    over = threading.Event()

    def remind() -> None:
        while not over.wait(every):
            print(f"export: {what}: for {time.monotonic() - began:.0f} s", flush=True)

    thread = threading.Thread(target=remind, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
