"""``python -m train``: the main job, from a corpus to a row of Table 5; configured by ``conf/train.yaml``."""

import dataclasses
import sys
import time
from pathlib import Path

from omegaconf import DictConfig

from kface import stage
from kface.data.dataset.stage import DatasetJob, prepare, summary
from train.hosts import Cluster


def main(config: DictConfig) -> None:
    """Run the stage."""
    started = time.monotonic()
    from train import backend, reproducing

    config = reproducing.resolved(config, reproducing.given())
    data = DatasetJob.of(config)

    hosts = stage.instantiate(config["hosts"], "hosts")
    backend.start_quietly(hosts)
    with Cluster.connect(hosts) as cluster:
        _train(config, data, cluster, started)


def _train(config: DictConfig, data: DatasetJob, cluster: Cluster, started: float) -> None:
    """Run the stage on one of the hosts that train together; the first writes the run and reports."""
    from kface.evaluation import runs, test_sets
    from train import checks, resuming, weights
    from train.fit import train_run
    from train.hosts import devices
    from train.stopping import StoppedError
    from train.verification import verify_run

    devices.check_backend()
    # Checks come before anything that takes minutes: first the settings, then test sets and disk, then the data set.
    job, network = checks.check_settings(config, data)
    cluster.agree("settings", resuming.compared(job.settings))
    resumed = checks.check_resume(job)
    cluster.agree(
        "the run to resume", {} if resumed is None else {"run": resumed.directory.name, "epoch": resumed.epoch}
    )
    checks.check_packages(job.loggers)
    checks.check_teacher(job)
    checks.check_places(job, network)
    if cluster.first:
        weights.clean(job.output_dir)
        test_sets.check_testsets(job.evaluation)
        if data.corpus.synthetic:
            print("corpus: the synthetic sample; for K-Face add corpus=kface corpus.root=DIR")
    with cluster.first_before_the_others("data set"):
        report = prepare(data if cluster.first else dataclasses.replace(data, progress=False))
    if cluster.first:
        print(summary(report), flush=True)
    checks.check_data_set(job, network, report.manifest, cluster.count)
    cluster.agree("the data set", {"fingerprint": report.manifest.fingerprint})
    # The training builds its own.
    del network

    about = checks.about(job, report.manifest)
    if resumed is not None:
        run_dir = resumed.directory
    else:
        begun = str(runs.begin(about, job.output_dir, job.recipe)) if cluster.first else None
        run_dir = Path(str(cluster.of_first("run", begun)))

    def started_at(epoch: int) -> None:
        # Only now have all checks of a resumed run passed.
        if resumed is not None and cluster.first:
            about.update(runs.resumed_about(resumed._replace(epoch=epoch), about))
            runs.write_down(run_dir, about, job.recipe)

    if cluster.first:
        together = f", with {cluster.count} hosts" if cluster.count > 1 else ""
        print(f"training: {checks.title(job, report.manifest)}{together}, in {run_dir}", flush=True)
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
            sampling=job.sampling,
            cluster=cluster,
            sampler=job.sampler,
        )
    except StoppedError as stopped:
        print(f"train: {run_dir}: {stopped}", file=sys.stderr)
        # It ends a multirun as well, whose other runs could not be finished either.
        sys.exit(stopped.exit_status)
    cluster.finish()
    if not cluster.first:
        return
    row = verify_run(job.evaluation, run_dir, report.manifest, about)
    for logger in job.loggers:
        logger.finish(run_dir, report.manifest, result.backbone)
    print(f"\n{row}\n\nreport, plots and checkpoints: {run_dir} ({(time.monotonic() - started) / 60:.1f} minutes)")


if __name__ == "__main__":
    sys.exit(stage.run("train", main))
