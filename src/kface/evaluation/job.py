"""The settings of one verification, ``conf/evaluate.yaml``, read once where the command starts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kface.checks import flag, number, text, whole
from kface.errors import ConfigError
from kface.evaluation.runs import About
from kface.evaluation.settings import EvaluateSettings


@dataclass(frozen=True)
class EvaluateJob:
    """The settings of one verification.

    Attributes:
        evaluation: What the network is verified on, and how.
        run: The run's directory; None for the newest.
        bundle: An exported bundle's directory.
        embedder: An ONNX file.
        library: The C++ library's file or folder, which runs the bundle; None for the runtimes.
        output: Name of the embedder's output that is the embedding; None where it has only one.
        out: Directory for the report of a bundle, a library or an embedder; None for a new one in ``output_dir``.
        data_set: The data set whose test people are verified; None for the one of the training.
        output_dir: Directory of the runs.
        seed: Of the pairs and the intervals; None for the seed of the training.
        runtime: The runtime of a bundle's or an embedder's network.
        precision: Of a bundle's embedder.
        colour: Of an embedder's input: "rgb" or "bgr".
        normalisation: Mean and divisor of an embedder's input, in grey levels of 0 to 255.
    """

    evaluation: EvaluateSettings
    run: str | None
    bundle: Path | None
    embedder: Path | None
    library: Path | None
    output: str | None
    out: Path | None
    data_set: Path | None
    output_dir: Path
    seed: int | None
    runtime: str
    precision: str
    colour: str | None
    normalisation: tuple[float, float] | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "EvaluateJob":
        """Read and check the settings; no network and no image is loaded for that.

        Raises:
            ConfigError: A value has the wrong type, is out of its range or contradicts another.
            ProtocolError: A file of pairs is damaged.
        """
        given = [key for key in ("run", "bundle", "embedder") if config[key]]
        if len(given) > 1:
            raise ConfigError("exclude each other", " and ".join(given), "give only one of them")
        text("output_dir", config["output_dir"])
        for key in (*given, *(key for key in ("out", "output", "data_set", "library") if config[key] is not None)):
            text(key, config[key])
        bundle, embedder = _path(config["bundle"]), _path(config["embedder"])
        if config["out"] and bundle is None and embedder is None:
            raise ConfigError("applies to bundle=DIR and embedder=FILE; a run keeps its own report", "out", "remove it")
        if config["output"] is not None and embedder is None:
            raise ConfigError("applies to embedder=FILE", "output", "remove it")
        if config["library"] and bundle is None:
            raise ConfigError("runs a bundle", f"library={config['library']}", "add bundle=DIR")
        if config["library"] and config["precision"] != "fp32":
            raise ConfigError("cannot be chosen for the library, which reads fp32", "precision", "remove it")
        flag("progress", config["progress"])
        colour, normalisation = _preprocessing(config["preprocessing"], bundle, embedder)
        return cls(
            evaluation=EvaluateSettings.of(config),
            run=config["run"] or None,
            bundle=bundle,
            embedder=embedder,
            library=_path(config["library"]),
            output=config["output"],
            out=_path(config["out"]),
            data_set=_path(config["data_set"]),
            output_dir=Path(config["output_dir"]),
            seed=None if config["seed"] is None else whole("seed", config["seed"], 0, 2**32 - 1),
            runtime=config["runtime"]["name"],
            precision=config["precision"],
            colour=colour,
            normalisation=normalisation,
        )

    def seeded(self, about: About) -> EvaluateSettings:
        """Return the settings with the training's seed where no seed is set, so that the same pairs are drawn."""
        return replace(self.evaluation, seed=about.get("seed", 0) if self.seed is None else self.seed)


def _path(value: str | None) -> Path | None:
    return Path(value).expanduser() if value else None


def _preprocessing(
    given: Mapping[str, Any], bundle: Path | None, embedder: Path | None
) -> tuple[str | None, tuple[float, float] | None]:
    """Return the colour order and normalisation of an embedder; a bundle's manifest holds its own."""
    colour, normalisation = given["colour"], given["normalisation"]
    if bundle is not None and not (colour is None and normalisation is None):
        raise ConfigError("is set by the bundle's manifest", "preprocessing", "remove it, or give embedder=FILE.onnx")
    if embedder is None:
        return None, None
    if colour is None or normalisation is None:
        raise ConfigError(
            "the input format it expects is not known",
            f"embedder={embedder}",
            "add preprocessing.colour=rgb (or bgr) and preprocessing.normalisation=[mean,divisor], which kface export finds",
        )
    if str(colour).lower() not in ("rgb", "bgr"):
        raise ConfigError(f"must be rgb or bgr, not {colour!r}", "preprocessing.colour")
    try:
        mean, divisor = list(normalisation)
    except (TypeError, ValueError):
        raise ConfigError(f"must be [mean,divisor], not {normalisation!r}", "preprocessing.normalisation")
    return str(colour).lower(), (
        number("preprocessing.normalisation", mean, -1e6, 1e6),
        number("preprocessing.normalisation", divisor, 1e-6, 1e6),
    )
