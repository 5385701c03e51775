"""``python -m kface.native``: compile the kernels, or say which ones are used."""

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from kface.errors import KFaceError
from kface.native import status
from kface.native.build import build


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m kface.native", description="compile kface's kernels, which makes it faster and is optional"
    )
    parser.add_argument("command", choices=["build", "status"], help="compile them, once; or say which ones are used")
    parser.add_argument("--directory", type=Path, help="where to keep them (default: the user's cache)")
    arguments = parser.parse_args(argv)
    try:
        print(build(arguments.directory) if arguments.command == "build" else status())
    except KFaceError as error:
        print("native: {}".format(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
