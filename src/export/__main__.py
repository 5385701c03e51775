"""``python -m export``: from a trained run to a bundle; configured by ``conf/export.yaml``."""

import sys
import time
from typing import Any

from kface import stage


def main(config: Any) -> None:
    """Run the stage."""
    started = time.monotonic()
    from export.settings import ExportJob

    # Check the settings before importing TensorFlow, which takes seconds.
    job = ExportJob.of(config)
    from train import backend

    backend.start_quietly()
    from export.stage import export
    from kface import bundle

    out = export(job)
    made = bundle.load(out)
    size = sum(file.bytes for file in made.manifest.files) / 1e6
    print(
        f"bundle: {len(made.manifest.files)} files, {size:.0f} MB, checked, in {out} ({time.monotonic() - started:.0f} s)"
    )


if __name__ == "__main__":
    sys.exit(stage.run("export", main))
