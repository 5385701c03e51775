"""With ``--strict-skips`` a skipped test fails, unless no package could make it run."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SUITE = """
import pytest

def test_page():
    pytest.skip("chromium is absent (apt-get install chromium chromium-driver)")

def test_runtime():
    pytest.importorskip("a_runtime_that_nobody_has")

@pytest.mark.skipif(True, reason="no screen")
def test_window():
    raise AssertionError

def test_faces():
    pytest.skip("real faces are not here: data is absent (set KFACE_SHARED)")

@pytest.mark.xfail(reason="a defect that is known")
def test_known():
    raise AssertionError

def test_it_runs():
    pass
"""
MODULE = 'import pytest\npytest.importorskip("a_runtime_that_nobody_has")\n'


def run_suite(folder, *arguments):
    """Run pytest with the house's conftest as a plugin on the files of a folder; return its status and what it printed."""
    options = [
        "-q",
        "-rA",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:pytest-qt",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    command = [sys.executable, "-m", "pytest", *options, *arguments, str(folder)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]))
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)
    return done.returncode, done.stdout


def test_skips_that_a_package_would_mend_fail(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    status, printed = run_suite(tmp_path, "--strict-skips")
    assert status == 1
    failed = set(re.findall(r"^FAILED test_suite\.py::(\w+)", printed, re.MULTILINE))
    failed |= set(re.findall(r"^ERROR test_suite\.py::(\w+)", printed, re.MULTILINE))
    assert failed == {"test_page", "test_runtime", "test_window"}
    assert "apt-get install chromium chromium-driver) (--strict-skips: it has to run here)" in printed
    assert "1 skipped" in printed
    assert "1 xfailed" in printed


def test_without_the_option_they_are_skips(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    status, printed = run_suite(tmp_path)
    assert status == 0, printed
    assert "4 skipped" in printed


@pytest.mark.parametrize(("arguments", "status"), [((), 5), (("--strict-skips",), 2)])
def test_a_module_that_skips_itself_counts_too(arguments, status, tmp_path):
    (tmp_path / "test_module.py").write_text(MODULE)
    found, printed = run_suite(tmp_path, *arguments)
    assert found == status, printed


def test_every_reason_that_is_let_through_is_given_somewhere():
    # Other folders have a conftest of their own, under the same name.
    spec = importlib.util.spec_from_file_location("house_conftest", TESTS / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    own = (TESTS / "conftest.py").read_text(encoding="utf-8").partition("def _refuse_skip")[2]
    others = (path for path in TESTS.rglob("*.py") if path.name not in ("conftest.py", Path(__file__).name))
    written = own + "\n".join(path.read_text(encoding="utf-8") for path in others)
    for reason in conftest.BEYOND_PACKAGES.pattern.split("|"):
        assert re.search(reason, written), reason
