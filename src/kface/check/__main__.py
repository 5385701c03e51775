"""``kface check BUNDLE``: check every runtime that is installed here against a bundle's golden vectors."""

import sys
from typing import List, Optional, Sequence

from kface import bundle
from kface.bundle import golden
from kface.check.installed import chains
from kface.check.stages import check_bundle, table
from kface.commands.parser import Parser
from kface.errors import KFaceError, ModelError


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: 1 where a runtime computes something else, 2 where none can be checked."""
    arguments = parser().parse_args(argv)
    try:
        return _check(arguments.bundle, arguments.runtime or ())
    except KFaceError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2


def parser() -> Parser:
    """Return what reads the arguments."""
    made = Parser(
        prog="kface check",
        description="run the golden pictures of a bundle through every runtime that is installed here, and compare "
        "detection, alignment and embeddings with what the bundle was exported with",
        examples=("kface check bundle", "kface check bundle --runtime opencv --runtime onnxruntime"),
    )
    made.add_argument("bundle", metavar="BUNDLE", help="a bundle's directory")
    made.add_argument(
        "--runtime",
        action="append",
        metavar="NAME",
        help="a runtime, or library; may be given again (default: all that are installed, TensorRT on a Jetson alone)",
    )
    return made


def _check(directory: str, names: Sequence[str]) -> int:
    opened = bundle.load(directory)
    known = golden.read(opened)
    if known is None:
        raise ModelError("has no golden vectors", directory, "export the bundle again: kface export")
    results = check_bundle(opened, known, chains(opened, known.detector, names))
    unchecked = [name for name in names if name not in {one.runtime for one in results}]
    if unchecked or not results:
        raise ModelError(
            "has no file that {} can run".format(", ".join(unchecked) or "an installed runtime"),
            directory,
            "choose another runtime, or export the bundle again: kface export",
        )
    print(table(results))
    if not known.pictures:
        print(
            "This bundle holds golden crops alone, so that only the embeddings were checked; export it again: kface export"
        )
    wrong = sum(1 for one in results if one.wrong)
    print(f"{wrong} of {len(results)} wrong" if wrong else f"all {len(results)} ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
