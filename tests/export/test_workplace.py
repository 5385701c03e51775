"""Exports that run at the same time, and killed exports."""

import os
import signal
import subprocess
import sys
import time

import pytest

from export.workplace import workplace

KILLED = """
import sys, time
from pathlib import Path
from export import workplace
target = Path(sys.argv[1])
if sys.argv[2] == "swapping":
    # Killed between the two renames.
    def swap(made, target, old):
        target.rename(old)
        print("here", flush=True)
        time.sleep(60)
    workplace._swap = swap
with workplace.workplace(target) as folder:
    (folder / "big").write_text("half")
    if sys.argv[2] == "writing":
        print("here", flush=True)
        time.sleep(60)
"""


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def killed(target, when):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target), when], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout.readline() == b"here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_it_takes_the_targets_place_at_the_end(tmp_path):
    target = tmp_path / "a" / "bundle"
    with workplace(target) as folder:
        (folder / "new").write_text("1")
        assert not target.exists()
    assert entries(target) == ["new"]
    with workplace(target) as folder:
        (folder / "newer").write_text("2")
        assert entries(target) == ["new"]
    assert entries(target) == ["newer"]
    assert entries(target.parent) == ["bundle"]
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o777 & ~umask


def test_the_old_one_stays_where_the_block_raises(tmp_path):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(RuntimeError), workplace(target):
        raise RuntimeError
    assert entries(target) == ["old"]
    assert entries(tmp_path) == ["bundle"]


@pytest.mark.parametrize("there", [False, True])
def test_two_at_once(tmp_path, there):
    target = tmp_path / "bundle"
    if there:
        target.mkdir()
    with workplace(target) as first, workplace(target) as second:
        (first / "first").write_text("1")
        (second / "second").write_text("2")
        assert first != second
    # The inner one ended first; the outer one replaced it.
    assert entries(target) == ["first"]
    assert entries(tmp_path) == ["bundle"]


@pytest.mark.parametrize("when", ["writing", "swapping"])
def test_what_a_killed_export_left_is_removed(tmp_path, when):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("1")
    killed(target, when)
    assert entries(tmp_path)[0].startswith(".bundle-")
    assert ("bundle" in entries(tmp_path)) == (when == "writing")
    with workplace(target):
        # The bundle that the killed one had put aside is back for whoever reads it meanwhile.
        assert entries(target) == ["old"]
        assert len(entries(tmp_path)) == 2
    assert entries(tmp_path) == ["bundle"]


def test_a_live_export_is_left_alone(tmp_path):
    target, other = tmp_path / "bundle", tmp_path / "bundle-2"
    with workplace(target) as alive:
        (alive / "mine").write_text("1")
        with workplace(target), workplace(other):
            pass
        assert (alive / "mine").read_text() == "1"
        assert entries(tmp_path)[-2:] == ["bundle", "bundle-2"]


def test_progress_speaks_while_a_step_lasts(capsys):
    from export.progress import step

    with step("a long step", every=0.05):
        time.sleep(0.3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "export: a long step ..."
    assert len(lines) > 2
    assert all(line.startswith("export: a long step: for ") for line in lines[1:])
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
