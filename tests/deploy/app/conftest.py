"""What the tests of the window share: Qt without a screen, an English application, and a walk over a window's controls."""

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("qtpy", reason="qtpy is absent (pip install qtpy)")
pytest.importorskip("pytestqt", reason="pytest-qt is absent (pip install pytest-qt)")

from app_tools import FakeAppSession

from deploy.app import texts
from deploy.app.bridge import SessionBridge


@pytest.fixture
def english(qapp):
    """An application in English, whatever the system speaks; English again afterwards."""
    texts.use_language(qapp, "en")
    yield qapp
    texts.use_language(qapp, "en")


@pytest.fixture
def fake_session():
    made = FakeAppSession()
    yield made
    made.stop()


@pytest.fixture
def bridge(english, fake_session):
    """A bridge to a fake session."""
    made = SessionBridge(fake_session)
    yield made
    assert made.close()
