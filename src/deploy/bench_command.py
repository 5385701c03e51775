"""``kface bench``: Tables 8 and 9 of the paper, and the streams' frames a second, as this machine sees them."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from deploy.bench import measure, printing, report
from kface import bundle
from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import ConfigError
from kface.networks import RUNTIMES

BUNDLE = "KFACE_BUNDLE"
More = Callable[[bundle.Bundle, measure.BenchOptions], Dict[str, Any]]


def main(argv: Optional[List[str]] = None, name: str = "bench", more: Optional[More] = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: Its arguments; those of the process where None.
        name: What its errors begin with.
        more: Returns further sections of the report for the bundle that recognises and the options.
    """
    arguments = parser().parse_args(argv)
    return exit_status(name, lambda: run(arguments, more), "stopped; nothing was written")


def run(arguments: argparse.Namespace, more: Optional[More] = None) -> int:
    """Measure, write the report and print it.

    Raises:
        KFaceError: An argument, a bundle or a clip cannot be used, or the report cannot be written.
    """
    options = options_of(arguments)
    bundles = open_bundles(arguments.bundle)
    document = measure.run(bundles, options, log)
    document.update(more(bundles[0], options) if more is not None else {})
    path = Path(arguments.out) if arguments.out else report.default_path()
    report.write(path, document)
    print(printing.text(document))
    print("\nwritten: {}".format(path))
    return 0


def parser() -> Parser:
    """Return what reads the arguments; ``make bench-realtime`` takes the same."""
    made = Parser(
        prog="kface bench",
        description="measure detector, embedder and complete streams on this machine",
        examples=("kface bench --quick", "kface bench --bundle DIR --runtimes onnxruntime,openvino --seconds 30"),
    )
    made.add_argument(
        "--bundle",
        metavar="DIR",
        action="append",
        help="the exported model; several times for Table 9 (default: {}, or the newest in outputs and bundles)".format(
            BUNDLE
        ),
    )
    made.add_argument("--quick", action="store_true", help="few repetitions: rough figures in a few minutes")
    made.add_argument(
        "--runtimes",
        metavar="A,B",
        help="only these runtimes, of: {} (default: all that are installed)".format(", ".join(RUNTIMES)),
    )
    made.add_argument("--clip", metavar="FILE", help="a video with people to move over the picture")
    made.add_argument(
        "--synthetic",
        action="store_true",
        help="use people of the synthetic sample even where real clips are available",
    )
    made.add_argument(
        "--seconds", type=float, metavar="SECONDS", help="length of each run at camera frame rate, 0.5 to 3600 seconds"
    )
    made.add_argument("--out", metavar="FILE.json", help="report file (default: outputs/<date>/{})".format(report.FILE))
    return made


def options_of(arguments: argparse.Namespace) -> measure.BenchOptions:
    """Return the options; raises ConfigError where an argument is out of its range."""
    names = None
    if arguments.runtimes is not None:
        names = [name.strip() for name in arguments.runtimes.split(",") if name.strip()]
        for name in names:
            if name not in RUNTIMES:
                raise ConfigError("unknown runtime", name, "choose from: {}".format(", ".join(RUNTIMES)))
        if not names:
            raise ConfigError("is empty", "--runtimes", "choose from: {}".format(", ".join(RUNTIMES)))
    if arguments.seconds is not None and not 0.5 <= arguments.seconds <= 3600:
        raise ConfigError("must be from 0.5 to 3600 s, not {:g}".format(arguments.seconds), "--seconds")
    return measure.BenchOptions(arguments.quick, names, arguments.clip, arguments.seconds, arguments.synthetic)


def open_bundles(
    given: Optional[List[str]], outputs: str = "outputs", elsewhere: str = "bundles"
) -> List[bundle.Bundle]:
    """Open the bundles that are named, or else the newest of each model, the newest of all first.

    Args:
        given: Directories; None for the newest.
        outputs: Where runs have theirs.
        elsewhere: Where those of networks lie that were trained elsewhere, the pretrained one's among them.

    Raises:
        ConfigError: None is named, and none is found.
        ModelError: One is damaged.
    """
    if given or os.environ.get(BUNDLE):
        return [bundle.load(directory) for directory in given or [os.environ[BUNDLE]]]
    # A run's directory is named after its model, perhaps with a number behind.
    found = {
        path: "-".join(path.parents[1].name.split("-")[:2]) for path in Path(outputs).glob("*/*/bundle/manifest.json")
    }
    found.update({path: path.parent.name for path in Path(elsewhere).glob("*/manifest.json")})
    opened: Dict[str, bundle.Bundle] = {}
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True):
        if found[path] not in opened:
            opened[found[path]] = bundle.load(path.parent)
    if not opened:
        raise ConfigError(
            "no bundle in {} or {}".format(outputs, elsewhere),
            "--bundle",
            "pass --bundle DIR, or create one: kface export",
        )
    return list(opened.values())


def log(line: str) -> None:
    """Print a line of progress, apart from the report."""
    print("bench: {}".format(line), file=sys.stderr, flush=True)
