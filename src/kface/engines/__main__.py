"""``python -m kface.engines verify``: compare the engines of a bundle, or of ONNX files, with a CPU runtime."""

import argparse
import sys
from typing import List, Optional

from kface.engines.api import tensorrt
from kface.engines.memory import open_memory
from kface.engines.verify import LEAST_COSINE, bundle_files, header, reference_runtime, verify
from kface.errors import ConfigError, KFaceError


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: 1 where an engine differs, 2 where something is not there."""
    parser = argparse.ArgumentParser(prog="python -m kface.engines", description="TensorRT engines on this device.")
    parser.add_argument("command", choices=["verify"], help="build or get engines and compare them with a CPU runtime")
    parser.add_argument("files", nargs="*", metavar="FILE.onnx", help="networks")
    parser.add_argument("--bundle", metavar="DIR", help="a bundle: its detector/*.onnx and embedder.onnx")
    parser.add_argument("--precision", action="append", choices=sorted(LEAST_COSINE), help="default: fp32 and fp16")
    parser.add_argument("--directory", help="where engines are kept (default: KFACE_ENGINES or the user's cache)")
    parser.add_argument("--runs", type=int, default=20, help="runs that are timed (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default: %(default)s)")
    arguments = parser.parse_args(argv)
    try:
        return _verify(arguments)
    except KFaceError as error:
        print("engines: {}".format(error), file=sys.stderr)
        return 2


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
