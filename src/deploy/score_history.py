"""The scores of those who were seen lately, so that a threshold can be chosen by what the camera really shows."""

import collections
import threading
from typing import List, NamedTuple, Optional, Tuple

from kface.recognizer import Identity, Result

#: Tracks (without tracks: faces) that are kept.
KEPT = 500


class SeenScore(NamedTuple):
    """How alike someone in the picture and the person most like them were.

    Attributes:
        score: Weighted mean cosine of the track's views.
        state: What was decided: "recognised", "undecided" or "unknown".
        name: The person, as far as one was named.
    """

    score: float
    state: str
    name: Optional[str]


class ScoreHistory(object):
    """The newest score of each of the last tracks: who stands in the picture for an hour counts once. For any threads.

    Args:
        kept: Tracks to keep.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._seen = collections.OrderedDict()  # type: collections.OrderedDict[Tuple[int, int], SeenScore]
        self._lock = threading.Lock()
        self._turn = 0
        self._alone = 0

    def take(self, result: Result) -> None:
        """Note the scores of a result; faces whose track has not voted yet have none."""
        with self._lock:
            for number, identity in zip(result.ids, result.identities):
                if identity.score < -1:
                    continue
                if number is None:
                    self._alone += 1
                self._put((self._turn, -self._alone if number is None else number), identity)

    def turn_over(self) -> None:
        """Tracks are numbered from the beginning again."""
        with self._lock:
            self._turn += 1

    def clear(self) -> None:
        """Forget everything: scores of another model are not comparable."""
        with self._lock:
            self._seen.clear()
            self._turn += 1

    def scores(self) -> List[SeenScore]:
        """Return the scores, the oldest first."""
        with self._lock:
            return list(self._seen.values())

    def _put(self, key: Tuple[int, int], identity: Identity) -> None:
        self._seen.pop(key, None)
        self._seen[key] = SeenScore(float(identity.score), identity.state, identity.name)
        while len(self._seen) > self._kept:
            self._seen.popitem(last=False)
