"""`make attack` itself: every campaign fits the runner, which prints what failed and says so by its exit status."""

import importlib
import inspect
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RUNNER = runpy.run_path(str(HERE / "__main__.py"))


@pytest.mark.parametrize("name", RUNNER["COUNTS"])
def test_every_campaign_takes_a_seed_and_a_count(name):
    parameters = inspect.signature(importlib.import_module(name).campaign).parameters
    assert [one for one in parameters.values() if one.default is one.empty] == list(parameters.values())[:2]


def test_the_images_run():
    done = subprocess.run(
        [sys.executable, str(HERE), "--scale", "0.02", "image_mutations"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 tried,    0 failed" in done.stdout


def test_what_failed_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["attack", "image_mutations"])
    monkeypatch.setattr(importlib.import_module("image_mutations"), "campaign", lambda seed, count: (count, ["file 7"]))
    assert RUNNER["main"]() == 1
    said = capsys.readouterr().out
    assert "500 tried,    1 failed" in said
    assert "    file 7\n" in said
