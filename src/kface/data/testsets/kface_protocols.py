"""Q1-Q4 of mixface on the test people of a K-Face data set, and the images of the comparison by condition."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.data.dataset import DatasetManifest, read_captures
from kface.data.layout import Capture
from kface.data.protocols import get, make_pairs, read_pairs, spread
from kface.data.testsets import kface_pairs
from kface.data.testsets.base import TestSet
from kface.data.testsets.kface_pairs import Chosen
from kface.data.testsets.references import references
from kface.errors import ConfigError, ProtocolError

#: Images that are compared by condition at most; all of a person's images where they are fewer.
MOST_BY_CONDITION = 20_000


class ConditionFaces(NamedTuple):
    """The images that are compared by condition.

    Attributes:
        title: Their name for the reader.
        images: uint8 (n, 112, 112, 3), RGB.
        captures: Their conditions.
        synthetic: Whether they are of the synthetic sample.
    """

    title: str
    images: np.ndarray
    captures: tuple[Capture, ...]
    synthetic: bool


class OwnSets(NamedTuple):
    """What a data set's own test people are verified on.

    Attributes:
        sets: The test sets; they share their images.
        conditions: The images that are compared by condition; None where that is not wanted or the corpus has no conditions.
    """

    sets: tuple[TestSet, ...] = ()
    conditions: ConditionFaces | None = None


class ProtocolPairs(NamedTuple):
    """The pairs of one of Q1-Q4; `asked` is how many the protocol wants."""

    name: str
    chosen: Chosen
    asked: int

    @property
    def note(self) -> str:
        """What is missing; empty where nothing is."""
        found = len(self.chosen.pairs)
        return "" if found >= self.asked else f"{found:,} pairs: the images do not make {self.asked:,}"


def own_sets(
    manifest: DatasetManifest,
    pairs: int | str | None,
    protocols: Sequence[str] = (),
    lists: Path | None = None,
    conditions: bool = False,
    seed: int = 0,
) -> OwnSets:
    """Return the test sets of a data set's test people; each image is loaded once.

    Args:
        manifest: The data set.
        pairs: As for :func:`~kface.data.testsets.kface_pairs.kface_set`; None for no such set.
        protocols: Of "q1" to "q4".
        lists: A folder with published lists ``Q1.txt`` to ``Q4.txt``; None to draw the pairs.
        conditions: Whether the images are to be compared by condition.
        seed: Of the draws.

    Raises:
        ConfigError: Protocols are wanted of a corpus without conditions.
        ProtocolError: The images make no pairs, or a list names images that do not exist.
    """
    if pairs is None and not protocols and not conditions:
        return OwnSets()
    captures = kface_pairs.distinct(read_captures(manifest, "test"))
    wanted: dict[str, tuple[Chosen, str]] = {}
    if pairs is not None:
        wanted["kface"] = (kface_pairs.choose(manifest, captures, pairs, seed), "")
    for each in protocol_pairs(manifest, captures, protocols, lists, seed):
        wanted[each.name] = (each.chosen, each.note)
    none = np.zeros(0, np.int64)
    # By condition, and in 1:N, all of a person's images are used.
    spread_out = _compared(captures, seed) if conditions or pairs is not None else none
    compared = spread_out if conditions else none
    used = [np.unique(chosen.pairs[chosen.pairs < len(captures)]) for chosen, _ in wanted.values()]
    needed = np.unique(np.concatenate([spread_out, *used]))
    images = kface_pairs.read_some(manifest, needed)
    kept = [captures[number] for number in needed]
    sets = tuple(
        kface_pairs.made(
            manifest, name, _title(manifest, name), images, kept, _renumbered(chosen, needed, len(captures)), note
        )
        for name, (chosen, note) in wanted.items()
    )
    by_condition = None
    if len(compared):
        some = np.searchsorted(needed, compared)
        shown = images if len(some) == len(images) else images[some]
        by_condition = ConditionFaces(
            kface_pairs.title_of(manifest),
            shown,
            tuple(captures[number] for number in compared),
            bool(manifest.source.get("synthetic")),
        )
    return OwnSets(sets, by_condition)


def protocol_pairs(
    manifest: DatasetManifest, captures: Sequence[Capture], protocols: Sequence[str], lists: Path | None, seed: int
) -> list[ProtocolPairs]:
    """Return the pairs of Q1-Q4: of the published lists, else drawn, as many as the images make.

    Raises:
        ConfigError: The corpus has no conditions, or a list does not exist.
        ProtocolError: The images make no pairs, or a list names images that do not exist.
    """
    if protocols and manifest.source.get("layout", "kface") != "kface":
        raise ConfigError(
            "are pairs of K-Face's conditions, which this data set does not have", "evaluate.protocols", "remove it"
        )
    found = []
    for name in protocols:
        protocol = get(name)
        asked = protocol.pair_count(0)
        if lists is not None:
            pairs = read_pairs(_list(lists, name))
            found.append(ProtocolPairs(name, kface_pairs.numbered(manifest, captures, pairs), len(pairs)))
            continue
        # mixface's list has high resolution only; a data set of another resolution is taken as it is.
        conditions = protocol.conditions._replace(resolutions=None)
        fitting = [capture for capture in captures if conditions.admits(capture)]
        most = 2 * min(_possible(fitting))
        if not most:
            raise ProtocolError(
                f"the data set has {len(fitting)} images of test people under its conditions, which make no pairs",
                name.upper(),
                "leave it out of evaluate.protocols, or build the data set with more conditions",
            )
        drawn = make_pairs(fitting, min(asked, most), seed, manifest.subjects("train"), protocol.differ)
        found.append(ProtocolPairs(name, kface_pairs.numbered(manifest, captures, drawn), asked))
    return found


def _possible(captures: Sequence[Capture]) -> tuple[int, int]:
    """Return how many genuine and impostor pairs some images make."""
    sizes: dict[str, int] = {}
    for capture in captures:
        sizes[capture.subject] = sizes.get(capture.subject, 0) + 1
    squares = sum(size * size for size in sizes.values())
    return (squares - len(captures)) // 2, (len(captures) ** 2 - squares) // 2


def _list(folder: Path, name: str) -> Path:
    for path in sorted(folder.glob("*")):
        if path.name.lower() == f"{name}.txt":
            return path
    raise ConfigError(
        f"contains no {name.upper()}.txt", f"evaluate.pair_lists={folder}", "add the list, or draw the pairs"
    )


def _title(manifest: DatasetManifest, name: str) -> str:
    title = kface_pairs.title_of(manifest)
    return title if name == "kface" else f"{title} {name.upper()}"


def _compared(captures: Sequence[Capture], seed: int) -> np.ndarray:
    """Return the numbers of the images to compare by condition: all, or as many of each person spread over the conditions."""
    if len(captures) <= MOST_BY_CONDITION:
        return np.arange(len(captures))
    by_person: dict[str, list[int]] = {}
    for number, capture in enumerate(captures):
        by_person.setdefault(capture.subject, []).append(number)
    each = max(MOST_BY_CONDITION // len(by_person), 1)
    found = []
    for subject, own in by_person.items():
        found += [own[place] for place in spread([captures[number] for number in own], each, f"{seed}:{subject}")]
    found += references(captures).values()
    return np.unique(np.array(found, np.int64))


def _renumbered(chosen: Chosen, needed: np.ndarray, count: int) -> Chosen:
    """Return pairs as numbers of the loaded images; refused captures follow them."""
    pairs = chosen.pairs
    return Chosen(
        np.where(pairs < count, np.searchsorted(needed, np.minimum(pairs, count - 1)), pairs - count + len(needed)),
        chosen.refused,
    )
