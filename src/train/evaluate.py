"""``python -m train.evaluate``: verify a run, a bundle or an ONNX file on test sets; configured by ``conf/evaluate.yaml``.

TensorFlow is imported for a run alone.
"""

import sys
from pathlib import Path
from typing import Any

from kface import stage
from kface.data.dataset import load
from kface.errors import ConfigError, TrainingError
from kface.evaluation import runs, table5
from train import stages
from train.settings import flag, text, whole


def main(config: Any) -> None:
    """Run the stage."""
    check(config)
    if config.bundle or config.embedder:
        print("\n" + evaluate_exported(config))
        return
    run_dir = runs.newest_run(Path(config.output_dir), config.run)
    about = runs.read_about(run_dir)
    print(f"evaluating {run_dir}", flush=True)
    manifest = load(config.data_set or runs.data_set_of(run_dir, about, config.data_dir))
    from train import backend

    backend.start_quietly()
    print("\n" + stages.verify_run(seeded(config, about), run_dir, manifest, about))


def check(config: Any) -> None:
    """Find out before networks and faces are loaded whether the settings make sense; raises ConfigError."""
    given = [key for key in ("run", "bundle", "embedder") if config[key]]
    if len(given) > 1:
        raise ConfigError("exclude each other", " and ".join(given), "leave all but one out")
    for key in (
        "data_dir",
        "output_dir",
        *given,
        *(key for key in ("out", "output", "data_set") if config[key] is not None),
    ):
        text(key, config[key])
    if config.out and not (config.bundle or config.embedder):
        raise ConfigError("is for bundle=DIR and embedder=FILE; a run keeps its own report", "out", "leave it out")
    if config.output is not None and not config.embedder:
        raise ConfigError("is for embedder=FILE", "output", "leave it out")
    flag("progress", config.progress)
    if config.seed is not None:
        whole("seed", config.seed, 0, 2**32 - 1)
    stages.check_evaluation(config.evaluate)


def seeded(config: Any, about: dict[str, Any]) -> Any:
    """Return the configuration with the training's seed where none was given, so that the same pairs are drawn."""
    if config.seed is None:
        config = config.copy()
        config.seed = about.get("seed", 0)
    return config


def evaluate_exported(config: Any) -> str:
    """Verify a bundle or an embedder, write its report and plots, and return its row of Table 5."""
    from kface.evaluation.evaluate import evaluate
    from train import exported

    directory = _out(config)
    network = exported.open_exported(config)
    try:
        config = seeded(config, network.about)
        manifest = None if config.evaluate.pairs is None else exported.find_data_set(config, network.about)
        sets = stages.photographs(config) if manifest is None else stages.testsets(config, manifest)
        if not sets:
            raise ConfigError(
                "there is nothing to verify on", "evaluate", "add evaluate.lfw=DIR, another test set or data_set=DIR"
            )
        directory = directory or runs.new_run(Path(config.output_dir), exported.slug(network.name), "evaluation")
        print(f"evaluating {config.bundle or config.embedder}: {network.about['network']}", flush=True)
        report = evaluate(
            network.embed,
            sets,
            directory,
            network.about,
            None,
            config.evaluate.bootstrap,
            config.seed,
            config.progress,
        )
    finally:
        network.close()
    return f"{table5.row(report)}\n\nreport and plots: {directory}"


def _out(config: Any) -> Path | None:
    """Return the directory that was given for the report, made; raises ConfigError or TrainingError."""
    if not config.out:
        return None
    out = Path(config.out).expanduser()
    for name in ("run.json", "model.json", "manifest.json"):
        if (out / name).exists():
            raise ConfigError(f"holds a {name}: it is a run, a bundle or a data set", f"out={out}", "give another one")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot be made ({error.strerror or error})", out, "add out=DIR")
    return out


if __name__ == "__main__":
    sys.exit(stage.run("evaluate", main))
