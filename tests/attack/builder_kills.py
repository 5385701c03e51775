"""Attack: the data set's builder is killed at random moments. ``python tests/attack/builder_kills.py SEED COUNT``."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kface

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "kface" / "dataset"))

#: Workers that are still there so long after the builder was killed are a failure.
WORKER_SECONDS = 10.0


def campaign(seed, count):
    """Kill a builder with two workers `count` times, starting it again each time, and compare the data set in the end.

    A kill fails after which a worker is still there 10 seconds later; the last run fails if its files are not those of an
    undisturbed one.

    Args:
        seed: Of the moments.
        count: How many kills.

    Returns:
        How many kills were tried, and what was wrong after those that failed, as texts.
    """
    from dataset_fakes import contents, write_tree

    rng = random.Random(seed)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        root = write_tree(place / "source")
        _start(root, place / "whole", 0.0, 1).wait()
        number = 0
        while number < count:
            out = place / f"out{number}"
            # A few kills a data set: each goes on where the one before it was killed.
            for _ in range(min(4, count - number)):
                number += 1
                process = _start(root, out, 0.05, 2)
                time.sleep(rng.uniform(0.3, 2.5))
                process.send_signal(signal.SIGKILL)
                process.wait()
                left = _left_over(process.pid)
                if left:
                    failed.append(f"seed {seed}, kill {number}: workers {left} are still there")
            _start(root, out, 0.0, 2).wait()
            if contents(out) != contents(place / "whole"):
                failed.append(f"seed {seed}, after kill {number}: another data set")
    return count, failed


def _start(root, out, delay, jobs):
    import dataset_fakes

    source = str(Path(kface.__file__).resolve().parent.parent)
    command = [sys.executable, dataset_fakes.__file__, str(root), str(out), str(delay), str(jobs)]
    return subprocess.Popen(
        command, env=dict(os.environ, PYTHONPATH=source), stderr=subprocess.DEVNULL, start_new_session=True
    )


def _left_over(session):
    """Return the processes of a session that do not end in time; they are ended here."""
    deadline = time.time() + WORKER_SECONDS
    while time.time() < deadline:
        found = _members(session)
        if not found:
            return []
        time.sleep(0.1)
    for member in found:
        os.kill(member, signal.SIGKILL)
    return found


def _members(session):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stream:
                    fields = stream.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[3] == str(session) and fields[0] != "Z":
                found.append(int(entry))
    return found


if __name__ == "__main__":
    tried, bad = campaign(int(sys.argv[1]), int(sys.argv[2]))
    print(*bad, f"builder kills: {tried} tried, {len(bad)} failed", sep="\n")
    sys.exit(1 if bad else 0)
