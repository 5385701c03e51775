"""``python -m kface.data.sample``: write the synthetic sample, or a contact sheet of it."""

import argparse
import sys
from typing import List, Optional

from kface.commands.ending import exit_status
from kface.errors import KFaceError


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m kface.data.sample", description="The K-Face-shaped synthetic sample."
    )
    parser.add_argument("--root", help="directory to write the K-Face tree to")
    parser.add_argument("--identities", type=int, default=72, help="people (default: %(default)s)")
    parser.add_argument("--views", type=int, default=16, help="random views per person (default: %(default)s)")
    parser.add_argument("--lights", type=int, default=3, help="random lights per view (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one per core (default)")
    parser.add_argument("--resolution", default="High", help="High, Middle or Low (default: %(default)s)")
    parser.add_argument(
        "--variation", type=float, default=0.0, help="0 to 1: variety beyond K-Face's conditions (default: %(default)s)"
    )
    parser.add_argument("--sheet", metavar="FILE", help="write a contact sheet (JPEG) instead")
    arguments = parser.parse_args(argv)
    if not arguments.root and not arguments.sheet:
        parser.error("give --root DIR or --sheet FILE")
    return exit_status("sample", lambda: _write(arguments), "stopped; finished people are kept")


def _write(arguments: argparse.Namespace) -> int:
    if arguments.sheet:
        _sheet(arguments.sheet, arguments.seed, arguments.variation)
    if arguments.root:
        from kface.data.sample.tree import write_sample

        report = write_sample(
            arguments.root,
            identities=arguments.identities,
            views=arguments.views,
            lights_per_view=arguments.lights,
            seed=arguments.seed,
            jobs=arguments.jobs,
            resolution=arguments.resolution,
            variation=arguments.variation,
        )
        print(
            "synthetic sample: {} people, {} images in {} ({} people already existed, {:.0f} s)".format(
                report.identities, report.images, report.root, report.kept, report.seconds
            )
        )
    return 0


def _sheet(path: str, seed: int, variation: float) -> None:
    from kface.data.sample.sheet import contact_sheet
    from kface.files import write_atomic
    from kface.images import encode_jpeg

    try:
        write_atomic(path, encode_jpeg(contact_sheet(seed=seed, variation=variation), 88))
    except OSError as error:
        raise KFaceError("cannot be written ({})".format(error.strerror or error), path)


if __name__ == "__main__":
    sys.exit(main())
