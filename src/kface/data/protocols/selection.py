"""Splits people into training and test, and selects captures of each."""

import hashlib
import itertools
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.data.layout import Capture
from kface.data.protocols.tables import TEST_SUBJECTS
from kface.errors import ProtocolError


class Split(NamedTuple):
    """Identities by their use; no identity is in both.

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
    """Split identities into training and test.

    The ranking depends only on the seed and each name: adding a person to a corpus does not change the order of the others.

    Args:
        subjects: The identities.
        test: Test identities: a fraction (a float below 1), a number (an int), or a list.
        seed: Seed of the draw.
        published: Whether to use the 30 published test identities instead of `test`, if the corpus contains them all.
        identities: Maximum number; test identities first, then by rank.

    Raises:
        ProtocolError: A part would be empty, or a named identity does not exist.
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
                "cannot split {} {} into training and {} for the test".format(
                    len(ranked), "person" if len(ranked) == 1 else "people", test
                ),
                "protocol.test",
                "at least two people are needed; give a fraction between 0 and 1, or a smaller number",
            )
        chosen = set(ranked[:count])
    rest = [subject for subject in ranked if subject not in chosen]
    if identities is not None:
        rest = rest[: max(identities - len(chosen), 0)]
    if not rest or not chosen:
        raise ProtocolError("{} identities leave {} for training".format(len(held), len(rest)))
    return Split(tuple(sorted(rest)), tuple(sorted(chosen)))


def select(captures: Iterable[Capture], max_per_identity: Optional[int] = None, seed: int = 0) -> Iterator[Capture]:
    """Limit the captures of each identity, spread evenly over the conditions, as a stream.

    Each next capture is the one whose accessory, light, expression and camera have been used least so far. Only one identity's
    captures are in memory, so they must be grouped by identity, as a walk yields them.

    Args:
        captures: Grouped by identity.
        max_per_identity: The limit, or None for none.
        seed: Seed of the draw.

    Yields:
        The selected captures, in their order.

    Raises:
        ProtocolError: The limit is less than 1.
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
        captures: The captures to choose from.
        count: Number to choose; all where there are fewer.
        key: Breaks ties.
    """
    if count >= len(captures):
        return list(range(len(captures)))
    # Not numpy's generators: their streams differ between versions, but a selection must not.
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
