"""Killed at any moment, and started again: the same data set as an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time

import dataset_fakes
import pytest
from dataset_fakes import contents, write_tree

import kface

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))


def start(root, out, delay=0.0, jobs=1, kill_at=0, when="before"):
    environment = dict(os.environ, PYTHONPATH=SOURCES)
    command = [sys.executable, dataset_fakes.__file__, root, out, delay, jobs, kill_at, when]
    return subprocess.Popen(
        [str(word) for word in command],
        env=environment,
        stderr=subprocess.PIPE,
        # Where the tests run in the background of a shell, Ctrl-C is ignored, and so it would be here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def finish(process):
    error = process.communicate()[1].decode("utf-8", "replace")
    return process.returncode, error


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    root = write_tree(folder / "source")
    assert finish(start(root, folder / "out")) == (0, "")
    return root, contents(folder / "out")


def test_killed_before_and_after_a_file_appears(undisturbed, tmp_path):
    root, whole = undisturbed
    # Each start goes on where the one before was killed: header, shards, journal entries, the manifest.
    for kill_at, when in (
        (1, "before"),
        (1, "after"),
        (1, "before"),
        (1, "after"),
        (1, "after"),
        (4, "before"),
        (9, "after"),
    ):
        assert finish(start(root, tmp_path / "out", kill_at=kill_at, when=when))[0] == -signal.SIGKILL
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert finish(start(root, tmp_path / "out")) == (0, "")
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_manifest(undisturbed, tmp_path, when):
    root, whole = undisturbed
    writes = sum(name != "manifest.json" for name in whole)
    assert finish(start(root, tmp_path / "out", kill_at=writes + 1, when=when))[0] == -signal.SIGKILL
    assert (tmp_path / "out" / "manifest.json").exists() == (when == "after")
    assert finish(start(root, tmp_path / "out")) == (0, "")
    assert contents(tmp_path / "out") == whole


def test_killed_at_random_moments_with_two_workers(undisturbed, tmp_path):
    pytest.importorskip("joblib", minversion="1.4")
    root, whole = undisturbed
    out = tmp_path / "out"
    moments = random.Random(7)
    killed = 0
    for entries in (0, 1, 3, 6):
        process = start(root, out, delay=0.02, jobs=2)
        deadline = time.time() + 60
        while process.poll() is None and time.time() < deadline:
            if (out / "journal").is_dir() and len(list((out / "journal").glob("t*.json"))) >= entries:
                break
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        killed += finish(process)[0] == -signal.SIGKILL
    assert killed >= 3
    assert finish(start(root, out, jobs=2)) == (0, "")
    assert contents(out) == whole


def test_ctrl_c_keeps_what_is_finished(undisturbed, tmp_path):
    pytest.importorskip("joblib", minversion="1.4")
    root, whole = undisturbed
    out = tmp_path / "out"
    process = start(root, out, delay=0.2, jobs=2)
    deadline = time.time() + 60
    while time.time() < deadline and not list(out.glob("journal/t*.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, error = finish(process)
    # The stage turns the exception into one line; here it is the interpreter that reports it.
    assert code in (1, -signal.SIGINT)
    # joblib's own tracker of temporary files may have a word afterwards.
    assert "KeyboardInterrupt" in error.splitlines()
    assert error.count("Traceback") == 1
    assert list(out.glob("shards/*.tfrecord"))
    assert not list(out.rglob(".tmp-*"))
    assert finish(start(root, out, jobs=2)) == (0, "")
    assert contents(out) == whole


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_kills_leave_no_worker_and_no_other_data_set():
    pytest.importorskip("joblib", minversion="1.4")
    sys.path.insert(
        0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, os.pardir, "attack")
    )
    from builder_kills import campaign

    assert campaign(3, 2) == (2, [])
