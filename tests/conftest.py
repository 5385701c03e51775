"""Fixtures that every room shares. Keeps to Python 3.6 syntax: the tests of kface also run there."""

import importlib
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _qt_plugin():
    """Return pytest-qt's plugin where Qt can be loaded: its libraries may be absent although its wheels are installed."""
    try:
        importlib.import_module("qtpy.QtWidgets")
        importlib.import_module("pytestqt.plugin")
    except Exception:
        return []
    return ["pytestqt.plugin"]


pytest_plugins = _qt_plugin()

#: Reasons to skip that no package mends: what is missing is somebody's data, a trained model, a board, or a right.
BEYOND_PACKAGES = re.compile(
    "real faces are not here|the real clips are not here|the images of .* are not here|the clip .* is absent"
    "|no exported model is named|no bundle was exported"
    "|a file system is not allowed here|this machine has no IPv6|is installed here"
)


def pytest_addoption(parser):
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="a skipped test fails, unless what it needs cannot be installed (kface; .ci/run sets it)",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    _refuse_skip(item.config, outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    _refuse_skip(collector.config, outcome.get_result())


def _refuse_skip(config, report):
    """Turn a skip into a failure where skips are strict: a green run in which the page was never opened says nothing."""
    if not config.getoption("--strict-skips") or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not BEYOND_PACKAGES.search(reason):
        report.outcome = "failed"
        report.longrepr = "{} (--strict-skips: it has to run here)".format(reason)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real faces (evaluation only); skips where it is absent."""
    folder = Path(os.environ.get("KFACE_SHARED", str(ROOT.parent / "shared"))) / "data"
    if not folder.is_dir():
        pytest.skip("real faces are not here: {} is absent (set KFACE_SHARED)".format(folder.name))
    return folder


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory, monkeypatch):
    """Galleries note their newest state in a folder of the test's own, and not in the user's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture
def session():
    """A session without cameras and networks."""
    from web_session import FakeSession

    made = FakeSession()
    yield made
    made.stop()


@pytest.fixture
def server(session):
    """The page of such a session; a reverse proxy calls it Cam.Example."""
    from web_session import TOKEN

    from deploy.settings import WebSettings
    from deploy.web import WebServer

    with WebServer(session, WebSettings(port=0), token=TOKEN, names=["Cam.Example"]) as made:
        yield made
