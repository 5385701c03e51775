"""Processes that enrol are killed at any moment: what was acknowledged is there afterwards.

PYTHONPATH=src python tests/attack/gallery_kills.py [SEED [COUNT]]
"""

import os
import random
import signal
import subprocess
import sys
import tempfile

import numpy as np

import kface
from kface.gallery import Gallery

KEY, MODEL, SIZE = bytes(range(32)), "a" * 64, 16
ENROL = """
import sys, numpy as np
from kface.gallery import Gallery
with Gallery(sys.argv[1], "a" * 64, bytes(range(32))) as gallery:
    number = int(sys.argv[2])
    while True:
        vector = np.random.RandomState(number).normal(size=16)
        template = gallery.add("person {}".format(number % 7), vector)
        sys.stdout.write("{} {}\\n".format(number, template))
        sys.stdout.flush()
        number += 1
"""


def campaign(seed, count):
    """Enrol until at least so many are acknowledged; return how many these were, and what failed, a line each."""
    chance = random.Random(seed)
    acknowledged, failed, kills, number = {}, [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "gallery.db")
        sources = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
        environment = dict(os.environ, XDG_STATE_HOME=os.path.join(folder, "state"))
        environment["PYTHONPATH"] = os.pathsep.join([sources] + [each for each in sys.path if each])
        while len(acknowledged) < count:
            command = [sys.executable, "-c", ENROL, path, str(number)]
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            patience = chance.randrange(1, max(2, count // 3))
            for line in process.stdout:
                # The last line may be cut off by the kill: then nobody was told.
                if line.endswith(b"\n"):
                    number, template = (int(part) for part in line.split())
                    acknowledged[number] = template
                patience -= 1
                if patience == 0:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
            said = process.stderr.read()
            process.stdout.close()
            process.stderr.close()
            if process.wait() != -signal.SIGKILL or said:
                failed.append("seed {}, after {}: {}".format(seed, number, said.decode("utf-8", "replace")[-400:]))
                break
            # What was written and not acknowledged may be there as well, and comes again under another number.
            number += 1
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = environment["XDG_STATE_HOME"]
        try:
            failed += _judge(path, acknowledged)
        finally:
            os.environ.pop("XDG_STATE_HOME")
            if before is not None:
                os.environ["XDG_STATE_HOME"] = before
    return len(acknowledged), failed


def _judge(path, acknowledged):
    failed = []
    with Gallery(path, MODEL, KEY) as gallery:
        failed += [str(each) for each in gallery.check().damage]
        there = {template.id for person in gallery.list() for template in gallery.templates(person.id)}
        probes = np.stack([np.random.RandomState(number).normal(size=SIZE) for number in acknowledged])
        for (number, template), matches in zip(acknowledged.items(), gallery.match(probes), strict=True):
            if template not in there:
                failed.append(f"template {template} (number {number}) is lost")
            elif matches[0].score < 0.999 or matches[0].name != f"person {number % 7}":
                failed.append(f"number {number} is recognised as {matches[0]}")
    return failed


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]] + [0, 5000][len(sys.argv) - 1 :]
    made, wrong = campaign(*numbers)
    print(f"{made} acknowledged enrolments, {len(wrong)} lost")
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
