"""``kface engines verify``: compare the engines of a bundle, or of ONNX files, with a CPU runtime."""

import argparse
import sys
from typing import List, Optional

from kface.commands.parser import Parser
from kface.errors import ConfigError, KFaceError
from kface.tensorrt.api import tensorrt
from kface.tensorrt.memory import open_memory
from kface.tensorrt.verify import LEAST_COSINE, bundle_files, header, reference_runtime, verify


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: 1 if an engine differs, 2 if something is missing."""
    arguments = parser().parse_args(argv)
    try:
        return _verify(arguments)
    except KFaceError as error:
        print("engines: {}".format(error), file=sys.stderr)
        return 2


def parser() -> Parser:
    """Return what reads the arguments."""
    made = Parser(
        prog="kface engines",
        description="build the TensorRT engines of networks on this device, compare them with a CPU runtime, and time both",
        examples=("kface engines verify --bundle DIR", "kface engines verify embedder.onnx --precision fp16"),
    )
    made.add_argument("command", metavar="COMMAND", choices=["verify"], help="what to do")
    made.add_argument("files", nargs="*", metavar="FILE.onnx", help="networks")
    made.add_argument("--bundle", metavar="DIR", help="a bundle: its detector/*.onnx and embedder.onnx")
    made.add_argument(
        "--precision",
        action="append",
        choices=sorted(LEAST_COSINE),
        help="fp32 or fp16; twice for both (default: both)",
    )
    made.add_argument(
        "--directory", metavar="DIR", help="where engines are kept (default: KFACE_ENGINES, or the user's cache)"
    )
    made.add_argument("--runs", type=int, metavar="RUNS", default=20, help="how many runs are timed")
    made.add_argument("--seed", type=int, metavar="SEED", default=0, help="whole number that the inputs are drawn from")
    return made


def _verify(arguments: argparse.Namespace) -> int:
    files = list(arguments.files) + (bundle_files(arguments.bundle) if arguments.bundle else [])
    if not files:
        raise ConfigError("needs a network", "verify", "give --bundle DIR or FILE.onnx")
    precisions = arguments.precision or sorted(LEAST_COSINE, reverse=True)
    if arguments.runs < 1:
        raise ConfigError("must be at least 1, not {}".format(arguments.runs), "--runs")
    tensorrt()
    memory = open_memory()
    print(header(reference_runtime()))
    agree = True
    for file in files:
        for row in verify(file, precisions, arguments.runs, arguments.seed, arguments.directory, memory):
            print(row)
            agree = agree and row.agrees
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
