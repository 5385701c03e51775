"""An export as its configuration describes it; nothing heavy is imported to find out whether it can work at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kface import checks
from kface.bundle.manifest import PRECISIONS
from kface.errors import ConfigError
from kface.evaluation.foreign.onnx_form import CANONICAL_OPSET
from kface.evaluation.settings import EvaluateSettings

#: ONNX operator sets that can be written: TensorRT 8.2, the Nano's, reads up to the first.
OPSETS = (13, 14, 15, 16, 17)
#: In place of a file: the network that export.pretrained fetches.
PRETRAINED = "pretrained"
#: Faces that every file is compared on at least: the largest batch of the comparison.
LEAST_FACES = 8
#: Faces that INT8 is calibrated on at least: fewer and the ranges are luck.
LEAST_CALIBRATION = 32


def check_opset(opset: Any, key: str = "formats.opsets") -> None:
    """Raise ConfigError where an opset cannot be written."""
    if isinstance(opset, bool) or opset not in OPSETS:
        raise ConfigError(f"an opset must be one of {', '.join(map(str, OPSETS))}, not {opset!r}", key)


def check_batch(batch: Any, key: str = "formats.fixed_batches") -> None:
    """Raise ConfigError where a batch is neither None nor a number of images."""
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 1024):
        raise ConfigError(f"a batch must be a whole number from 1 to 1024, not {batch!r}", key)


@dataclass(frozen=True)
class Formats:
    """What is written.

    Attributes:
        opsets: ONNX operator sets, with any batch.
        fixed_batches: Images a batch of further ONNX files of that one batch.
        uff: Whether to write UFF; None where the network decides.
        engines: Whether to build TensorRT engines; None where TensorRT is installed.
        engine_precisions: Of the engines.
    """

    opsets: tuple[int, ...]
    fixed_batches: tuple[int, ...]
    uff: bool | None
    engines: bool | None
    engine_precisions: tuple[str, ...]


@dataclass(frozen=True)
class Reduction:
    """The smaller networks beside the one of full precision.

    Attributes:
        int8: Whether INT8 is bundled; None where it is faster on a runtime here.
        fp16: The same of FP16.
        calibration_faces: Faces that INT8 is calibrated on.
        allowed_loss: In EER and in TAR at FAR 1e-2; what may lose more is not bundled.
        seconds: Of timing at each batch size.
    """

    int8: bool | None
    fp16: bool | None
    calibration_faces: int
    allowed_loss: float
    seconds: float


@dataclass(frozen=True)
class ExportJob:
    """An export as its configuration describes it.

    Attributes:
        evaluation: The pairs that all is judged on.
        run: The run's directory; None for the newest, or for a foreign embedder.
        embedder: A foreign embedder's file; None for a run's network, and for the pretrained one until it is fetched.
        pretrained: Whether the network is the one that :mod:`export.pretrained` fetches.
        output: The embedder's output that is the embedding; None where there is one only.
        out: The bundle's directory; None for one that is named after the network.
        output_dir: Directory of the runs.
        seed: Of the faces and pairs that are drawn.
        formats: What is written.
        precision: The smaller networks.
        colour: Of a foreign embedder's input: "auto", "rgb" or "bgr".
        normalisation: Mean and divisor of a foreign embedder's input; None tries them.
        parity_faces: Faces that every file is compared on.
        impostors: Most impostor pairs of the threshold table.
        replicates: Draws of people for the table's intervals.
        licence: Of the bundle as a whole; None for what is known.
        licence_of_data: Of what the network was trained on; None for what is known.
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
        """Read a job off ``conf/export.yaml``, and find out before minutes are spent whether it can work.

        Raises:
            ConfigError: A setting, named, cannot work.
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
            raise ConfigError("exclude each other", "embedder and run", "leave one out")
        if config["output"] and not given:
            raise ConfigError(
                "names an output of a foreign embedder", "output", "leave it out, or give embedder=FILE.onnx"
            )
        pretrained = bool(given) and str(given).lower() == PRETRAINED
        embedder = Path(str(given)).expanduser() if given and not pretrained else None
        if given:
            _check_forms_elsewhere(formats)
        if embedder is not None:
            check_embedder(embedder)
        out = Path(str(config["out"])).expanduser() if config["out"] else None
        if out is not None and (out.exists() or out.is_symlink()) and not (out / "manifest.json").is_file():
            raise ConfigError("is there already, and is no bundle", f"out={out}", "give a new directory")
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
        raise ConfigError("needs one opset at least", "formats.opsets", f"use formats.opsets=[{CANONICAL_OPSET}]")
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
    """Refuse the forms that only kface's own networks have: they are made of a Keras model."""
    why = "a network that was trained elsewhere is not written in this form"
    if formats.uff:
        raise ConfigError(why, "formats.uff", "leave it out; TensorRT reads its embedder.onnx")
    if formats.opsets != (CANONICAL_OPSET,):
        raise ConfigError(why, "formats.opsets", "leave it out: it keeps the operators that it comes with")


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
    """Find out whether a foreign embedder can be an ONNX file; raises ConfigError."""
    where = f"embedder={path}"
    convert = "export it to ONNX by its own framework, and give the .onnx file"
    if path.is_dir():
        raise ConfigError("is a directory, an embedder is one .onnx file", where, convert)
    if not path.exists():
        raise ConfigError("there is no such file", where)
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
