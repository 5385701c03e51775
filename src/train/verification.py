"""The verification of a trained run: its report, its plots, its row of Table 5 and what is beside it."""

from collections.abc import Mapping
from pathlib import Path

import keras

from kface.data.dataset import DatasetManifest
from kface.errors import KFaceError, TrainingError
from kface.evaluation import summary, test_sets
from kface.evaluation.evaluate import evaluate
from kface.evaluation.runs import About
from kface.evaluation.settings import EvaluateSettings
from train import backbones, previous
from train.trained import KerasEmbedder, load_backbone


def verify_run(settings: EvaluateSettings, run_dir: Path, manifest: DatasetManifest, about: About) -> str:
    """Verify a trained run, write its report and plots, and return its row of Table 5 and what is beside it.

    Args:
        settings: The test sets.
        run_dir: The run.
        manifest: The data set whose test people are verified.
        about: The run's ``run.json``.

    Raises:
        KFaceError: A test set cannot be loaded, or the run's files are damaged.
    """
    network = load_backbone(run_dir)
    before = None
    if settings.before:
        before = KerasEmbedder(untrained(about["backbone_arguments"], about["seed"], run_dir), mirror=settings.mirror)
    own = test_sets.own(settings, manifest)
    report = evaluate(
        KerasEmbedder(network, mirror=settings.mirror),
        [*own.sets, *test_sets.photographs(settings)],
        run_dir,
        about,
        before,
        settings.bootstrap,
        settings.seed,
        settings.progress,
        own.conditions,
    )
    return summary.text(report)


def untrained(arguments: Mapping[str, object], seed: int, run_dir: Path) -> keras.Model:
    """Build the network that a run started from; raises TrainingError where its ``run.json`` is damaged."""
    try:
        keras.utils.set_random_seed(seed)
        return backbones.of_description(previous.backbone(arguments))()
    except (KFaceError, TypeError, ValueError) as error:
        raise TrainingError(f"its backbone cannot be built ({error})", run_dir / "run.json", "train again")
