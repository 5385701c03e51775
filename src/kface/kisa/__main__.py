"""``python -m kface.kisa``: KISA's certification test; configured by ``conf/kisa.yaml``."""

import contextlib
import sys
from typing import Any

from kface import stage
from kface.kisa.database import KisaSource


def main(config: Any) -> int:
    """Run the stage."""
    from kface.kisa import stage as kisa
    from kface.kisa.fonts import font_file
    from kface.kisa.settings import KisaJob

    job = KisaJob.of(config)
    # Without fonts there is no report: better now than after the last template.
    font_file()
    source: KisaSource = stage.instantiate(config.database, "database")
    with job.open_engine() as engine:
        database = source.open(progress=job.progress).require_sound()
        directory = kisa.directory_of(job)
        try:
            report = kisa.perform(job, engine, database)
            written = kisa.write(report, directory, job.languages)
        except BaseException:
            # What ends early leaves no empty run behind; one that holds something stays.
            if job.out is None:
                with contextlib.suppress(OSError):
                    directory.rmdir()
            raise
    print("\n" + kisa.table(report))
    print(f"\nreport: {directory} ({', '.join(path.name for path in written)})")
    return kisa.status(report, job.strict)


if __name__ == "__main__":
    sys.exit(stage.run("kisa", main, extra="kisa"))
