"""``python -m train.evaluate``: verify a run, a bundle or an ONNX file on test sets; configured by ``conf/evaluate.yaml``.

TensorFlow is imported for a run only.
"""

import sys

from omegaconf import DictConfig

from kface import stage
from kface.data.dataset import load
from kface.evaluation import exported, runs
from kface.evaluation.job import EvaluateJob


def main(config: DictConfig) -> None:
    """Run the stage."""
    job = EvaluateJob.of(config)
    if job.bundle is not None or job.embedder is not None:
        print("\n" + exported.verify_exported(job))
        return
    run_dir = runs.newest_run(job.output_dir, job.run)
    about = runs.read_about(run_dir)
    print(f"evaluating {run_dir}", flush=True)
    manifest = load(job.data_set or runs.data_set_of(run_dir, about, job.evaluation.data_dir))
    from train import backend

    backend.start_quietly()
    from train.verification import verify_run

    print("\n" + verify_run(job.seeded(about), run_dir, manifest, about))


if __name__ == "__main__":
    sys.exit(stage.run("evaluate", main))
