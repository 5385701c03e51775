"""Locks are held against other handles and dropped with the last of their own."""

import os
import subprocess
import sys

import pytest

from kface import locks

pytestmark = pytest.mark.skipif(not locks.AVAILABLE, reason="this system has no locks on files")

HOLDER = """
import os, sys
from kface import locks
handle = os.open(sys.argv[1], os.O_RDONLY)
print(locks.lock(handle, wait=False), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "lock"
    path.write_bytes(b"")
    return str(path)


def test_a_lock_that_another_holds_is_refused_or_waited_for(place):
    first, second = os.open(place, os.O_RDWR), os.open(place, os.O_RDWR)
    try:
        with locks.locked(first):
            assert not locks.lock(second, wait=False)
        assert locks.lock(second, wait=False)
        locks.unlock(second)
        assert locks.lock(first)
    finally:
        os.close(first)
        os.close(second)


def test_a_directory_can_be_locked_and_a_dead_holder_holds_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    handle = os.open(str(tmp_path), os.O_RDONLY)
    try:
        assert process.stdout.readline().strip() == b"True"
        assert not locks.lock(handle, wait=False)
        process.kill()
        process.wait()
        assert locks.lock(handle, wait=False)
    finally:
        process.kill()
        process.communicate()
        os.close(handle)


def test_a_file_system_without_locks_is_an_error(place, monkeypatch):
    def none(handle, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with open(place, "rb") as stream, pytest.raises(OSError, match="not supported"):
        locks.lock(stream.fileno())
