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
from train.evaluate_job import EvaluateJob


def main(config: Any) -> None:
    """Run the stage."""
    job = EvaluateJob.of(config)
    if job.bundle is not None or job.embedder is not None:
        print("\n" + evaluate_exported(job))
        return
    run_dir = runs.newest_run(job.output_dir, job.run)
    about = runs.read_about(run_dir)
    print(f"evaluating {run_dir}", flush=True)
    manifest = load(job.data_set or runs.data_set_of(run_dir, about, job.evaluation.data_dir))
    from train import backend

    backend.start_quietly()
    print("\n" + stages.verify_run(job.seeded(about), run_dir, manifest, about))


def evaluate_exported(job: EvaluateJob) -> str:
    """Verify a bundle or an embedder, write its report and plots, and return its row of Table 5."""
    from kface.evaluation.evaluate import evaluate
    from train import exported

    directory = _out(job.out)
    network = exported.open_exported(job)
    try:
        settings = job.seeded(network.about)
        manifest = None if settings.pairs is None else exported.find_data_set(job, network.about)
        sets = stages.photographs(settings) if manifest is None else stages.testsets(settings, manifest)
        if not sets:
            raise ConfigError(
                "there is nothing to verify on", "evaluate", "add evaluate.lfw=DIR, another test set or data_set=DIR"
            )
        directory = directory or runs.new_run(job.output_dir, exported.slug(network.name), "evaluation")
        print(f"evaluating {job.bundle or job.embedder}: {network.about['network']}", flush=True)
        report = evaluate(
            network.embed,
            sets,
            directory,
            network.about,
            None,
            settings.bootstrap,
            settings.seed,
            settings.progress,
        )
    finally:
        network.close()
    return f"{table5.row(report)}\n\nreport and plots: {directory}"


def _out(out: Path | None) -> Path | None:
    """Return the directory that was given for the report, made; raises ConfigError or TrainingError."""
    if out is None:
        return None
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
