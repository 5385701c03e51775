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
