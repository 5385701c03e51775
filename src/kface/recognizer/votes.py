"""Who a track is: the views of a face vote, each with the weight of its size and sharpness."""

from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from kface.recognizer.operating_point import UNDECIDED, UNKNOWN, OperatingPoint
from kface.verification.scores import FAILED

#: A person needs more than this share of the weight.
MAJORITY = 0.5


#: What a gallery says about an embedding: the name of the most similar person (None without people), and the cosine.
BestMatch = Tuple[Optional[str], float]


class Vote(NamedTuple):
    """What the gallery says about one view.

    Attributes:
        name: The most similar person; None for an empty gallery.
        score: Cosine with that person's template.
        weight: See :attr:`kface.recognizer.views.FaceView.weight`.
    """

    name: Optional[str]
    score: float
    weight: float


class Identity(NamedTuple):
    """Who a face is.

    Attributes:
        state: "recognised", "undecided" or "unknown".
        name: The person where recognised, the candidate (or None) where undecided, None where unknown.
        score: Weighted mean of the cosines of the votes that agree; -2 without any vote.
        share: Their part of the weight, from 0 to 1.
        votes: How many views have voted.
    """

    state: str
    name: Optional[str]
    score: float
    share: float
    votes: int


def side(vote: Vote, point: OperatingPoint) -> Optional[str]:
    """Return the person that a vote is for; None below the lower threshold."""
    return vote.name if point.state(vote.score) != UNKNOWN else None


def count(votes: Sequence[Vote], point: OperatingPoint, least: int = 1) -> Identity:
    """Count votes.

    A vote below the lower threshold counts as "no match". The side with the most weight wins; its person is recognised if it
    has the majority and the mean of its cosines reaches the upper threshold.

    Args:
        votes: In any order.
        point: The thresholds.
        least: With fewer votes nothing is decided.
    """
    if not votes:
        return Identity(UNDECIDED, None, FAILED, 0.0, 0)
    weights: Dict[Optional[str], float] = {}
    scores: Dict[Optional[str], float] = {}
    for vote in votes:
        whose = side(vote, point)
        weights[whose] = weights.get(whose, 0.0) + vote.weight
        scores[whose] = scores.get(whose, 0.0) + vote.weight * vote.score
    winner = max(weights, key=lambda whose: weights[whose])
    share = weights[winner] / sum(weights.values())
    score = scores[winner] / weights[winner]
    state = UNKNOWN if winner is None else point.state(score)
    if len(votes) < least or share <= MAJORITY:
        state = UNDECIDED
    return Identity(state, winner, score, share, len(votes))
