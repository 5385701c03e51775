"""``python -m deploy COMMAND``: a command is imported when it is asked for, so that each needs only its own packages."""

import importlib
import sys
from typing import Dict, List, Optional, Tuple

#: The module with ``main(argv) -> exit status``, and what it does.
COMMANDS: Dict[str, Tuple[str, str]] = {
    "run": ("deploy.run_command", "recognise people in a stream"),
    "enrol": ("deploy.enrol_command", "enrol a face that a running recogniser sees"),
    "bench": ("deploy.bench_command", "measure detector, embedder and the whole loop on this machine"),
    "pack": ("deploy.jetson.pack_command", "make the archive for a Jetson, and install it there"),
    "gallery": ("deploy.gallery_command", "enrol, list, rename, merge, delete, export, import and match people"),
}


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command that the first argument names and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        status: int = importlib.import_module(COMMANDS[arguments[0]][0]).main(arguments[1:])
        return status
    lines = ["usage: python -m deploy COMMAND ...", ""]
    lines += ["  {:10} {}".format(name, about) for name, (_, about) in sorted(COMMANDS.items())]
    lines += ["", "python -m deploy COMMAND --help tells more."]
    if arguments and arguments[0] in ("-h", "--help"):
        print("\n".join(lines))
        return 0
    if arguments:
        lines.insert(0, "deploy: {}: there is no such command".format(ascii(arguments[0])))
    print("\n".join(lines), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
