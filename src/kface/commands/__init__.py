"""``kface COMMAND``: one command for all stages, on a workstation and on a board."""

from kface.commands.dispatch import main

__all__ = ["main"]
