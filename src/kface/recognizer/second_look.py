"""When a frame of a stream is looked at again on a brightened copy, within a budget of work. Pure logic, no pixels.

A copy costs about as much as the cascade itself. So a frame is looked at again only where something speaks for a face that was
not found: one that was followed has just been lost, or the frame is dark and shows no new face. Even then it happens every few
frames only, and its share of the work stays below a limit: an empty street, by day or by night, never costs double. Work is
counted in runs of the cascade, and not in seconds, so that a file is read alike on every machine and under every load.

A face that a copy has shown is followed on copies from then on, by O-Net alone, which costs less than the cascade that would
run for it otherwise; that searches for no other faces and has no limit here.
"""

from typing import Optional, Sequence

#: Frames from one look to the next, at least.
EVERY = 5
#: What looks at copies may take of the work of all frames.
SHARE = 0.2
#: What following the faces of a frame costs, in runs of the cascade; less than measured.
FOLLOWED = 0.1
#: A frame whose mean level is lower is dark: a picture of a lit room has about 100.
DARK = 60.0


class SecondLook(object):
    """Decides for each frame of a stream. For one thread.

    Args:
        ways: Ways to brighten, see :mod:`kface.mtcnn.brighten`. One is tried at a time: the next one the next time where it
            has shown nothing, the same where it has.
        every: Frames from one look to the next, at least.
        share: What looks may take of the work, from 0 to 1. The first one is free; work that was not done pays for one look
            later on, and not for more.
    """

    def __init__(self, ways: Sequence[str], every: int = EVERY, share: float = SHARE) -> None:
        self._ways = tuple(ways)
        self._every = every
        self._share = share
        self._turn = 0
        self._since = every
        # What the last look has left to be saved: below 0 until it is paid for.
        self._saved = 0.0
        self._looked = False

    def way(self, lost: bool, dark: bool, new: int) -> Optional[str]:
        """Return in which way to look at this frame again, or None; to be asked at most once a frame.

        Args:
            lost: Whether a face that was followed is not found any more, as far as it has not been given up.
            dark: Whether the frame is dark.
            new: How many faces were found that were not followed.
        """
        if not self._ways or self._since < self._every or not (lost or (dark and not new)):
            return None
        # The look itself is a part of the work as well; half a thousandth is for the sums' rounding.
        if self._looked and self._saved < 1 - self._share - 5e-4:
            return None
        return self._ways[self._turn % len(self._ways)]

    def looked(self, found: bool) -> None:
        """Record the result of a look: whether it has shown a face."""
        self._since = 0
        self._looked = True
        # Its own work counts as well.
        self._saved -= 1.0 - self._share
        if not found:
            self._turn += 1

    def frame(self, cascade: bool) -> None:
        """End a frame: whether the cascade ran on it."""
        self._since += 1
        self._saved = min(self._saved + self._share * (1.0 if cascade else FOLLOWED), 1.0)
