"""``kface app``: the recogniser in a window, with the settings of ``kface deploy``."""

import argparse
import importlib
import logging
import os
import signal
import sys
import traceback
from typing import Any, List, Optional

from deploy.configuration import masked, resolve, write_file
from deploy.run_command import CONFIG
from deploy.settings import DeploySettings
from deploy.terminal import print_line
from kface.commands.ending import exit_status
from kface.commands.parser import SettingsParser
from kface.errors import ConfigError

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
        "deploy", prog="kface app", description="recognise people in a window; the settings are those of kface deploy"
    )
    made.add_argument(
        "--config",
        metavar="PATH",
        help="YAML file with all settings, or directory with further choices for the groups (default: {}, or"
        " the packaged settings)".format(CONFIG),
    )
    made.add_argument("--show", action="store_true", help="print the settings and exit")
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
    values = resolve(arguments.settings, arguments.config or os.environ.get(CONFIG))
    if arguments.show:
        print_line(write_file(masked(values)).rstrip("\n"))
        return 0
    settings = DeploySettings.from_mapping(values)
    require_qt()
    _require_screen()
    return run(settings)


def run(settings: DeploySettings) -> int:
    """Show the window until it is closed, and return the exit status."""
    from qtpy.QtWidgets import QApplication

    from deploy.app.application import Application

    application = QApplication.instance() or QApplication(sys.argv[:1])
    application.setApplicationName("kface")
    # PyQt5 aborts where a slot raises, unless somebody says what to do.
    sys.excepthook = _report
    window = Application(application, settings)
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
