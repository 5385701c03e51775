"""The paper's flow on a real window, with real clicks, real networks and a real clip (evaluation only)."""

import os
import shutil

import pytest

pytest.importorskip("qtpy", reason="qtpy is absent (pip install qtpy)")
pytest.importorskip("pytestqt", reason="pytest-qt is absent (pip install pytest-qt)")
pytest.importorskip("cryptography", reason="cryptography is absent")
from app_flow import paper_flow

from deploy.app import texts
from deploy.app.application import Application
from deploy.app.secrets import PasswordStore
from deploy.app.stream_memory import StreamMemory
from deploy.settings import DeploySettings

pytestmark = pytest.mark.slow


@pytest.fixture
def bundle():
    """An exported model that knows faces: KFACE_TEST_BUNDLE names it."""
    named = os.environ.get("KFACE_TEST_BUNDLE")
    if not named:
        pytest.skip("no exported model is named (set KFACE_TEST_BUNDLE)")
    return named


def test_the_paper_s_flow_on_a_real_clip(qapp, qtbot, bundle, shared_data, tmp_path):
    clip = shared_data / "video" / "head-pose-face-detection-female-and-male.gif"
    if not clip.is_file():
        pytest.skip("the real clips are not here: {} is absent".format(clip.name))
    texts.use_language(qapp, "en")
    other = shutil.copy(str(shared_data / "video" / "face-demographics-walking-and-pause.gif"), str(tmp_path))
    settings = DeploySettings.from_mapping(
        {
            "bundle": bundle,
            "source": other,
            "loop": True,
            "gallery": {"file": str(tmp_path / "gallery.db"), "key_file": str(tmp_path / "key")},
        }
    )
    memory = StreamMemory(PasswordStore(lambda: bytes(32)), str(tmp_path / "app.json"))
    app = Application(qapp, settings, memory, str(tmp_path / "saved"))
    app.start()
    try:
        paper_flow(app, qtbot, clip)
    finally:
        app.window.close()
        assert app.bridge.wait_end(20)
