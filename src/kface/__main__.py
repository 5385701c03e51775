"""``python -m kface COMMAND``: the same as ``kface COMMAND``."""

import sys

from kface.commands import main

if __name__ == "__main__":
    sys.exit(main())
