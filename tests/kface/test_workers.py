"""Workers do not outlive the process that they work for."""

import os
import signal
import subprocess
import sys
import time

import pytest

import kface
from kface import workers

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]])
sys.stdin.read()
"""
WORKER = """
import os, sys, time
from kface.workers import settle
parent = os.getppid()
settle(parent)
settle(parent)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(120)
"""


def running(pid):
    try:
        with open("/proc/{}/stat".format(pid)) as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_worker_ends_with_its_parent(tmp_path):
    mark = tmp_path / "pid"
    environment = dict(os.environ, PYTHONPATH=SOURCES)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, WORKER, str(mark)], env=environment, stdin=subprocess.PIPE)
    deadline = time.time() + 60
    while not (mark.exists() and mark.read_text()) and time.time() < deadline:
        time.sleep(0.05)
    worker = int(mark.read_text())
    assert running(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdin.close()
    while running(worker) and time.time() < deadline:
        time.sleep(0.05)
    assert not running(worker)


def test_the_parent_itself_is_left_alone():
    before = signal.getsignal(signal.SIGINT)
    workers.settle(os.getpid())
    assert signal.getsignal(signal.SIGINT) is before


WORKERS = """
import os, sys, time
import joblib
from kface.workers import backend_of
with backend_of(sys.argv[1], 2):
    # Loky's workers have had work of no concern to kface and wait for more; the others are in the middle of some.
    if sys.argv[1] == "loky":
        joblib.Parallel()(joblib.delayed(os.getpid)() for _ in range(8))
    print("ready", flush=True)
    joblib.Parallel()(joblib.delayed(time.sleep)(60) for _ in range(4 if sys.argv[1] != "loky" else 0))
    time.sleep(120)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_workers_that_never_met_kface_end_with_their_parent(backend):
    pytest.importorskip("joblib", minversion="1.4")
    parent = subprocess.Popen(
        [sys.executable, "-c", WORKERS, backend],
        env=dict(os.environ, PYTHONPATH=SOURCES),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    parent.stdout.readline()
    deadline = time.time() + 20
    while len(session_of(parent.pid)) < 3 and time.time() < deadline:
        time.sleep(0.1)
    members = session_of(parent.pid)
    assert len(members) > 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while session_of(parent.pid) and time.time() < deadline:
        time.sleep(0.1)
    assert not session_of(parent.pid)


def session_of(leader):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/{}/stat".format(entry)) as stream:
                    fields = stream.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[3] == str(leader) and fields[0] != "Z":
                found.append(int(entry))
    return found
