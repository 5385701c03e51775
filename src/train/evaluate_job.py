"""A verification as its configuration describes it; made once, in the door of ``python -m train.evaluate``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kface.checks import flag, number, text, whole
from kface.errors import ConfigError
from kface.evaluation.settings import EvaluateSettings


@dataclass(frozen=True)
class EvaluateJob:
    """A verification as its configuration describes it.

    Attributes:
        evaluation: What the network is verified on, and how.
        run: The run's directory; None for the newest.
        bundle: An exported bundle's directory.
        embedder: An ONNX file.
        output: The embedder's output that is the embedding; None where there is one only.
        out: Takes the report of a bundle or an embedder; None for a directory of its own in ``output_dir``.
        data_set: The data set whose unseen people are verified; None for the training's.
        output_dir: Directory of the runs.
        seed: Of the pairs and the intervals; None for the training's.
        runtime: What runs a bundle's or an embedder's network.
        precision: Of a bundle's embedder.
        colour: Of an embedder's input: "rgb" or "bgr".
        normalisation: Mean and divisor of an embedder's input, in grey levels of 0 to 255.
    """

    evaluation: EvaluateSettings
    run: str | None
    bundle: Path | None
    embedder: Path | None
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
        """Read a job off ``conf/evaluate.yaml``; networks and faces are not loaded to find out what makes no sense.

        Raises:
            ConfigError: A value has the wrong type, is out of its range or contradicts another.
            ProtocolError: A file of pairs is damaged.
        """
        given = [key for key in ("run", "bundle", "embedder") if config[key]]
        if len(given) > 1:
            raise ConfigError("exclude each other", " and ".join(given), "leave all but one out")
        text("output_dir", config["output_dir"])
        for key in (*given, *(key for key in ("out", "output", "data_set") if config[key] is not None)):
            text(key, config[key])
        bundle, embedder = _path(config["bundle"]), _path(config["embedder"])
        if config["out"] and bundle is None and embedder is None:
            raise ConfigError("is for bundle=DIR and embedder=FILE; a run keeps its own report", "out", "leave it out")
        if config["output"] is not None and embedder is None:
            raise ConfigError("is for embedder=FILE", "output", "leave it out")
        flag("progress", config["progress"])
        colour, normalisation = _preprocessing(config["preprocessing"], bundle, embedder)
        return cls(
            evaluation=EvaluateSettings.of(config),
            run=config["run"] or None,
            bundle=bundle,
            embedder=embedder,
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

    def seeded(self, about: dict[str, Any]) -> EvaluateSettings:
        """Return the settings with the training's seed where none was given, so that the same pairs are drawn."""
        return replace(self.evaluation, seed=about.get("seed", 0) if self.seed is None else self.seed)


def _path(value: str | None) -> Path | None:
    return Path(value).expanduser() if value else None


def _preprocessing(
    given: Mapping[str, Any], bundle: Path | None, embedder: Path | None
) -> tuple[str | None, tuple[float, float] | None]:
    """Return colour and normalisation of an embedder, which has to be told; a bundle knows its own."""
    colour, normalisation = given["colour"], given["normalisation"]
    if bundle is not None and not (colour is None and normalisation is None):
        raise ConfigError("is in the bundle already", "preprocessing", "leave it out, or give embedder=FILE.onnx")
    if embedder is None:
        return None, None
    if colour is None or normalisation is None:
        raise ConfigError(
            "what it expects of its input is not known",
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
