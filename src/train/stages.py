"""What the stages ``train``, ``evaluate`` and ``export`` share: test sets by configuration, and the verification of a run.

Keras is imported where a network of ours is verified, and nowhere else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from kface.data.dataset import Manifest, read_captures
from kface.data.protocols import read_pairs
from kface.data.testsets import TestSet, bin_set, cfp_set, kface_set, lfw_set
from kface.data.testsets.kface_pairs import choose
from kface.errors import ConfigError, KFaceError, TrainingError
from kface.evaluation import table5
from kface.evaluation.evaluate import evaluate
from kface.mtcnn import settings as cascade
from kface.progress import Progress
from kface.verification import verify
from train.settings import flag, whole

#: Draws of people for an interval: more change no digit that is shown.
MOST_DRAWS = 100_000


def check_evaluation(settings: Any) -> None:
    """Find out before the training whether what is said about the evaluation makes sense.

    Raises:
        ConfigError: A path is absent, or a value is out of its range.
        ProtocolError: A file of pairs is damaged.
    """
    for key in ("lfw", "agedb30", "cfp_fp"):
        path = settings[key]
        if path is None or path == "":
            continue
        if not isinstance(path, str):
            raise ConfigError(f"must be a path, not {path!r}", f"evaluate.{key}")
        if not Path(path).expanduser().exists():
            raise ConfigError(
                "there is no such file or directory", f"evaluate.{key}={path}", "mend the path or leave it out"
            )
    if isinstance(settings.pairs, str):
        if not Path(settings.pairs).is_file():
            raise ConfigError("there is no such file", f"evaluate.pairs={settings.pairs}")
        read_pairs(settings.pairs)
    elif settings.pairs is not None:
        whole("evaluate.pairs", settings.pairs, 2, remedy="give a number of pairs, a file of pairs, or null for none")
    whole("evaluate.bootstrap", settings.bootstrap, 0, MOST_DRAWS)
    for key in ("mirror", "before"):
        if key in settings:
            flag(f"evaluate.{key}", settings[key])
    ways_to_brighten(settings)


def ways_to_brighten(settings: Any) -> tuple[str, ...]:
    """Return how photographs without a face are looked at again; a recipe from before the setting has the default.

    Raises:
        ConfigError: There is no such way.
    """
    return cascade.brighten(settings.get("brighten", cascade.BRIGHTEN), "evaluate.")


def check_testsets(config: Any) -> None:
    """Load each test set of photographs as the evaluation will, and drop it; what can be refused is refused now.

    Faces that were detected are kept for the evaluation.

    Raises:
        KFaceError: A test set cannot be loaded, or lacks genuine or impostor pairs.
    """
    for testset in _photographs(config):
        check_set(testset.pairs, testset.people, testset.folds, testset.title)


def check_own_set(config: Any, manifest: Manifest) -> None:
    """Choose the pairs of the data set's unseen people as the evaluation will, without reading the images.

    Raises:
        ConfigError: The people who test make no pairs of both kinds.
        ProtocolError: A file of pairs names an image that is not there.
    """
    pairs = own_pairs(config, manifest)
    if pairs is None:
        return
    rows, people = choose(manifest, read_captures(manifest, "test"), pairs, config.seed)
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


def own_pairs(config: Any, manifest: Manifest) -> int | str | None:
    """Return how many pairs of the people who test are verified, or the file of pairs, or None for no such pairs.

    Where the images make fewer pairs than were asked for, those that there are are taken, half of them genuine, and a line
    says so.

    Raises:
        ConfigError: They make no genuine pairs, or no impostor pairs.
    """
    asked = config.evaluate.pairs
    if asked is None or isinstance(asked, str):
        return None if asked is None else str(asked)
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
    return min(int(asked), there)


def testsets(config: Any, manifest: Manifest) -> list[TestSet]:
    """Load the data set's own test set, and those that the configuration names."""
    pairs = own_pairs(config, manifest)
    own = [] if pairs is None else [kface_set(manifest, pairs, config.seed)]
    return [*own, *photographs(config)]


def photographs(config: Any) -> list[TestSet]:
    """Load the test sets of photographs that the configuration names."""
    return list(_photographs(config))


def _photographs(config: Any) -> Iterator[TestSet]:
    settings = config.evaluate
    cache = Path(config.data_dir) / "faces"
    ways = ways_to_brighten(settings)
    for key, title in (("lfw", "LFW"), ("agedb30", "AgeDB-30"), ("cfp_fp", "CFP-FP")):
        if not settings[key]:
            continue
        path = Path(settings[key]).expanduser()
        if key == "lfw":
            yield lfw_set(path, cache, config.progress, ways)
        elif path.is_dir() and key == "cfp_fp":
            yield cfp_set(path, cache, config.progress, ways)
        else:
            with Progress(None, f"{title}: decoding", enabled=config.progress):
                loaded = bin_set(path, key, title)
            yield loaded


def verify_run(config: Any, run_dir: Path, manifest: Manifest, about: dict[str, Any]) -> str:
    """Verify a trained run, write its report and return its row of Table 5."""
    from train.fit import Embedder, load_backbone

    network = load_backbone(run_dir)
    mirror = bool(config.evaluate.mirror)
    before = None
    if config.evaluate.before:
        before = Embedder(untrained(about["backbone_arguments"], about["seed"], run_dir), mirror=mirror)
    report = evaluate(
        Embedder(network, mirror=mirror),
        testsets(config, manifest),
        run_dir,
        about,
        before,
        config.evaluate.bootstrap,
        config.seed,
        config.progress,
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


def plain(node: DictConfig) -> dict[str, Any]:
    """Return a configuration node as a dictionary, interpolations resolved."""
    value = OmegaConf.to_container(node, resolve=True)
    if not isinstance(value, dict):
        raise ConfigError("must be a group of settings", str(node))
    return {str(key): item for key, item in value.items()}
