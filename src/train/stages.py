"""What the stages ``train``, ``evaluate`` and ``export`` share: test sets by their settings, and the verification of a run.

Keras is imported where a network of ours is verified, and nowhere else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kface.data.dataset import DatasetManifest as Manifest
from kface.data.dataset import read_captures
from kface.data.testsets import TestSet, bin_set, cfp_set, kface_set, lfw_set
from kface.data.testsets.kface_pairs import choose
from kface.errors import ConfigError, KFaceError, TrainingError
from kface.evaluation import table5
from kface.evaluation.evaluate import evaluate
from kface.evaluation.settings import EvaluateSettings
from kface.progress import Progress
from kface.verification import verify


def check_testsets(settings: EvaluateSettings) -> None:
    """Load each test set of photographs as the evaluation will, and drop it; what can be refused is refused now.

    Faces that were detected are kept for the evaluation.

    Raises:
        KFaceError: A test set cannot be loaded, or lacks genuine or impostor pairs.
    """
    for testset in _photographs(settings):
        check_set(testset.pairs, testset.people, testset.folds, testset.title)


def check_own_set(settings: EvaluateSettings, manifest: Manifest) -> None:
    """Choose the pairs of the data set's unseen people as the evaluation will, without reading the images.

    Raises:
        ConfigError: The people who test make no pairs of both kinds.
        ProtocolError: A file of pairs names an image that is not there.
    """
    pairs = own_pairs(settings, manifest)
    if pairs is None:
        return
    rows, people = choose(manifest, read_captures(manifest, "test"), pairs, settings.seed)
    check_set(rows, people, None, "the people who test")


def check_set(pairs: np.ndarray, people: np.ndarray, folds: np.ndarray | None, title: str) -> None:
    """Verify with random scores: whatever the verification needs of a set of pairs is there, or refused by name."""
    who = people[pairs]
    scores = np.random.default_rng(0).uniform(-1, 1, len(pairs))
    try:
        verify(scores, who[:, 0] == who[:, 1], who, folds, replicates=0)
    except KFaceError as error:
        raise ConfigError(
            f"cannot be verified: {error.what}", title, "give more pictures or people, or leave this test set out"
        )


def own_pairs(settings: EvaluateSettings, manifest: Manifest) -> int | str | None:
    """Return how many pairs of the people who test are verified, or the file of pairs, or None for no such pairs.

    Where the images make fewer pairs than were asked for, those that there are are taken, half of them genuine, and a line
    says so.

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
            "let more people test: protocol.test=N (a number of people)"
            if genuine
            else "give two pictures at least of each person"
        )
        raise ConfigError(
            f"{images} pictures of {len(sizes)} people who test make {genuine} genuine and {impostor} impostor pairs",
            "evaluate.pairs",
            f"{remedy}, or leave them out with evaluate.pairs=null",
        )
    there = 2 * min(genuine, impostor)
    if asked > there:
        print(
            f"note: {images} pictures of {len(sizes)} people who test make {there} pairs, half of them genuine; "
            f"evaluate.pairs asks for {asked}",
            flush=True,
        )
    return min(asked, there)


def testsets(settings: EvaluateSettings, manifest: Manifest) -> list[TestSet]:
    """Load the data set's own test set, and those of photographs that are given."""
    pairs = own_pairs(settings, manifest)
    own = [] if pairs is None else [kface_set(manifest, pairs, settings.seed)]
    return [*own, *photographs(settings)]


def photographs(settings: EvaluateSettings) -> list[TestSet]:
    """Load the test sets of photographs that are given."""
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


def verify_run(settings: EvaluateSettings, run_dir: Path, manifest: Manifest, about: dict[str, Any]) -> str:
    """Verify a trained run, write its report and return its row of Table 5."""
    from train.fit import Embedder, load_backbone

    network = load_backbone(run_dir)
    before = None
    if settings.before:
        before = Embedder(untrained(about["backbone_arguments"], about["seed"], run_dir), mirror=settings.mirror)
    report = evaluate(
        Embedder(network, mirror=settings.mirror),
        testsets(settings, manifest),
        run_dir,
        about,
        before,
        settings.bootstrap,
        settings.seed,
        settings.progress,
    )
    return table5.row(report)


def untrained(arguments: dict[str, Any], seed: int, run_dir: Path) -> Any:
    """Build the network that a run started from; raises TrainingError where its ``run.json`` is damaged."""
    import keras

    from train import backbones

    try:
        keras.utils.set_random_seed(seed)
        return backbones.build(**arguments)
    except (KFaceError, TypeError, ValueError) as error:
        raise TrainingError(f"its backbone cannot be built ({error})", run_dir / "run.json", "train again")
