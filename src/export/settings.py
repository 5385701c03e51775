"""The settings of an export, read from its configuration and checked without importing anything heavy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kface import checks
from kface.bundle.manifest import PRECISIONS
from kface.errors import ConfigError
from kface.evaluation.foreign.onnx_form import CANONICAL_OPSET
from kface.evaluation.settings import EvaluateSettings

#: ONNX operator sets that can be written: TensorRT 8.2, a Jetson Nano's, reads the first.
OPSETS = (13, 14, 15, 16, 17)
#: Given instead of a file: the network that export.pretrained fetches.
PRETRAINED = "pretrained"
#: Fewest faces on which files are compared: the largest batch of the comparison.
LEAST_FACES = 8
#: Fewest faces for INT8 calibration: with fewer, the ranges are left to chance.
LEAST_CALIBRATION = 32


def check_opset(opset: Any, key: str = "formats.opsets") -> None:
    """Raise ConfigError if an opset cannot be written."""
    if isinstance(opset, bool) or opset not in OPSETS:
        raise ConfigError(f"an opset must be one of {', '.join(map(str, OPSETS))}, not {opset!r}", key)


def check_batch(batch: Any, key: str = "formats.fixed_batches") -> None:
    """Raise ConfigError if a batch is neither None nor a valid number of images."""
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 1024):
        raise ConfigError(f"a batch must be a whole number from 1 to 1024, not {batch!r}", key)


@dataclass(frozen=True)
class Formats:
    """The files to write.

    Attributes:
        opsets: ONNX operator sets, with any batch.
        fixed_batches: Batch sizes of further ONNX files with a fixed batch.
        uff: Whether to write UFF; None if the network decides.
        engines: Whether to build TensorRT engines; None builds them if TensorRT is installed.
        engine_precisions: Of the engines.
    """

    opsets: tuple[int, ...]
    fixed_batches: tuple[int, ...]
    uff: bool | None
    engines: bool | None
    engine_precisions: tuple[str, ...]


@dataclass(frozen=True)
class Reduction:
    """The smaller networks in addition to the one of full precision.

    Attributes:
        int8: Whether INT8 is bundled; None bundles it if it is faster with an installed runtime.
        fp16: The same for FP16.
        calibration_faces: Faces for INT8 calibration.
        allowed_loss: Largest loss in EER and in TAR at FAR 1e-2 with which a network is bundled.
        seconds: Duration of timing at each batch size.
    """

    int8: bool | None
    fp16: bool | None
    calibration_faces: int
    allowed_loss: float
    seconds: float


@dataclass(frozen=True)
class ExportJob:
    """The settings of an export.

    Attributes:
        evaluation: The pairs on which everything is judged.
        run: The run's directory; None for the newest, or for a foreign embedder.
        embedder: A foreign embedder's file; None for a run's network, and for the pretrained one until it is fetched.
        pretrained: Whether the network is the one that :mod:`export.pretrained` fetches.
        output: Name of the embedding's output; None if there is only one.
        out: The bundle's directory; None for one named after the network.
        output_dir: Directory of the runs.
        seed: Of the faces and pairs that are drawn.
        formats: The files to write.
        precision: The smaller networks.
        colour: Of a foreign embedder's input: "auto", "rgb" or "bgr".
        normalisation: Mean and divisor of a foreign embedder's input; None tries them.
        parity_faces: Number of faces on which files are compared.
        impostors: Most impostor pairs of the threshold table.
        replicates: Bootstrap draws of people for the table's intervals.
        licence: Of the complete bundle; None for the known one.
        licence_of_data: Of the training data; None for the known one.
    """

    evaluation: EvaluateSettings
    run: str | None
    embedder: Path | None
    pretrained: bool
    output: str | None
    out: Path | None
    output_dir: Path
    seed: int
    formats: Formats
    precision: Reduction
    colour: str
    normalisation: tuple[float, float] | None
    parity_faces: int
    impostors: int
    replicates: int
    licence: str | None
    licence_of_data: str | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ExportJob":
        """Read and check the settings of ``conf/export.yaml``, before minutes are spent on an export that cannot work.

        Raises:
            ConfigError: A setting (named) is invalid.
            ProtocolError: A file of pairs is damaged.
        """
        formats = _formats(config["formats"])
        precision = _precision(config["precision"])
        thresholds = config["thresholds"]
        faces = checks.whole("parity.faces", config["parity"]["faces"], LEAST_FACES, 1000)
        impostors = checks.whole("thresholds.impostors", thresholds["impostors"], 100, 10**8)
        replicates = checks.whole("thresholds.replicates", thresholds["replicates"], 0, 10**5)
        seed = checks.whole("seed", config["seed"], 0, 2**32 - 1)
        colour, normalisation = _preprocessing(config["preprocessing"])
        licence = config["licence"]
        if not isinstance(licence, str) or not licence.strip():
            raise ConfigError(f"must be a text, not {licence!r}", "licence", "use licence=auto")
        given, run = config["embedder"], config["run"]
        if given and run:
            raise ConfigError("exclude each other", "embedder and run", "remove one")
        if config["output"] and not given:
            raise ConfigError(
                "names an output of a foreign embedder, and none is given",
                "output",
                "remove it, or give embedder=FILE.onnx",
            )
        pretrained = bool(given) and str(given).lower() == PRETRAINED
        embedder = Path(str(given)).expanduser() if given and not pretrained else None
        if given:
            _check_forms_elsewhere(formats)
        if embedder is not None:
            check_embedder(embedder)
        out = Path(str(config["out"])).expanduser() if config["out"] else None
        if out is not None and (out.exists() or out.is_symlink()) and not (out / "manifest.json").is_file():
            raise ConfigError("exists and is not a bundle", f"out={out}", "give a new directory")
        return cls(
            evaluation=EvaluateSettings.of(config),
            run=run or None,
            embedder=embedder,
            pretrained=pretrained,
            output=config["output"] or None,
            out=out,
            output_dir=Path(config["output_dir"]),
            seed=seed,
            formats=formats,
            precision=precision,
            colour=colour,
            normalisation=normalisation,
            parity_faces=faces,
            impostors=impostors,
            replicates=replicates,
            licence=None if licence == "auto" else licence,
            licence_of_data=config["licence_of_data"] or None,
        )


def _formats(formats: Mapping[str, Any]) -> Formats:
    opsets = _sequence(formats["opsets"], "formats.opsets")
    if not opsets:
        raise ConfigError("needs at least one opset", "formats.opsets", f"use formats.opsets=[{CANONICAL_OPSET}]")
    for opset in opsets:
        check_opset(opset)
    batches = _sequence(formats["fixed_batches"], "formats.fixed_batches")
    for batch in batches:
        if batch is None:
            raise ConfigError("a batch must be a whole number from 1 to 1024, not null", "formats.fixed_batches")
        check_batch(batch)
    uff = _choice(formats["uff"], "formats.uff")
    precisions = _sequence(formats["engine_precisions"], "formats.engine_precisions")
    stray = [one for one in precisions if one not in PRECISIONS]
    if stray:
        raise ConfigError(f"must be among {', '.join(PRECISIONS)}, not {stray[0]!r}", "formats.engine_precisions")
    return Formats(opsets, batches, uff, _choice(formats["engines"], "formats.engines"), precisions)


def _check_forms_elsewhere(formats: Formats) -> None:
    """Refuse the formats that are only written from a Keras model, and so from kface's own networks."""
    why = "is not available for a network that was trained elsewhere"
    if formats.uff:
        raise ConfigError(why, "formats.uff", "remove it; TensorRT reads embedder.onnx")
    if formats.opsets != (CANONICAL_OPSET,):
        raise ConfigError(why, "formats.opsets", "remove it: the network keeps its own opset")


def _precision(given: Mapping[str, Any]) -> Reduction:
    int8, fp16 = (_choice(given[key], f"precision.{key}") for key in ("int8", "fp16"))
    loss = checks.number("precision.allowed_loss", given["allowed_loss"], 0, 1)
    seconds = checks.number("precision.seconds", given["seconds"], 0, 600)
    faces = checks.whole("precision.calibration_faces", given["calibration_faces"], LEAST_CALIBRATION, 10**6)
    return Reduction(int8, fp16, faces, loss, seconds)


def _preprocessing(given: Mapping[str, Any]) -> tuple[str, tuple[float, float] | None]:
    colour = str(given["colour"]).lower()
    if colour not in ("auto", "rgb", "bgr"):
        raise ConfigError(f"must be rgb, bgr or auto, not {given['colour']!r}", "preprocessing.colour")
    if given["normalisation"] is None:
        return colour, None
    values = _sequence(given["normalisation"], "preprocessing.normalisation")
    if len(values) != 2:
        raise ConfigError(
            "must be [mean,divisor] with a positive divisor, such as [127.5,128]",
            f"preprocessing.normalisation={list(values)}",
        )
    key = "preprocessing.normalisation"
    return colour, (checks.number(key, values[0]), checks.number(key, values[1], 0, open_below=True))


def check_embedder(path: Path) -> None:
    """Raise ConfigError if a foreign embedder cannot be an ONNX file."""
    where = f"embedder={path}"
    convert = "export it to ONNX with its own framework, and give the .onnx file"
    if path.is_dir():
        raise ConfigError("is a directory, and an embedder is one .onnx file", where, convert)
    if not path.exists():
        raise ConfigError("does not exist", where)
    if not path.is_file():
        raise ConfigError("is not a regular file", where, convert)
    if path.suffix.lower() != ".onnx":
        ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise ConfigError(f"{ending}, and only .onnx is read", where, convert)
    if path.stat().st_size == 0:
        raise ConfigError("is empty", where, "copy it again")


def _sequence(value: Any, key: str) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or hasattr(value, "keys"):
        raise ConfigError(f"must be a list, not {value!r}", key, f"write {key}=[...]")
    return tuple(value)


def _choice(value: Any, key: str) -> bool | None:
    """Return true or false, or None for auto."""
    if value is not True and value is not False and value != "auto":
        raise ConfigError(f"must be auto, true or false, not {value!r}", key)
    return None if value == "auto" else bool(value)
