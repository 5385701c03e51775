"""Says what an export is doing: a line a step, and one every half minute while a step takes longer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds between two lines about the same step.
EVERY = 30.0


@contextmanager
def step(what: str, every: float = EVERY) -> Iterator[None]:
    """Print what is being done, and how long it has been going on while it lasts."""
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
