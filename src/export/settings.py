"""Whether the settings of an export can work at all; nothing heavy is imported to find out."""

from pathlib import Path
from typing import Any

from kface.bundle.manifest import PRECISIONS
from kface.errors import ConfigError

#: ONNX operator sets that can be written: TensorRT 8.2, the Nano's, reads up to the first.
OPSETS = (13, 14, 15, 16, 17)
#: Of ``embedder.onnx``, which the fingerprint follows from.
CANONICAL_OPSET = 13
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


def check(config: Any) -> None:
    """Find out before minutes are spent whether the settings of an export can work.

    Whether the test sets can be read is for ``evaluate`` to say.

    Args:
        config: Of ``conf/export.yaml``, or of a stage that holds the same groups.

    Raises:
        ConfigError: A setting, named, cannot work.
    """
    _check_formats(config.formats)
    _check_precision(config.precision)
    _whole(config.parity.faces, "parity.faces", LEAST_FACES, 1000)
    _whole(config.thresholds.impostors, "thresholds.impostors", 100, 10**8)
    _whole(config.thresholds.replicates, "thresholds.replicates", 0, 10**5)
    _whole(config.seed, "seed", 0, 2**32 - 1)
    _check_preprocessing(config.preprocessing)
    if not isinstance(config.licence, str) or not config.licence.strip():
        raise ConfigError(f"must be a text, not {config.licence!r}", "licence", "use licence=auto")
    if config.embedder and config.run:
        raise ConfigError("exclude each other", "embedder and run", "leave one out")
    if config.output and not config.embedder:
        raise ConfigError("names an output of a foreign embedder", "output", "leave it out, or give embedder=FILE.onnx")
    if config.embedder:
        _check_forms_elsewhere(config.formats)
        if str(config.embedder).lower() != PRETRAINED:
            check_embedder(Path(str(config.embedder)).expanduser())
    out = Path(str(config.out)).expanduser() if config.out else None
    if out is not None and (out.exists() or out.is_symlink()) and not (out / "manifest.json").is_file():
        raise ConfigError("is there already, and is no bundle", f"out={out}", "give a new directory")


def _check_formats(formats: Any) -> None:
    _sequence(formats.opsets, "formats.opsets")
    if not formats.opsets:
        raise ConfigError("needs one opset at least", "formats.opsets", f"use formats.opsets=[{CANONICAL_OPSET}]")
    for opset in formats.opsets:
        check_opset(opset)
    _sequence(formats.fixed_batches, "formats.fixed_batches")
    for batch in formats.fixed_batches:
        if batch is None:
            raise ConfigError("a batch must be a whole number from 1 to 1024, not null", "formats.fixed_batches")
        check_batch(batch)
    if formats.uff is not True and formats.uff is not False and formats.uff != "auto":
        raise ConfigError(f"must be auto, true or false, not {formats.uff!r}", "formats.uff")
    _sequence(formats.engine_precisions, "formats.engine_precisions")
    stray = [one for one in formats.engine_precisions if one not in PRECISIONS]
    if stray:
        raise ConfigError(f"must be among {', '.join(PRECISIONS)}, not {stray[0]!r}", "formats.engine_precisions")
    if formats.engines is not True and formats.engines is not False and formats.engines != "auto":
        raise ConfigError(f"must be auto, true or false, not {formats.engines!r}", "formats.engines")


def _check_forms_elsewhere(formats: Any) -> None:
    """Refuse the forms that only kface's own networks have: they are made of a Keras model."""
    why = "a network that was trained elsewhere is not written in this form"
    if formats.uff is True:
        raise ConfigError(why, "formats.uff", "leave it out; TensorRT reads its embedder.onnx")
    if list(formats.opsets) != [CANONICAL_OPSET]:
        raise ConfigError(why, "formats.opsets", "leave it out: it keeps the operators that it comes with")


def _check_precision(precision: Any) -> None:
    for key in ("int8", "fp16"):
        if precision[key] is not True and precision[key] is not False and precision[key] != "auto":
            raise ConfigError(f"must be auto, true or false, not {precision[key]!r}", f"precision.{key}")
    if not _number(precision.allowed_loss) or not 0 <= precision.allowed_loss <= 1:
        raise ConfigError(f"must be from 0 to 1, not {precision.allowed_loss!r}", "precision.allowed_loss")
    if not _number(precision.seconds) or not 0 <= precision.seconds <= 600:
        raise ConfigError(f"must be a number of seconds from 0 to 600, not {precision.seconds!r}", "precision.seconds")
    _whole(precision.calibration_faces, "precision.calibration_faces", LEAST_CALIBRATION, 10**6)


def _check_preprocessing(given: Any) -> None:
    if str(given.colour).lower() not in ("auto", "rgb", "bgr"):
        raise ConfigError(f"must be rgb, bgr or auto, not {given.colour!r}", "preprocessing.colour")
    values = given.normalisation
    if values is None:
        return
    _sequence(values, "preprocessing.normalisation")
    if len(values) != 2 or not all(_number(value) for value in values) or not values[1] > 0:
        raise ConfigError(
            "must be [mean,divisor] with a positive divisor, such as [127.5,128]",
            f"preprocessing.normalisation={list(values)}",
        )


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


def _sequence(value: Any, key: str) -> None:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or hasattr(value, "keys"):
        raise ConfigError(f"must be a list, not {value!r}", key, f"write {key}=[...]")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _whole(value: Any, key: str, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"must be at least {least}, a whole number up to {most}, not {value!r}", key)
