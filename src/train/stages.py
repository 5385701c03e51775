"""What the stages ``train`` and ``evaluate`` share: from configurations to objects, and the verification of a run."""

from pathlib import Path
from typing import Any

import keras
from omegaconf import DictConfig, OmegaConf

from kface.dataset import Manifest
from kface.errors import ConfigError
from train import backbones, table5
from train.evaluation import evaluate
from train.fit import Embedder, load_backbone
from train.testsets import TestSet, bin_set, cfp_set, kface_set, lfw_set


def check_evaluation(settings: Any) -> None:
    """Find out before the training whether the test sets can be loaded after it.

    Raises:
        ConfigError: A path is absent, or a number is out of its range.
    """
    for key in ("lfw", "agedb30", "cfp_fp"):
        path = settings[key]
        if path and not Path(path).expanduser().exists():
            raise ConfigError(
                "there is no such file or directory", f"evaluate.{key}={path}", "mend the path or leave it out"
            )
    if not isinstance(settings.pairs, (int, str)) or settings.pairs in (0, ""):
        raise ConfigError(f"must be a number of pairs or a file, not {settings.pairs!r}", "evaluate.pairs")
    if isinstance(settings.pairs, str) and not Path(settings.pairs).is_file():
        raise ConfigError("there is no such file", f"evaluate.pairs={settings.pairs}")
    if not isinstance(settings.bootstrap, int) or settings.bootstrap < 0:
        raise ConfigError(f"must be a whole number of draws, not {settings.bootstrap!r}", "evaluate.bootstrap")


def testsets(config: Any, manifest: Manifest) -> list[TestSet]:
    """Load the data set's own test set, and those that the configuration names."""
    return [kface_set(manifest, config.evaluate.pairs, config.seed), *photographs(config)]


def photographs(config: Any) -> list[TestSet]:
    """Load the test sets of photographs that the configuration names."""
    settings = config.evaluate
    cache = Path(config.data_dir) / "faces"
    made = []
    if settings.lfw:
        made.append(lfw_set(Path(settings.lfw).expanduser(), cache, config.progress))
    for key, title in (("agedb30", "AgeDB-30"), ("cfp_fp", "CFP-FP")):
        if not settings[key]:
            continue
        path = Path(settings[key]).expanduser()
        if path.is_dir() and key == "cfp_fp":
            made.append(cfp_set(path, cache, config.progress))
        else:
            made.append(bin_set(path, key, title))
    return made


def verify_run(config: Any, run_dir: Path, manifest: Manifest, arguments: dict[str, Any], about: dict[str, Any]) -> str:
    """Verify a trained run, write its report and return its row of Table 5."""
    network = load_backbone(run_dir)
    mirror = bool(config.evaluate.mirror)
    before = Embedder(untrained(arguments, about["seed"]), mirror=mirror) if config.evaluate.before else None
    report = evaluate(
        Embedder(network, mirror=mirror),
        testsets(config, manifest),
        run_dir,
        about,
        before,
        config.evaluate.bootstrap,
        config.seed,
    )
    return table5.row(report)


def untrained(arguments: dict[str, Any], seed: int) -> keras.Model:
    """Build the network that a run started from."""
    keras.utils.set_random_seed(seed)
    return backbones.build(**arguments)


def plain(node: DictConfig) -> dict[str, Any]:
    """Return a configuration node as a dictionary, interpolations resolved."""
    value = OmegaConf.to_container(node, resolve=True)
    if not isinstance(value, dict):
        raise ConfigError("must be a group of settings", str(node))
    return {str(key): item for key, item in value.items()}
