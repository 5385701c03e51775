"""``python -m kface.mtcnn prepare``: convert the detector's networks ahead of time."""

import argparse
import sys
from typing import List, Optional

from kface.commands.ending import exit_status
from kface.mtcnn import weights


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m kface.mtcnn", description="MTCNN's networks as ONNX files.")
    parser.add_argument("command", choices=["prepare"], help="convert the networks from the mtcnn wheel, once")
    parser.add_argument("--directory", help="directory for the networks (default: KFACE_MODELS, or the user's cache)")
    arguments = parser.parse_args(argv)
    return exit_status("mtcnn", lambda: _prepare(arguments.directory))


def _prepare(directory: Optional[str]) -> int:
    print(weights.prepare(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
