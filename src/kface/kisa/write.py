<<<<<<<< HEAD:src/kface/kisa/write.py
"""``python -m kface.kisa.write``: write a data base in KISA's form to a folder, or a contact sheet of the synthetic one."""
========
"""``python -m kface.kisa``: KISA's certification test; configured by ``conf/kisa.yaml``."""
>>>>>>>> w-kisareport:src/kface/kisa/__main__.py

import sys
from typing import Any

from kface import stage
from kface.kisa.database import KisaSource


<<<<<<<< HEAD:src/kface/kisa/write.py
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m kface.kisa.write", description="Write a data base in the form of KISA's face recognition test."
    )
    parser.add_argument("root", nargs="?", metavar="DIR", help="folder: <person>/<category>_<condition>.jpg")
    parser.add_argument("--people", type=int, default=PRELIMINARY_PEOPLE, help="of the sample: 50 (default) or 500")
    parser.add_argument("--seed", type=int, default=0, help="of the sample: same seed, same bytes (default: 0)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one per core (default)")
    parser.add_argument("--kface", metavar="DIR", help="write K-Face, mapped onto KISA's conditions, instead")
    parser.add_argument("--subjects", default="test", choices=("test", "all"), help="of K-Face (default: test)")
    parser.add_argument("--sheet", metavar="FILE", help="write a contact sheet of the sample's first people (JPEG)")
    arguments = parser.parse_args(argv)
    if not arguments.root and not arguments.sheet:
        parser.error("give DIR or --sheet FILE")
    try:
        if arguments.sheet:
            write_atomic(arguments.sheet, encode_jpeg(contact_sheet(arguments.seed), 88))
        if arguments.root and arguments.kface:
            database = KFaceDatabase(arguments.kface, arguments.subjects).open()
            root = write_folder(database, arguments.root)
            print(f"{database.title}: {len(database.people)} people, {len(database.images)} images in {root}")
            for line in (*database.notes, *database.missing()):
                print(f"  {line}")
        elif arguments.root:
            report = write_sample(arguments.root, arguments.people, arguments.seed, arguments.jobs)
            print(
                f"synthetic sample: {report.people} people, {report.images} images in {report.root} "
                f"({report.kept} people already existed, {report.seconds:.0f} s)"
            )
    except (KFaceError, OSError) as error:
        print(f"kisa: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kisa: stopped; finished people are kept", file=sys.stderr)
        return 130
    return 0
========
def main(config: Any) -> int:
    """Run the stage."""
    from kface.kisa import stage as kisa
    from kface.kisa.fonts import font_file
    from kface.kisa.settings import KisaJob
>>>>>>>> w-kisareport:src/kface/kisa/__main__.py

    job = KisaJob.of(config)
    # Without fonts there is no report: better now than after the last template.
    font_file()
    source: KisaSource = stage.instantiate(config.database, "database")
    with job.open_engine() as engine:
        database = source.open(progress=job.progress).require_sound()
        directory = kisa.directory_of(job)
        report = kisa.perform(job, engine, database)
        written = kisa.write(report, directory, job.languages)
    print("\n" + kisa.table(report))
    print(f"\nreport: {directory} ({', '.join(path.name for path in written)})")
    return kisa.status(report, job.strict)


if __name__ == "__main__":
    sys.exit(stage.run("kisa", main, extra="kisa"))
