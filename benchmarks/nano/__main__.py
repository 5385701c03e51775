"""``python -m benchmarks.nano``: add the estimate for a Jetson Nano to a report of ``kface bench``, and print it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.nano.section import section
from deploy import bench_command
from deploy.bench import measure, printing, report
from deploy.bench.streaming import thresholds_for
from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import ConfigError
from kface.recognizer import FaceRecognizer


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    return exit_status("nano", lambda: add(arguments), "stopped; the report is unchanged")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        prog="python -m benchmarks.nano",
        description="estimate a Jetson Nano's frames per second and add them to a report of kface bench",
        examples=("python -m benchmarks.nano --quick",),
        exits=((0, "the report has the estimate"), (2, "the line above says what to correct"), (130, "stopped")),
    )
    made.add_argument("report", nargs="?", metavar="FILE.json", help="the report (default: the newest under outputs)")
    made.add_argument(
        "--bundle",
        metavar="DIR",
        help=f"the report's bundle (default: {bench_command.BUNDLE}, or the newest in outputs and bundles)",
    )
    made.add_argument("--quick", action="store_true", help="few repetitions: rough figures")
    made.add_argument(
        "--synthetic", action="store_true", help="people of the synthetic sample even with real clips here"
    )
    return made


def add(arguments: argparse.Namespace) -> int:
    """Add the estimate to the report that the arguments name, and print it.

    Raises:
        KFaceError: The report or the bundle cannot be read, or they do not belong together.
    """
    path = Path(arguments.report) if arguments.report else report.newest_path("outputs")
    document = report.read(path)
    bundle = bench_command.open_bundles([arguments.bundle] if arguments.bundle else None)[0]
    if bundle.manifest.fingerprint != document["bundle"]["fingerprint"]:
        name = document["bundle"]["name"]
        raise ConfigError(
            f"is not the report's bundle ({name})", os.fspath(bundle.directory), "give it as --bundle DIR"
        )
    options = measure.BenchOptions(quick=arguments.quick, synthetic=arguments.synthetic)
    with FaceRecognizer.load(bundle.directory, **thresholds_for(bundle)) as recognizer:
        scenes = measure.make_scenes(options, recognizer.detector)
    document["estimate"] = section(bundle, scenes, options.effort)
    report.write(path, document)
    print("\n".join(printing.estimate(document)))
    print(f"\nwritten: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
