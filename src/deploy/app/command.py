"""``kface app``: the recogniser in a window, with the settings of ``kface deploy``."""

import argparse
import importlib
import logging
import os
import signal
import sys
import traceback
from typing import Any, Collection, List, Optional

from deploy.app.secrets import PasswordStore
from deploy.app.settings_memory import SettingsMemory, given_by, remembered_bundle
from deploy.app.stream_memory import StreamMemory
from deploy.configuration import masked, resolve, write_file
from deploy.run_command import CONFIG
from deploy.settings import DeploySettings
from deploy.terminal import print_line
from kface.commands.ending import exit_status
from kface.commands.parser import SettingsParser
from kface.errors import ConfigError
from kface.gallery.keys import find_key

#: What to install where Qt is absent.
REMEDY = "install it: pip install 'kface[app]'; on a Jetson: apt install python3-pyqt5 and pip install qtpy"
#: Seconds in which what is recorded is finished after the window is gone.
FINISH_S = 6.0


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: 0, or 2 where the window cannot be shown."""
    arguments = parser().parse_args(argv)
    return exit_status("app", lambda: _run(arguments))


def parser() -> SettingsParser:
    """Return what reads the arguments."""
    made = SettingsParser(
        "deploy",
        prog="kface app",
        description="recognise people in a window; the settings are those of kface deploy. The window is all there is to"
        " see: no web page is opened, and the settings web and outputs.window are ignored. What is changed in the window is"
        " remembered for the next start; a setting that is given as an argument counts more.",
    )
    made.add_argument(
        "--config",
        metavar="PATH",
        help="YAML file with all settings, or directory with further choices for the groups (default: {}, or"
        " the packaged settings)".format(CONFIG),
    )
    made.add_argument("--show", action="store_true", help="print the settings and exit")
    made.add_argument(
        "--forget",
        action="store_true",
        help="forget what the window remembers, with the password of the camera that was watched last, and exit",
    )
    return made


def require_qt() -> None:
    """Raise a ConfigError that says what to install where Qt or qtpy is absent."""
    for module in ("qtpy", "qtpy.QtWidgets"):
        try:
            importlib.import_module(module)
        except Exception as error:
            # qtpy's own errors, and a library that the system lacks (libEGL.so.1).
            raise ConfigError("needs Qt ({})".format(str(error).strip().partition("\n")[0]), "the window", REMEDY)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.forget:
        return _forget()
    values = resolve(arguments.settings, arguments.config or os.environ.get(CONFIG))
    if arguments.show:
        print_line(write_file(masked(values)).rstrip("\n"))
        return 0
    settings = DeploySettings.from_mapping(remembered_bundle(values))
    require_qt()
    _require_screen()
    return run(settings, given_by(arguments.settings))


def _forget() -> int:
    # Nothing is encrypted, so no key is asked for.
    memory = SettingsMemory(StreamMemory(PasswordStore(find_key)))
    print_line("app: forgot what the window had remembered" if memory.forget() else "app: nothing was remembered")
    return 0


def run(settings: DeploySettings, given: Collection[str] = ()) -> int:
    """Show the window until it is closed, and return the exit status.

    Args:
        settings: The command's.
        given: What counts more than what the window remembers; see :func:`deploy.app.settings_memory.given_by`.
    """
    from qtpy.QtWidgets import QApplication

    from deploy.app.application import Application

    application = QApplication.instance() or QApplication(sys.argv[:1])
    application.setApplicationName("kface")
    # PyQt5 aborts where a slot raises, unless somebody says what to do.
    sys.excepthook = _report
    window = Application(application, settings, given=given)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Qt's loop gets to Python at least with every status of the session.
        signal.signal(number, lambda *_: window.window.close())
    window.start()
    # PySide6 of late, and PyQt5 of old, have one of the two names.
    execute: Any = getattr(application, "exec", None) or application.exec_
    status = int(execute())
    if not window.bridge.wait_end(FINISH_S):
        # Something hangs in a driver: its thread would crash while the interpreter ends.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _require_screen() -> None:
    """Raise a ConfigError where there is no screen: Qt itself would abort."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ConfigError("there is no screen", "the window", "set DISPLAY, or use the page: kface deploy")


def _report(kind: Any, error: BaseException, trace: Any) -> None:
    logging.getLogger(__name__).error("%s", "".join(traceback.format_exception(kind, error, trace)).rstrip())
