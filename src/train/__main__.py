"""``python -m train``: the main job, from a corpus to a row of Table 5; configured by ``conf/train.yaml``."""

import sys
import time
from pathlib import Path
from typing import Any

from kface import stage
from kface.dataset.stage import prepare, settings_of, summary


def main(config: Any) -> None:
    """Run the stage."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    started = time.monotonic()
    settings_of(config)
    from train import backend

    backend.start_quietly()
    from train import backbones, runs, stages
    from train.fit import train_run
    from train.heads import default_scale

    # Whatever can be wrong with the settings is found before minutes are spent on the data set.
    stages.check_evaluation(config.evaluate)
    fit = stage.instantiate(config.fit, "fit")
    arguments = stages.plain(config.backbone)
    backbones.build(**arguments)
    stage.instantiate(config.loss, "loss", classes=2)
    stage.instantiate(config.optimizer, "optimizer", steps_per_epoch=1, epochs=fit.epochs, batch_size=fit.batch_size)
    loss = HydraConfig.get().runtime.choices["loss"]
    outputs = Path(config.output_dir)
    resumed = runs.find_run(outputs, config.resume, arguments["name"], loss) if config.resume else None

    if config.corpus._target_.endswith("SampleCorpus"):
        print("corpus: no K-Face was given (corpus=kface corpus.root=DIR), so this is the synthetic sample")
    report = prepare(config)
    print(summary(report))
    manifest = report.manifest

    run_dir = resumed or runs.new_run(outputs, arguments["name"], loss)
    classes = len(manifest.subjects("train"))
    scale = config.loss.scale or default_scale(classes)
    print(f"training: {arguments['name']} with {loss} (scale {scale:.1f}), {classes} people, in {run_dir}")
    about = {
        "backbone": arguments["name"],
        "loss": loss,
        "trained_on": "the synthetic sample" if manifest.source.get("synthetic") else manifest.source["name"],
        "protocol": config.protocol.name,
        "images": manifest.images("train"),
        "people": classes,
        "epochs": fit.epochs,
        "seed": fit.seed,
        "data_set": str(manifest.directory),
        "backbone_arguments": arguments,
    }
    if resumed is None:
        OmegaConf.save(config, run_dir / "config.yaml", resolve=True)
        runs.write_about(run_dir, about)
    train_run(
        manifest,
        run_dir,
        arguments,
        lambda count: stage.instantiate(config.loss, "loss", classes=count),
        lambda steps, epochs, batch: stage.instantiate(
            config.optimizer, "optimizer", steps_per_epoch=steps, epochs=epochs, batch_size=batch
        ),
        fit,
        resume=resumed is not None,
        quiet=not config.progress,
    )
    row = stages.verify_run(config, run_dir, manifest, arguments, about)
    print(f"\n{row}\n\nreport, plots and checkpoints: {run_dir} ({(time.monotonic() - started) / 60:.1f} minutes)")


if __name__ == "__main__":
    sys.exit(stage.run("train", main))
