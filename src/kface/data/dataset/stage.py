"""The data set stage: from a configuration to a data set directory."""

from pathlib import Path
from typing import Any

from kface.data.dataset.build import BuildReport, build
from kface.data.dataset.settings import DatasetSettings
from kface.errors import ConfigError
from kface.mtcnn import settings as cascade
from kface.networks import RUNTIMES
from kface.stage import instantiate
from kface.text import printable


def settings_of(config: Any) -> DatasetSettings:
    """Read the settings off a configuration with the groups corpus, protocol, detector and runtime.

    Raises:
        ConfigError: A value has the wrong type or lies outside its range.
    """
    readers = [name for name, runtime in RUNTIMES.items() if ".onnx" in runtime.formats]
    if config.runtime.name not in ("auto", *readers):
        raise ConfigError(
            "there is no such runtime",
            "runtime.name=" + str(config.runtime.name),
            "choose one of: auto, " + ", ".join(readers),
        )
    test = config.protocol.test
    return DatasetSettings(
        layout=config.corpus.get("layout", "kface"),
        protocol=config.protocol.name,
        test=test if isinstance(test, (int, float)) else list(test),
        published=config.protocol.published,
        seed=config.seed,
        identities=config.protocol.identities,
        max_per_identity=config.protocol.max_per_identity,
        landmarks=config.detector.landmarks,
        min_face=_several(config.detector.min_face, "detector.min_face"),
        thresholds=_several(config.detector.thresholds, "detector.thresholds"),
        factor=config.detector.factor,
        # A recipe that was kept from before the setting was there looked at no copies.
        brighten=cascade.brighten(config.detector.get("brighten"), "detector."),
        runtime=config.runtime.name,
    ).validated()


def _several(value: Any, key: str) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise ConfigError(f"must be a list of numbers, not {value!r}", key, f"write it as {key}=[A,B]")
    return tuple(value)


def prepare(config: Any, out: Any | None = None) -> BuildReport:
    """Write the corpus if it is the sample, and build the data set, or what is missing of both.

    Args:
        config: With the groups corpus, protocol, detector and runtime.
        out: The data set's directory; by default one in ``data_dir`` named after the corpus and the settings, so that
            other settings make another data set beside it.
    """
    settings = settings_of(config)
    if isinstance(config.jobs, bool) or not isinstance(config.jobs, int) or config.jobs == 0:
        raise ConfigError(f"must be a whole number, not {config.jobs!r}", "jobs", "give 1 or more, or -1 for all cores")
    if not isinstance(config.progress, bool):
        raise ConfigError(f"must be true or false, not {config.progress!r}", "progress")
    corpus = instantiate(config.corpus, "corpus")
    root = corpus.prepare(progress=config.progress)
    directory = out or Path(config.data_dir) / "aligned" / "{}-{}-{}".format(
        getattr(corpus, "key", corpus.name), settings.protocol.lower(), settings.fingerprint[:8]
    )
    return build(
        root,
        directory,
        settings,
        jobs=config.jobs,
        backend=config.backend,
        progress=config.progress,
        name=corpus.name,
        synthetic=corpus.synthetic,
    )


def summary(report: BuildReport) -> str:
    """Return a line about a data set, and one for each kind of file or folder that was left out of it."""
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
