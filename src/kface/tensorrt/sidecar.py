"""The sidecar of an engine: what it was built from and for, and the hash of its bytes.

TensorRT does not check a plan before running it, so an engine is deserialised only after its hash has been compared.
"""

import json
import os
from typing import Any, Dict, Optional, Union

from kface.errors import ModelError
from kface.files import sha256_bytes, write_atomic, write_json
from kface.strict_json import decode
from kface.tensorrt import trust
from kface.tensorrt.memory import Memory

PathLike = Union[str, "os.PathLike[str]"]

#: Raised whenever the same description would give another engine.
SCHEMA = 1
REMEDY = "remove it and build the engine again"


def path_of(engine: PathLike) -> str:
    """Return the sidecar's path."""
    return os.fspath(engine) + ".json"


def description(
    trt: Any, memory: Memory, onnx_sha256: str, precision: str, profiles: Any, calibrator: Optional[Any]
) -> Dict[str, Any]:
    """Return everything that determines an engine, ready for JSON."""
    if isinstance(profiles, dict):
        profiles = {name: [list(map(int, size)) for size in sizes] for name, sizes in profiles.items()}
    return {
        "schema": SCHEMA,
        "onnx": onnx_sha256,
        "tensorrt": str(trt.__version__),
        "gpu": memory.gpu,
        "precision": precision,
        "profiles": profiles,
        "calibration": calibrator.name if calibrator is not None and precision == "int8" else None,
    }


def write(engine: PathLike, plan: bytes, described: Dict[str, Any]) -> Dict[str, Any]:
    """Write an engine and its sidecar, and return the content of the sidecar.

    Raises:
        ModelError: They cannot be written.
    """
    found = dict(described, sha256=sha256_bytes(plan), bytes=len(plan))
    try:
        write_atomic(engine, plan, trust.FILE_MODE)
        # The sidecar is written last: an engine without one, or with an older one, is refused.
        write_json(path_of(engine), found, trust.FILE_MODE)
    except OSError as error:
        raise ModelError(
            "cannot be written ({})".format(error.strerror or error), engine, "free space or choose a folder"
        )
    return found


def check(engine: PathLike, plan: bytes) -> Dict[str, Any]:
    """Compare an engine's bytes with its sidecar and return the content of the sidecar.

    Raises:
        ModelError: The sidecar is missing or damaged, could have been written by another user, or belongs to another engine.
    """
    path = path_of(engine)
    try:
        found = decode(trust.read(path))
        schema, expected = found["schema"], found["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ModelError("is damaged", path, REMEDY)
    if schema != SCHEMA:
        raise ModelError("has schema version {} instead of {}".format(json.dumps(schema)[:60], SCHEMA), path, REMEDY)
    if sha256_bytes(plan) != expected:
        raise ModelError("is not the engine that was built (its SHA-256 differs)", engine, REMEDY)
    return dict(found)
