"""What the Makefile names is there, and overrides go through it."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest

from kface.commands.table import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", sorted(set(re.findall(r"\$\(PY\) -m ([\w.]+)", MAKEFILE))))
def test_every_target_s_module_is_there(module, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    assert importlib.util.find_spec(module) is not None


def run_make(*arguments, **environment):
    """Run make as a person would at a prompt: nothing of a make that runs these tests reaches it."""
    clean = {
        key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEFILES")
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, env=clean | environment)


def words_of(target, *arguments, module="kface", **environment):
    """Return the arguments with which a target would start a module, as the shell sees them."""
    done = run_make("-n", target, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    line = next(line for line in printed.splitlines() if f"-m {module} " in line)
    script = re.sub(rf"^.*-m {re.escape(module)}", "printf '%s\\\\n'", line)
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()


def test_overrides_go_through_as_they_are():
    words = words_of("train", "backbone=mobilenetv2", "corpus.root=/a b/it's", "PYTHON=python3", "+x.y=[1,2]")
    assert sorted(words) == sorted(["train", "backbone=mobilenetv2", "corpus.root=/a b/it's", "+x.y=[1,2]"])


@pytest.mark.parametrize(
    "name",
    [
        "클립.mp4", "a b (1).mp4", "a#b", "a&b;c|d>e", "$HOME", "$(HOME)", "$$", "`id`", "a,b", "[x]", "{x}", "a=b", "!x",
        '"x"', "\\", "%", "~/x", "*",
    ],
)  # fmt: skip
def test_a_file_name_goes_through_make_and_the_shell(name):
    assert words_of("deploy", "source=" + name) == ["deploy", "source=" + name]


def test_the_identity_bench_takes_its_words():
    words = ["bundle=a b", "cfp=DIR", "quick=true", "match.recognised=0.95"]
    assert sorted(words_of("bench-identity", *words, module="benchmarks.identity")) == sorted(words)


@pytest.mark.parametrize("variable", ["HOST", "SSH_PORT", "source", "EXTRAS", "corpus.root", "PYTHON"])
def test_nothing_that_is_given_is_expanded(variable, tmp_path):
    made = tmp_path / "made"
    words_of("deploy-jetson", f"{variable}=$(shell touch {made})")
    assert not made.exists()


def test_a_host_is_an_argument_and_no_variable_of_the_environment():
    assert words_of("deploy-jetson", "HOST=me@board", "source=csi://0") == [
        "pack", "--host", "me@board", "source=csi://0",
    ]  # fmt: skip
    assert words_of("deploy-jetson", HOST="this-machine") == ["pack"]


def test_a_forgotten_value_is_found_before_anything_runs():
    done = run_make("-n", "train", "backbone")
    assert done.returncode == 2
    assert "backbone: is not a target; write backbone=VALUE" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_the_nano_s_tests_do_not_pass_without_its_python(ci, status, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "PYTHON36": str(tmp_path / "none"), "PYENV_ROOT": str(tmp_path), "CI": ci}
    command = ["bash", "scripts/test-nano", str(tmp_path / "venv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == status
    assert "skipped" in done.stdout


def test_help_lists_every_target():
    printed = run_make("help").stdout
    targets = re.search(r"^TARGETS := (.*?[^\\])$", MAKEFILE, re.MULTILINE | re.DOTALL)
    assert targets
    for target in targets.group(1).replace("\\\n", " ").split():
        assert f"make {target}" in printed or target == "floor"


@pytest.mark.parametrize("command", sorted(set(re.findall(r"-m kface ([\w-]+)", MAKEFILE))))
def test_every_target_s_command_is_there(command):
    assert command in COMMANDS
    assert importlib.util.find_spec(COMMANDS[command].module) is not None
