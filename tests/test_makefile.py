"""What the Makefile names is there, and overrides go through it."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", sorted(set(re.findall(r"\$\(PY\) -m ([\w.]+)", MAKEFILE))))
def test_every_target_s_module_is_there(module, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    assert importlib.util.find_spec(module) is not None


def test_overrides_go_through_as_they_are():
    command = ["make", "-n", "train", "backbone=mobilenetv2", "corpus.root=/a b/it's", "PYTHON=python3", "+x.y=[1,2]"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    line = next(line for line in printed.splitlines() if "-m train" in line)
    script = line.replace(".venv/bin/python -m train", "printf '%s\\n'")
    words = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert sorted(words) == sorted(["backbone=mobilenetv2", "corpus.root=/a b/it's", "+x.y=[1,2]"])


def test_help_lists_every_target():
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    for target in phony.group(1).split():
        assert f"make {target}" in printed or target == "floor"
