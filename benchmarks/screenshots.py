"""Pictures of every window and dialog, in both languages, light and dark: ``make screenshots`` (bundle=DIR to=DIR scale=2).

A session watches a video of six people of the synthetic sample; some are registered. Everything is drawn without a screen.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.app import write_video
from kface.commands.ending import exit_status
from kface.errors import ConfigError, KFaceError
from kface.recognizer import UNKNOWN

#: Where the pictures go; git ignores it.
FOLDER = Path("outputs") / "screenshots"
#: Seconds that a window gets to show what it loads.
SETTLE_S = 1.2
#: Roles and colours of a dark desktop.
DARK = {
    "Window": "#2b2d30", "WindowText": "#e8e8e8", "Base": "#1e1f22", "AlternateBase": "#2b2d30", "Text": "#e8e8e8",
    "Button": "#3a3d41", "ButtonText": "#e8e8e8", "BrightText": "#ff6b6b", "Highlight": "#2f65ca",
    "HighlightedText": "#ffffff", "ToolTipBase": "#3a3d41", "ToolTipText": "#e8e8e8", "Link": "#6cb2ff",
    "PlaceholderText": "#9a9a9a", "Light": "#4a4d51", "Midlight": "#44474b", "Mid": "#25272a", "Dark": "#1a1b1d",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write the pictures, and return the exit status."""
    return exit_status("screenshots", lambda: _write(dict(word.partition("=")[::2] for word in arguments)))


def _write(given: dict[str, str]) -> int:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QT_SCALE_FACTOR", given.get("scale", "1"))
    from qtpy.QtWidgets import QApplication

    from deploy.app.application import Application
    from deploy.app.secrets import PasswordStore
    from deploy.app.stream_memory import StreamMemory
    from deploy.settings import DeploySettings

    folder = Path(given.get("to") or FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    qt = QApplication.instance() or QApplication(sys.argv[:1])
    qt.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as scratch:
        values: dict[str, Any] = {
            "source": str(write_video(Path(scratch) / "six.avi")),
            "loop": True,
            "bundle": given.get("bundle") or None,
            "gallery": {
                "file": str(Path(scratch) / "gallery.db"),
                "key_file": str(Path(scratch) / "key"),
                "keep_crops": True,
            },
        }
        memory = StreamMemory(PasswordStore(lambda: bytes(32)), str(Path(scratch) / "app.json"))
        app = Application(qt, DeploySettings.from_mapping(values), memory, scratch)
        app.window.resize(1180, 700)
        app.start()
        wait(qt, lambda: app.bridge.has_session and len(app.bridge.session.sightings()) >= 4, "the session")
        # The sample's people look so much alike that a model of real faces takes one for another, once some are registered.
        for name in ("김철수", "Lee Min", "박영희", "Choi Ara"):
            strangers = [one for one in app.bridge.session.sightings() if one.kind == UNKNOWN]
            if strangers:
                app.bridge.session.enrol(app.bridge.session.pick_sighting(strangers[-1].id).id, name, True)
        light = qt.palette()
        for shade in ("light", "dark"):
            qt.setPalette(light if shade == "light" else dark_palette())
            for language in ("en", "ko"):
                shoot(qt, app, language, folder, shade)
        app.window.close()
        app.bridge.wait_end(10)
    return 0


def shoot(qt: Any, app: Any, language: str, folder: Path, shade: str) -> None:
    """Write a picture of each window and dialog in a language."""
    from deploy.app import texts

    texts.use_language(qt, language)

    def save(widget: Any, name: str) -> None:
        settle(qt)
        path = folder / f"{name}-{language}-{shade}.png"
        if not widget.grab().save(str(path)):
            raise ConfigError("cannot be written", str(path))
        print(path)

    window = app.window
    save(window, "main")

    def picked() -> bool:
        faces = window.view.picture.faces if window.view.picture else ()
        if window.registration.candidate is None and faces:
            x1, y1, x2, y2 = faces[0].box
            window.view.picked.emit(faces[0], (x1 + x2) / 2, (y1 + y2) / 2, window.view.picture.size)
            settle(qt, 0.5)
        return window.registration.candidate is not None

    wait(qt, picked, "the Registration View")
    save(window, "registration")
    window.registration.drop()
    window.show_error(
        str(
            KFaceError(
                "rejected the id or the password", "rtsp://10.0.0.7/live", "correct them in the stream's settings"
            )
        )
    )
    window.other_stream.show()
    save(window, "error")
    window.error.clear_error()
    window.other_stream.hide()
    window.stream_action.trigger()
    for kind in ("csi", "rtsp", "file"):
        app.stream_dialog.form.kinds[kind].setChecked(True)
        save(app.stream_dialog, "stream-" + kind)
    app.stream_dialog.reject()
    window.faces_action.trigger()
    for number, name in enumerate(("people", "threshold", "detection", "review")):
        app.face_dialog.tabs.setCurrentIndex(number)
        save(app.face_dialog, "faces-" + name)
    app.face_dialog.close()
    window.model_action.trigger()
    save(app.model_dialog, "model")
    app.model_dialog.reject()


def dark_palette() -> Any:
    """Return the palette of a dark desktop."""
    from qtpy.QtGui import QColor, QPalette

    palette = QPalette()
    for role, colour in DARK.items():
        if hasattr(QPalette, role):
            palette.setColor(getattr(QPalette, role), QColor(colour))
            if role.endswith("Text"):
                palette.setColor(QPalette.Disabled, getattr(QPalette, role), QColor("#7d7d7d"))
    return palette


def settle(qt: Any, seconds: float = SETTLE_S) -> None:
    """Let Qt work for some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        qt.processEvents()
        time.sleep(0.005)


def wait(qt: Any, there: Callable[[], bool], what: str) -> None:
    """Let Qt work until something is there; raises KFaceError where it does not come within two minutes."""
    end = time.monotonic() + 120
    while not there():
        if time.monotonic() > end:
            raise KFaceError("did not come within 120 s", what)
        settle(qt, 0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
