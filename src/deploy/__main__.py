"""``python -m deploy COMMAND``: the commands of this package, as ``kface COMMAND`` runs them."""

import sys
from typing import List, Optional

from kface.commands import dispatch, table

#: What this package has, by its names here.
COMMANDS = {"run": "deploy"}
COMMANDS.update({name: name for name, command in table.COMMANDS.items() if command.module.startswith("deploy.")})


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command that the first argument names and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        return dispatch.run(COMMANDS[arguments[0]], arguments[1:])
    if arguments and arguments[0] not in ("-h", "--help"):
        return dispatch.refuse("deploy: {}".format(arguments[0]), dispatch.unknown(arguments[0], sorted(COMMANDS)))
    return dispatch.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
