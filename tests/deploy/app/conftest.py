"""What the tests of the window share: Qt without a screen, an English application, and a walk over a window's controls."""

import importlib
import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

try:
    for needed in ("pytestqt.plugin", "qtpy.QtWidgets"):
        importlib.import_module(needed)
    ABSENT = None
except ImportError as error:
    ABSENT = "Qt cannot be loaded ({}): pip install kface[app] pytest-qt; scripts/system-packages app".format(error)

#: What the window remembers is tried without Qt as well.
WITHOUT_QT = ("test_preferences.py", "test_secrets.py", "test_stream_choice.py", "test_stream_memory.py")


if ABSENT is None:
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

else:

    class _Skipped(pytest.Module):
        """A module of tests that cannot be imported here."""

        def collect(self):
            pytest.skip(ABSENT)

    def pytest_pycollect_makemodule(module_path, parent):
        """Skip what needs Qt, with the reason."""
        if module_path.name in WITHOUT_QT:
            return None
        return _Skipped.from_parent(parent, path=module_path)
