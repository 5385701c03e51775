"""The procedural sample as a data base in KISA's form: written on the first run, resumable, kept for the next."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from kface import checks
from kface.data.sample.writing import remove_unfinished, same_settings, unwritable, write_people
from kface.errors import DatasetError
from kface.kisa.conditions import CONDITIONS
from kface.kisa.database import PRELIMINARY_PEOPLE, KisaDatabase, KisaSource, PathLike
from kface.kisa.folder import DESCRIPTION, INDEX, FolderDatabase, description_of, write_index
from kface.kisa.naming import file_name
from kface.kisa.sample_images import VERSION, person_names, write_person
from kface.kisa.wording import TEXTS

#: Written to the sample's description, and so part of its settings; a report has it in its own language.
NOTE = TEXTS["synthetic_note"][0]


@dataclass(frozen=True)
class SampleReport:
    """Result of :func:`write_sample`.

    Attributes:
        root: The folder.
        people: Number of people in the folder.
        images: Number of images in the folder.
        kept: Number of people that already existed.
        seconds: Duration.
    """

    root: Path
    people: int
    images: int
    kept: int
    seconds: float


def write_sample(
    root: PathLike, people: int = PRELIMINARY_PEOPLE, seed: int = 0, jobs: int = -1, progress: bool = True
) -> SampleReport:
    """Write the sample in the naming of :mod:`kface.kisa.naming`, or its missing people.

    Args:
        root: The folder; ``<person>/<category>_<condition>.jpg`` comes below it.
        people: 50 for the preliminary form, 500 for the full one.
        seed: Same seed, same bytes, whatever the number of processes.
        jobs: Processes; -1 for one a core.
        progress: Whether to show a progress bar.

    Raises:
        ConfigError: A number is out of its range.
        KFaceError: The folder holds a sample of other settings, something else, or cannot be written.
    """
    started = time.monotonic()
    checks.whole("database.people", people, 2, 9999)
    checks.whole("database.seed", seed, 0)
    root = Path(root)
    names = person_names(people)
    settings = description_of("synthetic sample", True, (NOTE,), version=VERSION, people=people, seed=seed)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not (root / DESCRIPTION).exists() and any(root.iterdir()):
            raise DatasetError("holds something else than a sample", root, "give another directory or empty it")
        same_settings(root / DESCRIPTION, settings)
        remove_unfinished(root)
        missing = [name for name in names if not (root / name).is_dir()]
        write_people(
            write_person,
            [(str(root), name, seed, os.getpid()) for name in missing],
            jobs,
            "KISA sample",
            progress,
        )
        if missing or not (root / INDEX).is_file():
            rows = [(name, found, f"{name}/{file_name(found)}") for name in names for found in CONDITIONS]
            write_index(root / INDEX, rows)
    except OSError as error:
        raise unwritable(error, root)
    return SampleReport(root, people, people * len(CONDITIONS), people - len(missing), time.monotonic() - started)


class SampleDatabase(KisaSource):
    """The procedural sample, for use without a data base of one's own.

    Its people are never those of the training sample, whatever the seeds: see
    :func:`kface.kisa.sample_images.person_names`.

    Args:
        parent: Directory under which the sample is written, in a folder named after the other arguments.
        people: 50 for the preliminary form, 500 for the full one.
        seed: Same seed, same bytes.
        jobs: Processes; -1 for one a core.
    """

    title = "synthetic sample"
    synthetic = True

    def __init__(
        self, parent: PathLike = "data", people: int = PRELIMINARY_PEOPLE, seed: int = 0, jobs: int = -1
    ) -> None:
        self.people = checks.whole("database.people", people, 2, 9999)
        self.seed = checks.whole("database.seed", seed, 0)
        self.jobs = jobs
        self.root = Path(str(parent)).expanduser() / f"kisa-sample-{people}-seed{seed}"

    def open(self, progress: bool = True) -> KisaDatabase:
        """Write the sample's missing people, then read it like any folder.

        Raises:
            KFaceError: It cannot be written.
        """
        write_sample(self.root, self.people, self.seed, self.jobs, progress)
        return FolderDatabase(self.root).open(progress)
