"""The test sets that the settings of ``train``, ``evaluate`` and ``export`` name: checked beforehand, then loaded."""

from collections.abc import Iterator

import numpy as np

from kface.data.dataset import DatasetManifest, read_captures
from kface.data.testsets import PHOTOGRAPH_SETS, TestSet
from kface.data.testsets.kface_pairs import choose, distinct, people_of
from kface.data.testsets.kface_protocols import OwnSets, own_sets, protocol_pairs
from kface.errors import ConfigError, KFaceError
from kface.evaluation.settings import EvaluateSettings
from kface.verification import verify


def check_testsets(settings: EvaluateSettings) -> None:
    """Load each test set of photographs as the evaluation will, and discard it, so that its errors come before the training.

    Detected faces stay in the cache for the evaluation.

    Raises:
        KFaceError: A test set cannot be loaded, or lacks genuine or impostor pairs.
    """
    for testset in _photographs(settings):
        check_set(testset.pairs, testset.people, testset.folds, testset.title)


def check_own_set(settings: EvaluateSettings, manifest: DatasetManifest) -> None:
    """Choose the pairs of the data set's test people as the evaluation will, without reading the images.

    Raises:
        ConfigError: The test people make no genuine pairs, or no impostor pairs.
        ProtocolError: A file of pairs names an image that does not exist.
    """
    pairs = own_pairs(settings, manifest)
    if pairs is None and not settings.protocols:
        return
    captures = distinct(read_captures(manifest, "test"))
    chosen = {} if pairs is None else {"the test people": choose(manifest, captures, pairs, settings.seed)}
    for each in protocol_pairs(manifest, captures, settings.protocols, settings.pair_lists, settings.seed):
        chosen[each.name.upper()] = each.chosen
    for title, one in chosen.items():
        check_set(one.pairs, people_of([*captures, *one.refused]), None, title)


def check_set(pairs: np.ndarray, people: np.ndarray, folds: np.ndarray | None, title: str) -> None:
    """Verify with random scores; raises ConfigError, with the set's title, where the verification lacks something."""
    who = people[pairs]
    scores = np.random.default_rng(0).uniform(-1, 1, len(pairs))
    try:
        verify(scores, who[:, 0] == who[:, 1], who, folds, replicates=0)
    except KFaceError as error:
        raise ConfigError(
            f"cannot be verified: {error.what}", title, "give more pictures or people, or leave this test set out"
        )


def own_pairs(settings: EvaluateSettings, manifest: DatasetManifest) -> int | str | None:
    """Return how many pairs of the test people are verified, or the file of pairs, or None for no such pairs.

    Where the images make fewer pairs than ``evaluate.pairs`` asks for, all of them are used (half genuine), and a note is
    printed.

    Raises:
        ConfigError: They make no genuine pairs, or no impostor pairs.
    """
    asked = settings.pairs
    if asked is None or isinstance(asked, str):
        return asked
    sizes: dict[str, int] = {}
    for shard in manifest.of("test"):
        sizes[shard.subject] = sizes.get(shard.subject, 0) + shard.images
    images = sum(sizes.values())
    genuine = sum(size * (size - 1) // 2 for size in sizes.values())
    impostor = (images**2 - sum(size**2 for size in sizes.values())) // 2
    if not genuine or not impostor:
        remedy = (
            "use more test people, with protocol.test=N" if genuine else "give at least two pictures of each person"
        )
        raise ConfigError(
            f"{images} pictures of {len(sizes)} test people make {genuine} genuine and {impostor} impostor pairs",
            "evaluate.pairs",
            f"{remedy}, or skip these pairs with evaluate.pairs=null",
        )
    possible = 2 * min(genuine, impostor)
    if asked > possible:
        print(
            f"note: {images} pictures of {len(sizes)} test people make {possible} pairs, half of them genuine; "
            f"evaluate.pairs asks for {asked}",
            flush=True,
        )
    return min(asked, possible)


def own(settings: EvaluateSettings, manifest: DatasetManifest) -> OwnSets:
    """Load the data set's own test sets, and the images to compare by condition."""
    conditions = settings.conditions and manifest.source.get("layout", "kface") == "kface"
    return own_sets(
        manifest,
        own_pairs(settings, manifest),
        settings.protocols,
        settings.pair_lists,
        conditions,
        settings.seed,
    )


def photographs(settings: EvaluateSettings) -> list[TestSet]:
    """Load the test sets of photographs that the settings name."""
    return list(_photographs(settings))


def _photographs(settings: EvaluateSettings) -> Iterator[TestSet]:
    cache = settings.data_dir / "faces"
    for key, known in PHOTOGRAPH_SETS.items():
        if key in settings.sets:
            yield known.load(settings.sets[key], cache, settings.progress, settings.brighten)
