"""``python -m train``: the main job, from a corpus to a row of Table 5; configured by ``conf/train.yaml``."""

import sys
import time
from typing import Any

from kface import stage
from kface.data.dataset.stage import DatasetJob, prepare, summary


def main(config: Any) -> None:
    """Run the stage."""
    started = time.monotonic()
    data = DatasetJob.of(config)
    from train import backend

    backend.start_quietly()
    from kface.evaluation import runs
    from train import checks, stages, weights
    from train.fit import train_run

    # Whatever can be wrong is found before minutes are spent: what the settings say first, then what the test sets and the
    # disk hold, then the data set, which the training itself needs.
    job, network = checks.check_settings(config, data)
    resumed = checks.check_resume(job)
    checks.check_packages(job.fit.tensorboard)
    checks.check_places(job, network)
    weights.clean(job.output_dir)
    stages.check_testsets(job.evaluation)
    if data.corpus.synthetic:
        print("corpus: no K-Face was given (corpus=kface corpus.root=DIR), so this is the synthetic sample")
    report = prepare(data)
    print(summary(report), flush=True)
    checks.check_data_set(job, network, report.manifest)
    # The training builds one of its own.
    del network

    about = checks.about(job, report.manifest)
    run_dir = runs.begin(about, job.output_dir, job.recipe) if resumed is None else resumed.directory

    def go_on(epoch: int) -> None:
        # Only now it is certain that the run goes on, with these settings and after this epoch.
        if resumed is not None:
            about.update(runs.resumed_about(resumed._replace(epoch=epoch), about))
            runs.write_down(run_dir, about, job.recipe)

    print(f"training: {checks.title(job, report.manifest)}, in {run_dir}", flush=True)
    train_run(
        report.manifest,
        run_dir,
        job.backbone,
        job.head,
        job.optimizer,
        job.fit,
        resume=resumed is not None,
        quiet=not data.progress,
        on_start=go_on,
    )
    row = stages.verify_run(job.evaluation, run_dir, report.manifest, about)
    print(f"\n{row}\n\nreport, plots and checkpoints: {run_dir} ({(time.monotonic() - started) / 60:.1f} minutes)")


if __name__ == "__main__":
    sys.exit(stage.run("train", main))
