"""``install.sh``: check a board, put a release in its place, build its engines, and start the service.

The exit status is 0, or 2 with one line that says which step failed, why, and what to do.
"""

import argparse
import contextlib
import os
import signal
import sys
from typing import Iterator, List, Optional, TextIO

from deploy.jetson import service
from deploy.jetson.installer import Installer, agreed
from deploy.jetson.system import InstallError, System
from deploy.terminal import print_line
from kface.commands.parser import Parser
from kface.errors import KFaceError


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status."""
    arguments = _parser().parse_args(argv)
    system = System(arguments.root, arguments.dry_run, _print)
    # Not kface.commands.ending: the terminal may be gone.
    try:
        with _signals():
            _run(system, arguments)
    except KFaceError as error:
        _print("install: {}".format(error), sys.stderr)
        return 2
    except OSError as error:
        _print("install: {}: {}".format(error.filename or "a file", error.strerror or error), sys.stderr)
        return 2
    except KeyboardInterrupt:
        _print("install: interrupted; run it again to continue", sys.stderr)
        return 130
    return 0


def _run(system: System, arguments: argparse.Namespace) -> None:
    if not system.dry and os.geteuid() != 0 and system.root == "/":
        raise InstallError("requires root", "install.sh", "run sudo ./install.sh, or preview with --dry-run")
    if arguments.purge and not arguments.uninstall:
        raise InstallError("requires --uninstall", "--purge")
    installer = Installer(system, arguments.archive, arguments)
    with installer.releases.locked():
        if arguments.rollback:
            installer.rollback()
        elif not arguments.uninstall:
            installer.run()
    if arguments.uninstall:
        if arguments.purge and not system.dry and not arguments.yes and not agreed("delete everyone who is enrolled?"):
            raise InstallError("nothing was removed", "--purge", "give --yes")
        service.take_away(system, arguments.purge)
        kept = "" if arguments.purge else "; /var/lib/kface and /etc/kface kept"
        system.log("kface {} removed{}".format("would be" if system.dry else "is", kept))


def _parser() -> Parser:
    parser = Parser(
        prog="install.sh",
        description="install the face recogniser on this board, build its engines and start its service",
        examples=("sudo ./install.sh", "./install.sh --dry-run", "sudo ./install.sh --rollback"),
    )
    parser.add_argument("--archive", default=os.curdir, help=argparse.SUPPRESS)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rollback", action="store_true", help="go back to the previous release")
    what.add_argument("--uninstall", action="store_true", help="remove the service, keep the gallery and the settings")
    parser.add_argument(
        "--purge", action="store_true", help="with --uninstall: also remove the gallery and the settings"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="print every step and change nothing")
    parser.add_argument("--root", default="/", metavar="DIR", help="root directory to install into")
    parser.add_argument(
        "--skip-engines",
        action="store_true",
        help="do not build and verify engines; the service builds them when it starts",
    )
    parser.add_argument("--skip-bench", action="store_true", help="do not measure the speed")
    parser.add_argument("--no-start", action="store_true", help="do not start the service")
    return parser


def _print(line: str, stream: Optional[TextIO] = None) -> None:
    # A terminal that is gone must not end the installation half-way.
    with contextlib.suppress(OSError):
        print_line(line, stream)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let a lost connection or a plain kill end the installer like Ctrl-C: what was stopped is started again."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt()

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
