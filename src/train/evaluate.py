"""``python -m train.evaluate``: verify a trained run again, on more test sets; configured by ``conf/evaluate.yaml``."""

import sys
from pathlib import Path
from typing import Any

from kface import stage
from kface.dataset import load
from kface.errors import KFaceError


def main(config: Any) -> None:
    """Run the stage."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from train import backend

    backend.start_quietly()
    from train import runs, stages

    stages.check_evaluation(config.evaluate)
    run_dir = runs.newest_run(Path(config.output_dir), config.run)
    try:
        trained = OmegaConf.load(run_dir / "config.yaml")
        arguments = stages.plain(trained.backbone)
        about = dict(_about(run_dir))
    except (OSError, OmegaConfBaseException):
        raise KFaceError("is damaged", run_dir / "config.yaml", "train again")
    print(f"evaluating {run_dir}")
    print("\n" + stages.verify_run(config, run_dir, load(about["data_set"]), arguments, about))


def _about(run_dir: Path) -> dict[str, Any]:
    from train.evaluation import read_report

    return dict(read_report(run_dir / "report.json")["run"])


if __name__ == "__main__":
    sys.exit(stage.run("evaluate", main))
