"""The sample and a data set on a Dask cluster: the same bytes as on one machine, also where a worker is killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kface
from kface.files import sha256_file

SOURCES = str(Path(kface.__file__).resolve().parents[1])
WORDS = ["corpus=sample-small", "corpus.identities=5", "progress=false"]
SECONDS = 900


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers on loopback, each a process of its own; a function starts another worker."""
    pytest.importorskip("distributed", reason="distributed is not installed (the extra cluster)")
    file = tmp_path / "scheduler.json"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = dict(os.environ, PYTHONPATH=SOURCES)

    with contextlib.ExitStack() as stack:
        log = stack.enter_context((tmp_path / "cluster.log").open("w"))

        def start(module, *options):
            command = [sys.executable, "-m", f"distributed.cli.{module}", "--scheduler-file", str(file), *options]
            # In another directory: no worker may need the builder's.
            process = subprocess.Popen(command, env=environment, cwd=elsewhere, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        def worker():
            # Without a nanny a killed worker stays away.
            return start("dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")

        start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        wait_until(file.exists)
        address = json.loads(file.read_text())["address"]
        yield address, [worker(), worker()], worker


def wait_until(there, process=None):
    until = time.monotonic() + SECONDS
    while not there():
        assert process is None or process.poll() is None, "the builder has ended"
        assert time.monotonic() < until
        time.sleep(0.02)


def build(place, *words, **environment):
    place.mkdir()
    command = [sys.executable, "-m", "kface", "dataset", *WORDS, *words]
    return subprocess.Popen(
        command, cwd=place, env={**os.environ, "PYTHONPATH": SOURCES, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def contents(place, pattern):
    return {str(path.relative_to(place)): sha256_file(path) for path in place.rglob(pattern) if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(4 * SECONDS)
def test_a_killed_worker_changes_no_byte(cluster, tmp_path):
    address, workers, another = cluster
    there = tmp_path / "there"
    # The builder gets relative paths, as usual.
    with build(there, "backend=dask", DASK_SCHEDULER_ADDRESS=address) as process:
        people = "data/sample-5x2x2-*/High_Resolution/[0-9]*"
        wait_until(lambda: any(there.glob(people)), process)
        workers[0].send_signal(signal.SIGKILL)
        another()
        wait_until(lambda: any((there / "data").glob("aligned/*/journal/*.json")), process)
        workers[1].send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    here = tmp_path / "here"
    with build(here, "jobs=2") as process:
        out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out
    # One shard for each person.
    assert len(contents(here, "data/aligned/*/shards/*.tfrecord")) == 5
    assert len(contents(here, "data/sample-*/**/*")) > 5
    for pattern in ("data/sample-*/**/*", "data/aligned/*/shards/*.tfrecord"):
        assert contents(there, pattern) == contents(here, pattern)
    one, other = (json.loads(next(place.glob("data/aligned/*/manifest.json")).read_text()) for place in (here, there))
    # It covers the times of the sample's files.
    assert one.pop("fingerprint") != other.pop("fingerprint")
    assert one == other


@pytest.mark.slow
def test_a_cluster_that_does_not_serve_is_a_line(cluster, tmp_path):
    address, workers, _ = cluster
    for worker in workers:
        worker.kill()
        worker.wait()
    closed = "tcp://127.0.0.1:9"
    for number, (given, line) in enumerate(((address, "has no workers"), (closed, "cannot be reached"))):
        with build(tmp_path / str(number), "backend=dask", DASK_SCHEDULER_ADDRESS=given) as process:
            out, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 2
        assert out.splitlines()[-1].startswith(f"dataset: the Dask scheduler {given}: {line} (")
