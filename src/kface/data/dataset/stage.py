"""The data set stage: from a configuration to a data set directory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kface import checks
from kface.data.corpora import Corpus
from kface.data.dataset.build import BuildReport, build
from kface.data.dataset.settings import DatasetSettings
from kface.data.dataset.sources import SOURCES
from kface.errors import ConfigError
from kface.mtcnn import settings as cascade
from kface.networks import RUNTIMES
from kface.stage import instantiate
from kface.text import printable


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
    """

    settings: DatasetSettings
    corpus: Corpus
    jobs: int
    backend: str
    data_dir: Path
    out: Path | None
    progress: bool

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
            settings = settings_of(config, corpus.layout)
            jobs = config["jobs"]
            if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
                checks.refuse(
                    ConfigError(f"must be a number of processes, or -1 for one per core, not {jobs!r}", "jobs")
                )
            return cls(
                settings=settings,
                corpus=corpus,
                jobs=jobs,
                backend=config["backend"],
                data_dir=Path(checks.text("data_dir", config["data_dir"])),
                out=Path(str(config["out"])) if config.get("out") else None,
                progress=checks.flag("progress", config["progress"]),
            )

    @property
    def directory(self) -> Path:
        """The data set's directory; other settings have another one."""
        name = f"{self.corpus.key}-{self.settings.protocol.lower()}-{self.settings.fingerprint[:8]}"
        return self.out or self.data_dir / "aligned" / name


def settings_of(config: Any, layout: str) -> DatasetSettings:
    """Read the settings off a configuration with the groups protocol, detector and runtime.

    Args:
        config: The configuration.
        layout: The corpus's.

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
    return DatasetSettings(
        layout=layout,
        protocol=config.protocol.name,
        test=test if test is None or isinstance(test, (int, float, str)) else list(test),
        published=config.protocol.published,
        seed=config.seed,
        identities=config.protocol.identities,
        max_per_identity=config.protocol.max_per_identity,
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
    """Write the corpus if it is the sample, and build the data set; existing parts of both are kept."""
    root = job.corpus.prepare(progress=job.progress)
    return build(
        root,
        job.directory,
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
    return text
