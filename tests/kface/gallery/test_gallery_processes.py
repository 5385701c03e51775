"""Real processes: killed in the middle of enrolments, and several at once in one gallery."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import one, open_at

import kface

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
ENROL = """
import sys
from gallery_fakes import one, open_at
path, name, start, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open_at(path) as gallery:
    for number in range(start, end):
        template = gallery.add(name, one(number))
        sys.stdout.write("{} {}\\n".format(number, template))
        sys.stdout.flush()
"""


def start(path, name, first, last):
    paths = [SOURCES, HERE] + [each for each in sys.path if each]
    command = [sys.executable, "-c", ENROL, str(path), name, str(first), str(last)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_kill_9_during_a_thousand_enrolments_loses_none_that_was_acknowledged(tmp_path):
    path = tmp_path / "gallery.db"
    acknowledged = {}
    random = np.random.RandomState(0)
    kills = 0
    number = 0
    while number < 1000 or kills < 5:
        # It would go on for ever: wherever it is killed, it is enrolling.
        process = start(path, "Kim", number, 10**6)
        patience = int(random.randint(50, 300))
        for line in process.stdout:
            if line.endswith(b"\n"):
                number, template = (int(part) for part in line.split())
                acknowledged[number] = template
            patience -= 1
            if patience == 0:
                process.send_signal(signal.SIGKILL)
                kills += 1
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        said = process.stderr.read()
        process.stderr.close()
        assert said == b"", said.decode()
        number += 1
    assert sorted(acknowledged) == list(range(number))
    with open_at(path) as gallery:
        there = {template.id for template in gallery.templates("Kim")}
        assert set(acknowledged.values()) <= there
        # What was written but not said yet when the process was killed may be there as well, and come twice.
        assert len(there) <= number + kills
        found = gallery.match(np.stack([one(each) for each in range(number)]))
        assert min(matches[0].score for matches in found) > 0.99999
        other = [matches[0].template for each, matches in enumerate(found) if matches[0].template != acknowledged[each]]
        assert len(other) <= kills
        assert not set(other) & set(acknowledged.values())


def test_processes_share_a_gallery_from_its_first_moment(tmp_path):
    path = tmp_path / "gallery.db"
    processes = [start(path, "person {}".format(each), 1000 * each, 1000 * each + 60) for each in range(3)]
    with open_at(path) as gallery:
        seen = 0
        while any(process.poll() is None for process in processes):
            count = sum(person.templates for person in gallery.list())
            assert count >= seen
            seen = count
            gallery.match(one(1))
        ends = [process.communicate() for process in processes]
        assert [said for _, said in ends] == [b"", b"", b""]
        assert [(person.name, person.templates) for person in gallery.list()] == [
            ("person {}".format(each), 60) for each in range(3)
        ]
        numbers = [line.split() for out, _ in ends for line in out.splitlines()]
        found = gallery.match(np.stack([one(int(number)) for number, _ in numbers]))
        assert [matches[0].template for matches in found] == [int(template) for _, template in numbers]


def test_one_name_enrolled_by_two_processes_is_one_person(tmp_path):
    path = tmp_path / "gallery.db"
    processes = [start(path, "Kim", 1000 * each, 1000 * each + 20) for each in range(2)]
    for process in processes:
        assert process.communicate()[1] == b""
    with open_at(path) as gallery:
        assert [(person.name, person.templates) for person in gallery.list()] == [("Kim", 40)]
