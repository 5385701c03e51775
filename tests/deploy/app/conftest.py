"""What the tests of the window share: Qt without a screen, an English application, and a walk over a window's controls."""

import importlib
import os
import time

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
    from deploy_fakes import AT_KIM, FRAMES, PLAIN, install, open_test_gallery, picture, write_film

    from deploy import opening
    from deploy.app import texts
    from deploy.app.application import Application
    from deploy.app.bridge import SessionBridge
    from deploy.app.secrets import PasswordStore
    from deploy.app.stream_memory import StreamMemory
    from deploy.settings import DeploySettings
    from kface import yaml_file

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

    #: The drawn people are as sharp and large as they are; and files loop, as a camera goes on.
    MORE = {"enrolment": {"size": 20, "sharpness": 5, "yaw": 0.5, "pitch": [0, 1]}, "loop": True}

    @pytest.fixture
    def film(tmp_path):
        return str(write_film(tmp_path / "film.avi", [picture(AT_KIM)] * FRAMES))

    @pytest.fixture
    def other(tmp_path):
        return str(write_film(tmp_path / "문.avi", [picture(AT_KIM)] * FRAMES))

    @pytest.fixture
    def settings(film, tmp_path):
        pytest.importorskip("yaml")
        return DeploySettings.from_mapping(dict(yaml_file.parse(PLAIN, "plain"), source=film, **MORE))

    @pytest.fixture
    def make(english, settings, tmp_path, monkeypatch):
        """Makes the application; closed at the end."""
        made = []
        recognizer = install(monkeypatch.setattr, lambda _: open_test_gallery(tmp_path / "gallery.db"))

        def load(*_, detector=None, **__):
            return recognizer.with_min_face((detector or {}).get("min_face", 39.8))

        monkeypatch.setattr(opening, "FaceRecognizer", type("Loader", (), {"load": staticmethod(load)}))

        def start(**others):
            memory = StreamMemory(PasswordStore(lambda: bytes(32)), str(tmp_path / "app.json"))
            app = Application(
                english, others.get("settings", settings), memory, str(tmp_path / "saved"), others.get("given", ())
            )
            made.append(app)
            app.start()
            return app

        yield start
        for app in made:
            begun = time.monotonic()
            app.window.close()
            assert time.monotonic() - begun < 2
            assert app.bridge.wait_end(20)

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
