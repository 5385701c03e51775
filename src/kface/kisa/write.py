"""``python -m kface.kisa.write``: write a data base in KISA's form to a folder, or a contact sheet of the synthetic one."""

import argparse
import sys
from collections.abc import Sequence

import cv2
import numpy as np

from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import DatasetError
from kface.files import write_atomic
from kface.images import encode_jpeg
from kface.kisa.conditions import SIZE
from kface.kisa.database import PRELIMINARY_PEOPLE
from kface.kisa.folder import write_folder
from kface.kisa.kface_mapping import KFaceDatabase
from kface.kisa.sample_images import images, person_names
from kface.kisa.sample_source import write_sample
from kface.text import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = Parser(
        prog="python -m kface.kisa.write", description="write a data base in the form of KISA's face recognition test"
    )
    parser.add_argument("root", nargs="?", metavar="DIR", help="folder: <person>/<category>_<condition>.jpg")
    parser.add_argument("--people", type=int, default=PRELIMINARY_PEOPLE, help="of the sample: 50 (default) or 500")
    parser.add_argument("--seed", type=int, default=0, help="of the sample: same seed, same bytes (default: 0)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one per core (default)")
    parser.add_argument("--kface", metavar="DIR", help="write K-Face, mapped onto KISA's conditions, instead")
    parser.add_argument("--subjects", default="test", choices=("test", "all"), help="of K-Face (default: test)")
    parser.add_argument("--sheet", metavar="FILE", help="write a contact sheet of the sample's first people (JPEG)")
    arguments = parser.parse_args(argv)
    if not arguments.root and not arguments.sheet:
        parser.error("give DIR or --sheet FILE")
    return exit_status("kisa", lambda: _write(arguments), "stopped; finished people are kept")


def _write(arguments: argparse.Namespace) -> int:
    if arguments.sheet:
        _write_sheet(arguments.sheet, arguments.seed)
    if arguments.root and arguments.kface:
        database = KFaceDatabase(arguments.kface, arguments.subjects).open()
        root = write_folder(database, arguments.root)
        print(f"{database.title}: {len(database.people)} people, {len(database.images)} images in {root}")
        for line in (*database.notes, *database.missing()):
            print(f"  {line}")
    elif arguments.root:
        report = write_sample(arguments.root, arguments.people, arguments.seed, arguments.jobs)
        print(
            f"synthetic sample: {report.people} people, {report.images} images in {report.root} "
            f"({report.kept} people already existed, {report.seconds:.0f} s)"
        )
    return 0


def _write_sheet(path: str, seed: int) -> None:
    try:
        write_atomic(path, encode_jpeg(contact_sheet(seed), 88))
    except OSError as error:
        raise DatasetError(f"cannot be written ({error.strerror or error})", printable(path), "give another file")


def contact_sheet(seed: int = 0, people: int = 4, width: int = 240) -> np.ndarray:
    """Render some people of the sample under the 18 conditions, two rows per person, for visual inspection.

    Returns:
        uint8 (h, w, 3), RGB.
    """
    size = (width, width * SIZE[1] // SIZE[0])
    rows = []
    for person in person_names(people):
        small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for _, picture in images(person, seed)]
        rows += [np.concatenate(small[:9], axis=1), np.concatenate(small[9:], axis=1)]
    return np.concatenate(rows, axis=0)


if __name__ == "__main__":
    sys.exit(main())
