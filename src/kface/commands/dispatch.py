"""Runs the command that the first argument names."""

import difflib
import os
import sys
from typing import List, Optional, Sequence

import kface
from kface.commands import table
from kface.commands.ending import refuse
from kface.errors import KFaceError


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a command and return its exit status; 2 where it is unknown or its packages are missing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        return _page(sys.stderr, 2)
    if arguments[0] in ("-h", "--help", "help") and len(arguments) == 1:
        return _page(sys.stdout, 0)
    if arguments[0] in ("--version", "version"):
        return _write(sys.stdout, "kface {}\n".format(kface.__version__))
    if arguments[0] == "help":
        arguments = [arguments[1], "--help"]
    name = table.ALIASES.get(arguments[0], arguments[0])
    if name == "__complete":
        from kface.commands.completion import answer

        return _write(sys.stdout, answer(arguments[1:]))
    if name not in table.available():
        line = unknown(arguments[0], table.available() + list(table.ALIASES))
        if name in table.COMMANDS:
            line = "not available on a board; run it on a workstation"
        return refuse("kface: {}".format(arguments[0]), line)
    return run(name, arguments[1:])


def run(name: str, arguments: Sequence[str]) -> int:
    """Run a command of the table and return its exit status.

    Args:
        name: A key of :data:`kface.commands.table.COMMANDS`.
        arguments: The words after the name.
    """
    command = table.COMMANDS[name]
    try:
        if command.hydra:
            return _stage(name, command, list(arguments))
        status: int = table.load(command).main(list(arguments))
        return status
    except KFaceError as error:
        return refuse(name, error)
    except ImportError as error:
        from kface.packages import absent

        lacking = absent(error, command.extra)
        if lacking is None:
            raise
        return refuse(name, lacking)
    except BrokenPipeError:
        return _closed()


def _stage(name: str, command: table.Command, arguments: List[str]) -> int:
    from kface import stage

    assert command.stage is not None
    if {"-h", "--help"} & set(arguments):
        return _write(sys.stdout, stage.page(name, arguments))
    return stage.run(command.stage, table.load(command).main, arguments, name=name, extra=command.extra)


def unknown(word: str, names: Sequence[str]) -> str:
    """Return the error for an unknown command, with the nearest known one."""
    near = difflib.get_close_matches(word, names, n=1)
    meant = "write {}, or see".format(near[0]) if near else "see"
    return "unknown command; {} kface --help".format(meant)


def _page(stream: "object", status: int) -> int:
    from kface.commands.manual import overview

    _write(stream, overview())
    return status


def _write(stream: "object", text: str) -> int:
    """Print to a reader that may have ended, such as a pager."""
    try:
        print(text, end="", file=stream, flush=True)  # type: ignore[call-overload]
    except BrokenPipeError:
        return _closed()
    return 0


def _closed() -> int:
    # At its end Python would flush once more, and print an error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
