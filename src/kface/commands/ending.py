"""How a command ends: an error that the user can mend, or Ctrl-C, is a line on standard error and an exit status."""

import sys
from typing import Callable

from kface.errors import KFaceError
from kface.text import printable


def exit_status(name: str, work: Callable[[], int], stopped: str = "stopped") -> int:
    """Run a command's work and return its exit status: what `work` returns, 2 after a KFaceError, 130 after Ctrl-C.

    Any other exception is a defect and passes through.

    Args:
        name: What the lines begin with.
        work: Does it.
        stopped: What to print after Ctrl-C, such as what has been kept.
    """
    try:
        return work()
    except KFaceError as error:
        return refuse(name, error)
    except KeyboardInterrupt:
        print(printable("{}: {}".format(name, stopped)), file=sys.stderr)
        return 130


def refuse(name: str, error: object) -> int:
    """Print a line for each thing that the user can mend, and return the exit status, 2.

    Args:
        name: What the lines begin with.
        error: A KFaceError, or a line.
    """
    for line in error.lines if isinstance(error, KFaceError) else [error]:
        print(printable("{}: {}".format(name, line)), file=sys.stderr)
    return 2
