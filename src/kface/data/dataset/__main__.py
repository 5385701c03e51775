"""``python -m kface.data.dataset``: build an aligned data set; configured by ``conf/dataset.yaml``."""

import sys
from typing import Any

from kface import stage
from kface.data.dataset.stage import DatasetJob, prepare, summary
from kface.text import printable


def main(config: Any) -> None:
    """Run the stage."""
    report = prepare(DatasetJob.of(config))
    print(summary(report))
    for refused in report.manifest.refused[:5]:
        print(f"  refused: {printable(refused.path)}: {refused.reason}")
    if len(report.manifest.refused) > 5:
        print("  ... see {} for all".format(printable(report.manifest.directory / "manifest.json")))


if __name__ == "__main__":
    sys.exit(stage.run("dataset", main))
