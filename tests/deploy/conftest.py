"""What the tests of sessions and of the command share."""

import gc
import os
import signal

import pytest
from deploy_fakes import (
    AT_KIM,
    AT_PARK,
    FRAMES,
    PLAIN,
    TWO,
    Camera,
    install,
    open_test_gallery,
    picture,
    threads,
    write_film,
)
from waiting import until


@pytest.fixture
def no_thread_is_left():
    # A test before may have closed what was still working, or left a detector that only the garbage collection ends.
    gc.collect()
    assert until(lambda: threads() == []), threads()
    yield
    assert until(lambda: threads() == []), threads()


@pytest.fixture
def gallery(tmp_path):
    with open_test_gallery(tmp_path / "gallery.db") as opened:
        yield opened


@pytest.fixture
def camera():
    return Camera(picture(AT_KIM, AT_PARK))


@pytest.fixture
def nothing_is_left():
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert until(lambda: threads() == []), threads()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A file of settings in a directory of its own, without a page; returns its path."""
    for name in list(os.environ):
        if name.startswith("KFACE_") or name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(str(tmp_path))
    path = tmp_path / "deploy.yaml"
    path.write_text(PLAIN)
    return str(path)


@pytest.fixture
def film(tmp_path):
    return str(write_film(tmp_path / "film.avi", [picture(*TWO)] * FRAMES))


@pytest.fixture
def recognizer(monkeypatch):
    return install(monkeypatch.setattr)
