"""Divides people into training and test, and thins out the captures of each."""

import hashlib
import itertools
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.data.layout import Capture
from kface.data.protocols.tables import TEST_SUBJECTS
from kface.errors import ProtocolError


class Split(NamedTuple):
    """Identities by their use; nobody is in both.

    Attributes:
        train: Sorted identities.
        test: Sorted identities.
    """

    train: Tuple[str, ...]
    test: Tuple[str, ...]

    def of(self, subject: str) -> Optional[str]:
        """Return "train", "test" or None."""
        return "train" if subject in self.train else "test" if subject in self.test else None


def split(
    subjects: Iterable[str],
    test: Union[float, int, Sequence[str]] = 0.25,
    seed: int = 0,
    published: bool = True,
    identities: Optional[int] = None,
) -> Split:
    """Divide identities into training and test.

    The draw depends on the seed and each name alone: adding a person to a corpus moves no other in the ranking.

    Args:
        subjects: The identities.
        test: Which share of them tests (a float below 1), how many (an int), or which.
        seed: Of the draw.
        published: Whether the 30 published identities test, whatever `test` says, where the corpus holds them all.
        identities: Use at most so many; those that test first, then the best ranked.

    Raises:
        ProtocolError: Either part would be empty, or an identity named is not there.
    """
    ranked = sorted(set(subjects), key=lambda subject: (_rank(seed, subject), subject))
    held = set(ranked)
    if not isinstance(test, (int, float)):
        chosen = set(test)
        missing = sorted(chosen - held)
        if missing:
            raise ProtocolError("{} of the test identities are not in the corpus".format(len(missing)), missing[0])
    elif published and held.issuperset(TEST_SUBJECTS):
        chosen = set(TEST_SUBJECTS)
    else:
        if identities is not None:
            ranked = ranked[:identities]
        count = test if isinstance(test, int) else round(test * len(ranked))
        if isinstance(test, float) and 0 < test < 1:
            count = min(max(count, 1), len(ranked) - 1)
        if not 0 < count < len(ranked):
            raise ProtocolError(
                "{} {} cannot be split into some to train on and {} to test".format(
                    len(ranked), "person" if len(ranked) == 1 else "people", test
                ),
                "protocol.test",
                "two people at least are needed; give a share between 0 and 1, or a smaller number",
            )
        chosen = set(ranked[:count])
    rest = [subject for subject in ranked if subject not in chosen]
    if identities is not None:
        rest = rest[: max(identities - len(chosen), 0)]
    if not rest or not chosen:
        raise ProtocolError("of {} identities {} are left to train".format(len(held), len(rest)))
    return Split(tuple(sorted(rest)), tuple(sorted(chosen)))


def select(captures: Iterable[Capture], max_per_identity: Optional[int] = None, seed: int = 0) -> Iterator[Capture]:
    """Keep at most so many captures of each identity, spread evenly over the conditions; streaming.

    Each capture is taken where its accessory, light, expression and camera have been taken least so far. Only one
    identity's captures are in memory, so they must come one identity after the other, as a walk yields them.

    Args:
        captures: Grouped by identity.
        max_per_identity: The cap, or None for none.
        seed: Of the draw.

    Yields:
        The captures kept, in the order they came.

    Raises:
        ProtocolError: The cap is less than 1.
    """
    if max_per_identity is not None and max_per_identity < 1:
        raise ProtocolError("must be at least 1, not {}".format(max_per_identity), "max_per_identity")
    for subject, group in itertools.groupby(captures, key=lambda capture: capture.subject):
        if max_per_identity is None:
            for capture in group:
                yield capture
            continue
        held = list(group)
        for index in spread(held, max_per_identity, "{}:{}".format(seed, subject)):
            yield held[index]


def spread(captures: Sequence[Capture], count: int, key: str) -> List[int]:
    """Return the sorted indices of `count` captures, spread evenly over the four conditions.

    Args:
        captures: Where to choose from.
        count: How many; all where there are fewer.
        key: Decides between equally good ones.
    """
    if count >= len(captures):
        return list(range(len(captures)))
    # Not numpy's generators: their streams differ between versions, and a selection must not.
    order = sorted(range(len(captures)), key=lambda index: _rank(key, captures[index].path()))
    conditions = np.array([captures[index][1:5] for index in order])
    codes: List[np.ndarray] = []
    for column in conditions.T:
        values, code = np.unique(column, return_inverse=True)
        if len(values) > 1:
            codes.append(code)
    use = np.zeros(len(order), np.float64)
    members = [
        [(np.flatnonzero(code == value), float(code.max() + 1)) for value in range(int(code.max()) + 1)]
        for code in codes
    ]
    chosen: List[int] = []
    for _ in range(count):
        best = int(np.argmin(use))
        chosen.append(order[best])
        use[best] = np.inf
        for code, rows in zip(codes, members):
            row, weight = rows[code[best]]
            use[row] += weight
    return sorted(chosen)


def _rank(seed: object, name: str) -> bytes:
    return hashlib.sha256("{}:{}".format(seed, name).encode("utf-8", "surrogateescape")).digest()
