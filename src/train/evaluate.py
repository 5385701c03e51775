"""``python -m train.evaluate``: verify a trained run again, on more test sets; configured by ``conf/evaluate.yaml``."""

import sys
from pathlib import Path
from typing import Any

from kface import stage
from kface.dataset import load


def main(config: Any) -> None:
    """Run the stage."""
    from train import backend

    backend.start_quietly()
    from train import runs, stages

    stages.check_evaluation(config.evaluate)
    run_dir = runs.newest_run(Path(config.output_dir), config.run)
    about = runs.read_about(run_dir)
    print(f"evaluating {run_dir}")
    manifest = load(about["data_set"])
    print("\n" + stages.verify_run(config, run_dir, manifest, about))


if __name__ == "__main__":
    sys.exit(stage.run("evaluate", main))
