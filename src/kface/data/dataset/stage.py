"""The data set stage: from a configuration to a data set directory."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kface import checks
from kface.data.corpora import Corpus
from kface.data.dataset.build import BuildReport, build
from kface.data.dataset.joined import join, write_joined
from kface.data.dataset.manifest import Excluded, Member
from kface.data.dataset.settings import DatasetSettings
from kface.data.dataset.sources import SOURCES
from kface.data.exclusion import Exclusion, find_excluded
from kface.data.mixture import MixtureCorpus, MixturePart
from kface.errors import ConfigError
from kface.files import sha256_bytes
from kface.mtcnn import settings as cascade
from kface.networks import RUNTIMES
from kface.stage import instantiate
from kface.text import printable
from kface.workers import check_backend

#: Identities that are left out and named in a summary.
SHOWN = 10


@dataclass(frozen=True)
class DatasetJob:
    """A data set to build, according to its configuration.

    Attributes:
        settings: Determine its content.
        corpus: The source of its images.
        jobs: Number of processes; -1 for one per core.
        backend: joblib's.
        data_dir: Directory of the data sets that are named after corpus and settings.
        out: The data set's directory; None for one in ``data_dir``.
        progress: Whether to show progress bars.
        parts: The data sets of a mixture, each with its part of the mixture; none for another corpus.
        exclusion: The identities to leave out; None for none.
    """

    settings: DatasetSettings
    corpus: Corpus
    jobs: int
    backend: str
    data_dir: Path
    out: Path | None
    progress: bool
    parts: tuple[tuple[MixturePart, "DatasetJob"], ...] = ()
    exclusion: Exclusion | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "DatasetJob":
        """Read a job off a configuration with the groups corpus, protocol, detector and runtime.

        Raises:
            ConfigError: A value has the wrong type or lies outside its range.
        """
        with checks.all_errors():
            corpus = instantiate(config["corpus"], "corpus")
            if not isinstance(corpus, Corpus):
                checks.refuse(
                    ConfigError(
                        f"{type(corpus).__name__} is not a corpus", "corpus", "derive it from kface.data.corpora.Corpus"
                    )
                )
            mixture = isinstance(corpus, MixtureCorpus)
            settings = settings_of(config, corpus.layout, lenient=mixture)
            jobs = config["jobs"]
            if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
                checks.refuse(
                    ConfigError(f"must be a number of processes, or -1 for one per core, not {jobs!r}", "jobs")
                )
            job = cls(
                settings=settings,
                corpus=corpus,
                jobs=jobs,
                backend=check_backend(config["backend"]),
                data_dir=Path(checks.text("data_dir", config["data_dir"])),
                out=Path(str(config["out"])) if config.get("out") else None,
                progress=checks.flag("progress", config["progress"]),
                # Recipes older than the setting left nobody out.
                exclusion=Exclusion.of(config.get("exclude")),
            )
            if not mixture:
                return job
            return replace(job, parts=tuple((part, job.of_part(part, config)) for part in corpus.parts))

    def of_part(self, part: MixturePart, config: Mapping[str, Any]) -> "DatasetJob":
        """Return the job of a part of a mixture: its data set is the same as without the mixture, but for its test people."""
        settings = settings_of(config, part.corpus.layout, lenient=True)
        if not part.test:
            settings = settings._replace(test=None)
        return replace(self, settings=settings, corpus=part.corpus, out=None, exclusion=None)

    @property
    def directory(self) -> Path:
        """The data set's directory; other settings have another one."""
        return self.out or self.data_dir / "aligned" / self._name

    @property
    def built_in(self) -> Path:
        """The directory of the data set itself, from which identities may be left out in another."""
        return self.directory if self.exclusion is None else self.data_dir / "aligned" / self._plain_name

    @property
    def _name(self) -> str:
        if not self.parts and self.exclusion is None:
            return self._plain_name
        described: list[Any] = [
            [job.directory.name, part.weight, part.cap, part.test, part.corpus.name] for part, job in self.parts
        ] or [self._plain_name]
        digest = sha256_bytes(json.dumps([described, self.exclusion and self.exclusion.described()]).encode("utf-8"))
        return f"{self.corpus.key}-joined-{digest[:8]}"

    @property
    def _plain_name(self) -> str:
        return f"{self.corpus.key}-{self.settings.protocol.lower()}-{self.settings.fingerprint[:8]}"


def settings_of(config: Any, layout: str, lenient: bool = False) -> DatasetSettings:
    """Read the settings off a configuration with the groups protocol, detector and runtime.

    Args:
        config: The configuration.
        layout: The corpus's.
        lenient: Whether landmarks that this corpus does not have become those that it has, as in a mixture of corpora.

    Raises:
        ConfigError: A value has the wrong type or lies outside its range.
    """
    readers = [name for name, runtime in RUNTIMES.items() if ".onnx" in runtime.formats]
    if config.runtime.name not in ("auto", *readers):
        raise ConfigError(
            "unknown runtime",
            "runtime.name=" + str(config.runtime.name),
            "choose one of: auto, " + ", ".join(readers),
        )
    test = config.protocol.test
    landmarks = config.detector.landmarks
    if landmarks == "image" and layout in SOURCES and SOURCES[layout].landmarks == ("aligned",):
        # The group's default means that nothing was asked for.
        landmarks = "aligned"
    if lenient and layout in SOURCES and landmarks not in SOURCES[layout].landmarks:
        landmarks = SOURCES[layout].landmarks[0]
    return DatasetSettings(
        layout=layout,
        protocol=config.protocol.name,
        test=test if test is None or isinstance(test, (int, float, str)) else list(test),
        published=config.protocol.published,
        seed=config.seed,
        identities=config.protocol.identities,
        max_per_identity=config.protocol.max_per_identity,
        # Recipes older than the setting had the same captures of all people.
        test_conditions=config.protocol.get("test_conditions", "same"),
        landmarks=landmarks,
        min_face=_several(config.detector.min_face, "detector.min_face"),
        thresholds=_several(config.detector.thresholds, "detector.thresholds"),
        factor=config.detector.factor,
        # Recipes older than the setting did not brighten.
        brighten=cascade.brighten(config.detector.get("brighten"), "detector."),
        runtime=config.runtime.name,
    ).validated()


def _several(value: object, key: str) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ConfigError(f"must be a list of numbers, not {value!r}", key, f"write it as {key}=[A,B]")
    return tuple(value)


def prepare(job: DatasetJob) -> BuildReport:
    """Write the corpus if it is the sample, and build the data set; existing parts of both are kept.

    A mixture's parts are built one after the other. Identities are left out in a joined data set, which names the complete one.
    """
    if not job.parts and job.exclusion is None:
        return _built(job)
    began = time.time()
    if isinstance(job.corpus, MixtureCorpus) and not job.parts:
        job.corpus.prepare()
    reports = []
    for part, one in job.parts or ((MixturePart(job.corpus), job),):
        report = _built(one)
        if job.parts:
            print(summary(report), flush=True)
        member = Member(
            name=part.corpus.name,
            directory=os.path.abspath(report.manifest.directory),
            fingerprint=report.manifest.fingerprint,
            weight=part.weight,
            cap=part.cap,
            test=part.test,
            labelled=report.manifest.labelled(),
        )
        reports.append((member, report))
    members = [(member, report.manifest) for member, report in reports]
    manifest = join(job.corpus.name, members, job.directory)
    if job.exclusion is not None:
        excluded = find_excluded(manifest, job.exclusion, job.data_dir / "faces", job.progress)
        manifest = join(job.corpus.name, members, job.directory, excluded)
    write_joined(manifest)
    built, kept = (sum(getattr(report, name) for _, report in reports) for name in ("built", "kept"))
    return BuildReport(manifest, built, kept, time.time() - began)


def _built(job: DatasetJob) -> BuildReport:
    root = job.corpus.prepare(progress=job.progress)
    return build(
        root,
        job.built_in,
        job.settings,
        jobs=job.jobs,
        backend=job.backend,
        progress=job.progress,
        name=job.corpus.name,
        synthetic=job.corpus.synthetic,
    )


def summary(report: BuildReport) -> str:
    """Return a line about a data set, and one for each kind of file or folder that was left out."""
    manifest = report.manifest
    text = "data set: {} images of {} people to train, {} of {} to test, {} refused, in {}".format(
        manifest.images("train"),
        len(manifest.subjects("train")),
        manifest.images("test"),
        len(manifest.subjects("test")),
        len(manifest.refused),
        printable(manifest.directory),
    )
    text += " (nothing to do)" if report.built == 0 else f" ({report.seconds:.0f} s)"
    for kind, found in sorted(manifest.problems.items()):
        names = ", ".join(printable(name) for name in found["examples"])
        more = ", ..." if found["times"] > len(found["examples"]) else ""
        text += "\n  left out: {} x {}: {}{}".format(found["times"], kind, names, more)
    return text + "".join(_excluded_lines(manifest.excluded))


def _excluded_lines(excluded: Sequence[Excluded]) -> Iterator[str]:
    """Yield a line for each of the first identities that are left out, and one for the others."""
    for one in excluded[:SHOWN]:
        score = "" if one.score is None else f" {one.score:.2f}"
        who = "" if one.person == one.subject else f"{printable(one.person)} "
        yield f"\n  not trained on: {printable(one.subject)} ({who}in {printable(one.testset)}, by {one.by}{score})"
    if len(excluded) > SHOWN:
        yield f"\n  not trained on: {len(excluded) - SHOWN:,} more, see the manifest"
