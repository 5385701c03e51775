"""Fixtures that every room shares. Keeps to Python 3.6 syntax: the tests of kface also run there."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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
