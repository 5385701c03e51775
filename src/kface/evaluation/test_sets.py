"""The test sets that the settings of ``train``, ``evaluate`` and ``export`` name: checked beforehand, then loaded."""

from collections.abc import Iterator

import numpy as np

from kface.data.dataset import DatasetManifest, read_captures
from kface.data.testsets import TestSet, bin_set, cfp_set, kface_set, lfw_set
from kface.data.testsets.kface_pairs import choose
from kface.errors import ConfigError, KFaceError
from kface.evaluation.settings import EvaluateSettings
from kface.progress import Progress
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
    if pairs is None:
        return
    rows, people = choose(manifest, read_captures(manifest, "test"), pairs, settings.seed)
    check_set(rows, people, None, "the test people")


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


def testsets(settings: EvaluateSettings, manifest: DatasetManifest) -> list[TestSet]:
    """Load the data set's own test set, and the test sets of photographs that the settings name."""
    pairs = own_pairs(settings, manifest)
    own = [] if pairs is None else [kface_set(manifest, pairs, settings.seed)]
    return [*own, *photographs(settings)]


def photographs(settings: EvaluateSettings) -> list[TestSet]:
    """Load the test sets of photographs that the settings name."""
    return list(_photographs(settings))


def _photographs(settings: EvaluateSettings) -> Iterator[TestSet]:
    cache = settings.data_dir / "faces"
    if settings.lfw is not None:
        yield lfw_set(settings.lfw, cache, settings.progress, settings.brighten)
    for path, key, title in ((settings.agedb30, "agedb30", "AgeDB-30"), (settings.cfp_fp, "cfp_fp", "CFP-FP")):
        if path is None:
            continue
        if path.is_dir() and key == "cfp_fp":
            yield cfp_set(path, cache, settings.progress, settings.brighten)
        else:
            with Progress(None, f"{title}: decoding", enabled=settings.progress):
                loaded = bin_set(path, key, title)
            yield loaded
