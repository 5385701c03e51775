"""Verification pairs: drawn evenly over people, or read from a published list."""

import os
import random
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from kface.data.layout import Capture, parse
from kface.errors import LayoutError, ProtocolError
from kface.files import read_lines, write_atomic

PathLike = Union[str, "os.PathLike[str]"]

# Draws before the pairs that are still free are listed one by one.
_TRIES = 64


class Pair(NamedTuple):
    """Two images, and whether they show the same person."""

    a: Capture
    b: Capture
    genuine: bool


def make_pairs(
    captures: Iterable[Capture], count: int, seed: int = 0, train: Iterable[str] = (), differ: bool = False
) -> List[Pair]:
    """Draw verification pairs, half of them genuine, without repetition.

    Genuine pairs are spread evenly over the people, impostor pairs over the couples of people, as far as the images
    allow. The two kinds alternate, so that every run of them is balanced.

    Args:
        captures: The images to pair; their order does not matter.
        count: Number of pairs; of an odd number one more is genuine.
        seed: Of the draw.
        train: Identities of the training, which must not occur.
        differ: Prefer pairs that differ in every condition that varies (accessory, light, expression, camera), which is
            how mixface drew Q1-Q4; where no such pair is left, any other is used.

    Raises:
        ProtocolError: An identity also trains, or the images are too few for this number of pairs.
    """
    by_subject: Dict[str, List[Capture]] = {}
    for capture in sorted(set(captures)):
        by_subject.setdefault(capture.subject, []).append(capture)
    seen = sorted(set(train) & set(by_subject))
    if seen:
        raise ProtocolError("{} people of the pairs also train".format(len(seen)), seen[0], "pair unseen people only")
    n_genuine, n_impostor = count - count // 2, count // 2
    sizes = [len(images) for images in by_subject.values()]
    genuine_there = sum(size * (size - 1) // 2 for size in sizes)
    impostor_there = (sum(sizes) ** 2 - sum(size * size for size in sizes)) // 2
    if count < 1 or n_genuine > genuine_there or n_impostor > impostor_there:
        raise ProtocolError(
            "{} people with {} images give {} genuine and {} impostor pairs, not the requested {} and {}".format(
                len(sizes), sum(sizes), genuine_there, impostor_there, n_genuine, n_impostor
            ),
            remedy="ask for fewer pairs or keep more images",
        )
    rng = random.Random(seed)
    differs = _differs(by_subject) if differ else None
    genuine = _genuine(by_subject, n_genuine, rng, differs)
    impostor = _impostor(by_subject, n_impostor, rng, differs)
    mixed: List[Pair] = []
    for index in range(n_genuine):
        mixed.append(genuine[index])
        mixed.extend(impostor[index : index + 1])
    return mixed


def read_pairs(path: PathLike) -> List[Pair]:
    """Read a list of pairs in mixface's format: ``ID/S001/L1/E01/C4.jpg ID/S001/L1/E01/C10.jpg 1`` a line.

    Raises:
        ProtocolError: The file cannot be read or is empty, or a line (named) is malformed or contradicts itself.
    """
    pairs: List[Pair] = []
    try:
        lines = read_lines(path)
    except OSError as error:
        raise ProtocolError("cannot be read ({})".format(error.strerror or error), path)
    except ValueError:
        raise ProtocolError("is not a text file", path, "save it as UTF-8")
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        where = "{}, line {}".format(os.fspath(path), number)
        if len(fields) != 3 or fields[2] not in ("0", "1"):
            raise ProtocolError("is not two paths and a 0 or 1", where)
        try:
            a, b = parse(fields[0]), parse(fields[1])
        except LayoutError as error:
            raise ProtocolError(str(error), where)
        if (a.subject == b.subject) != (fields[2] == "1"):
            raise ProtocolError("has label {} for identities {} and {}".format(fields[2], a.subject, b.subject), where)
        pairs.append(Pair(a, b, fields[2] == "1"))
    if not pairs:
        raise ProtocolError("contains no pairs", path)
    return pairs


def write_pairs(path: PathLike, pairs: Iterable[Pair]) -> None:
    """Write a list of pairs in mixface's format, atomically; the resolution is written where it is not "High"."""
    lines = ["{} {} {:d}\n".format(_written(pair.a), _written(pair.b), pair.genuine) for pair in pairs]
    write_atomic(path, "".join(lines).encode("utf-8"))


def _written(capture: Capture) -> str:
    return capture.short_path() if capture.resolution == "High" else capture.path()


Differs = Optional[Callable[[Capture, Capture], bool]]


def _differs(by_subject: Dict[str, List[Capture]]) -> Differs:
    """Return a test whether two captures differ in every condition that varies."""
    varying: List[int] = []
    for field in range(1, 5):
        if len({capture[field] for images in by_subject.values() for capture in images}) > 1:
            varying.append(field)
    return lambda a, b: all(a[field] != b[field] for field in varying)


def _genuine(by_subject: Dict[str, List[Capture]], count: int, rng: random.Random, differs: Differs) -> List[Pair]:
    left = {subject: len(images) * (len(images) - 1) // 2 for subject, images in by_subject.items()}
    used: Dict[str, Set[Tuple[int, int]]] = {subject: set() for subject in by_subject}
    pairs: List[Pair] = []
    while len(pairs) < count:
        people = [subject for subject in by_subject if left[subject]]
        rng.shuffle(people)
        for subject in people[: count - len(pairs)]:
            images = by_subject[subject]
            i, j = _fresh(images, images, used[subject], rng, differs)
            left[subject] -= 1
            pairs.append(Pair(images[i], images[j], True))
    return pairs


def _impostor(by_subject: Dict[str, List[Capture]], count: int, rng: random.Random, differs: Differs) -> List[Pair]:
    people = list(by_subject)
    used: Dict[Tuple[str, str], Set[Tuple[int, int]]] = {}
    pairs: List[Pair] = []
    while len(pairs) < count:
        rng.shuffle(people)
        # As in a round-robin tournament: at each distance around the table every person meets two others.
        for distance in range(1, len(people) // 2 + 1):
            meetings = len(people) // 2 if 2 * distance == len(people) else len(people)
            for place in range(meetings):
                if len(pairs) == count:
                    return pairs
                p, q = sorted((people[place], people[(place + distance) % len(people)]))
                taken = used.setdefault((p, q), set())
                if len(taken) < len(by_subject[p]) * len(by_subject[q]):
                    i, j = _fresh(by_subject[p], by_subject[q], taken, rng, differs)
                    pairs.append(Pair(by_subject[p][i], by_subject[q][j], False))
    return pairs


def _fresh(
    a: Sequence[Capture],
    b: Sequence[Capture],
    used: Set[Tuple[int, int]],
    rng: random.Random,
    differs: Differs,
) -> Tuple[int, int]:
    """Draw an unused pair of indices and mark it as used; an unused pair must exist."""
    same = a is b
    spare: Optional[Tuple[int, int]] = None
    for _ in range(_TRIES):
        i, j = rng.randrange(len(a)), rng.randrange(len(b))
        if same and i > j:
            i, j = j, i
        if (same and i == j) or (i, j) in used:
            continue
        if differs is None or differs(a[i], b[j]):
            used.add((i, j))
            return i, j
        spare = spare or (i, j)
    if spare is None:
        free = [(i, j) for i in range(len(a)) for j in range(i + 1 if same else 0, len(b)) if (i, j) not in used]
        spare = rng.choice(free)
    used.add(spare)
    return spare
