"""``python -m train``: the main job, from a corpus to a row of Table 5; configured by ``conf/train.yaml``."""

import sys
import time

from omegaconf import DictConfig

from kface import stage
from kface.data.dataset.stage import DatasetJob, prepare, summary


def main(config: DictConfig) -> None:
    """Run the stage."""
    started = time.monotonic()
    from train import backend, reproducing

    config = reproducing.resolved(config, reproducing.given())
    data = DatasetJob.of(config)

    backend.start_quietly()
    from kface.evaluation import runs, test_sets
    from train import checks, weights
    from train.fit import train_run
    from train.stopping import StoppedError
    from train.verification import verify_run

    # Checks come before anything that takes minutes: first the settings, then test sets and disk, then the data set.
    job, network = checks.check_settings(config, data)
    resumed = checks.check_resume(job)
    checks.check_packages(job.loggers)
    checks.check_places(job, network)
    weights.clean(job.output_dir)
    test_sets.check_testsets(job.evaluation)
    if data.corpus.synthetic:
        print("corpus: the synthetic sample; for K-Face add corpus=kface corpus.root=DIR")
    report = prepare(data)
    print(summary(report), flush=True)
    checks.check_data_set(job, network, report.manifest)
    # The training builds its own.
    del network

    about = checks.about(job, report.manifest)
    run_dir = runs.begin(about, job.output_dir, job.recipe) if resumed is None else resumed.directory

    def started_at(epoch: int) -> None:
        # Only now have all checks of a resumed run passed.
        if resumed is not None:
            about.update(runs.resumed_about(resumed._replace(epoch=epoch), about))
            runs.write_down(run_dir, about, job.recipe)

    print(f"training: {checks.title(job, report.manifest)}, in {run_dir}", flush=True)
    try:
        result = train_run(
            report.manifest,
            run_dir,
            job.backbone,
            job.loss,
            job.optimizer,
            job.fit,
            job.callbacks,
            job.loggers,
            resume=resumed is not None,
            on_start=started_at,
        )
    except StoppedError as stopped:
        print(f"train: {run_dir}: {stopped}", file=sys.stderr)
        # It ends a multirun as well, whose other runs could not be finished either.
        sys.exit(stopped.exit_status)
    row = verify_run(job.evaluation, run_dir, report.manifest, about)
    for logger in job.loggers:
        logger.finish(run_dir, report.manifest, result.backbone)
    print(f"\n{row}\n\nreport, plots and checkpoints: {run_dir} ({(time.monotonic() - started) / 60:.1f} minutes)")


if __name__ == "__main__":
    sys.exit(stage.run("train", main))
