"""Continuous integration: the packages first, then the checks, then tests that may not be skipped; or one line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: What the packages of the groups hold at least: an absent one would be skipped tests.
NEEDED = {
    "ffmpeg",
    "gir1.2-gst-rtsp-server-1.0",
    "chromium",
    "chromium-driver",
    "python3-tk",
    "xvfb",
    "xdotool",
    "fonts-nanum",
}


@pytest.fixture
def machine(tmp_path):
    """A checkout's scripts, and commands that only note how they were called; returns a function that runs ``.ci/run``."""
    checkout, programs, calls = tmp_path / "checkout", tmp_path / "bin", tmp_path / "calls"
    for name in (".ci/run", "scripts/system-packages"):
        (checkout / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, checkout / name)
    programs.mkdir()
    for name in ("bash", "dirname", "mktemp", "tail", "rm"):
        (programs / name).symlink_to(shutil.which(name))
    calls.write_text("")

    def run(installed, apt="exit 0", user=0):
        for name, script in {
            "dpkg-query": "printf 'install ok installed'" if installed else "exit 1",
            "id": f"echo {user}",
            "sudo": '"$@"',
            "apt-get": apt,
            "make": "exit 0",
        }.items():
            program = programs / name
            note = "" if name in ("dpkg-query", "id") else f'echo {name} "$@" >>{calls}\n'
            program.write_text(f"#!{programs}/bash\n{note}{script}\n")
            program.chmod(0o755)
        environment = {"PATH": str(programs), "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            [str(programs / "bash"), str(checkout / ".ci" / "run")], capture_output=True, text=True, env=environment
        )
        return done, calls.read_text().splitlines()

    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    return run


CHECKS = ["make lint", "make test PYTEST_ARGS=--strict-skips"]


def test_where_the_packages_are_there_nothing_is_installed(machine):
    done, calls = machine(installed=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert calls == CHECKS


@pytest.mark.parametrize("user", [0, 1000])
def test_what_is_missing_is_installed_first(machine, user):
    done, calls = machine(installed=False, user=user)
    assert done.returncode == 0, done.stderr
    calls = [call for call in calls if not call.startswith("sudo ")]
    assert calls[0] == "apt-get update"
    assert set(calls[1].split()) >= NEEDED
    assert calls[2:] == CHECKS


def test_without_a_network_it_is_one_line(machine):
    done, calls = machine(installed=False, apt="echo Reading; echo 'E: Unable to fetch some archives' >&2; exit 100")
    assert done.returncode == 1
    assert done.stderr == "ci: scripts/system-packages failed: E: Unable to fetch some archives\n"
    assert not [call for call in calls if call.startswith("make")]
