"""What an output is."""

from typing import Sequence

from deploy.events import Event
from kface.recognizer import Result


class Output(object):
    """Takes each result with its events, in order and from one thread.

    Attributes:
        name: What to call it in an error: the file or directory.
    """

    name = ""

    def write(self, result: Result, events: Sequence[Event]) -> None:
        """Take a result, and what it meant; raises OSError or KFaceError where it cannot be written."""
        raise NotImplementedError

    def close(self, events: Sequence[Event]) -> None:
        """Finish, with the events of the stream's end; called once."""
