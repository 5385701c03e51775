"""A cache of engines, so that a device builds each of them once."""

import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Union

from kface.errors import ModelError
from kface.locks import lock
from kface.tensorrt import api, sidecar, trust
from kface.tensorrt.builder import BY_SIDE, Profiles, build_from, check_settings, read_source
from kface.tensorrt.calibrator import Calibrator
from kface.tensorrt.memory import Memory, open_memory
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]


def default_directory() -> Path:
    """Return where engines are kept: KFACE_ENGINES, or a folder in the user's cache."""
    named = os.environ.get("KFACE_ENGINES")
    if named:
        return Path(named)
    return user_folder("cache") / "engines"


def get_engine(
    onnx_path: PathLike,
    sha256: Optional[str] = None,
    precision: str = "fp16",
    profiles: Profiles = BY_SIDE,
    calibrator: Optional[Calibrator] = None,
    workspace_mib: int = 256,
    directory: Optional[PathLike] = None,
    logger: Optional[logging.Logger] = None,
    memory: Optional[Memory] = None,
) -> Path:
    """Return the engine of an ONNX file for this GPU and this TensorRT; it is built if it is missing or damaged.

    A second process that needs the same engine waits for the first and uses its engine.

    Args:
        onnx_path: The network.
        sha256: Its expected hash; it is checked on the bytes from which the engine is built.
        precision: One of :data:`kface.tensorrt.PRECISIONS`.
        profiles: Sizes of the inputs; by default those of :data:`BY_SIDE`.
        calibrator: Batches for ``int8``.
        workspace_mib: Scratch memory that a layer may use, in MiB; not part of the key.
        directory: Directory of the engines; :func:`default_directory` if None.
        logger: Receives TensorRT's warnings; the module's own logger if None.
        memory: The GPU; the first one if None.

    Returns:
        The engine's path; its sidecar is in the same folder.

    Raises:
        ConfigError: TensorRT or the GPU is not available, or a setting does not fit them.
        ModelError: The file is missing, has another hash, or is refused by TensorRT; or the directory is not writable, or
            other users can write to it.
    """
    check_settings(precision, workspace_mib)
    source = read_source(onnx_path, sha256)
    trt = api.tensorrt()
    memory = memory or open_memory()
    described = sidecar.description(trt, memory, source.sha256, precision, profiles, calibrator)
    folder = Path(directory) if directory is not None else default_directory()
    path = folder / "{}-{}-{}.engine".format(Path(source.path).stem, precision, _key(described))
    if folder.exists():
        trust.check_folder(folder)
    if _good(path, described):
        return path
    with _lock(folder, path.name + ".lock"):
        if not _good(path, described):
            build_from(source, path, precision, profiles, calibrator, workspace_mib, logger, memory)
    return path


def _key(described: Dict[str, Any]) -> str:
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _good(path: Path, described: Dict[str, Any]) -> bool:
    """Return whether an engine exists, is intact, and fits the description."""
    try:
        found = sidecar.check(path, trust.read(path))
    except ModelError:
        return False
    return all(found.get(name) == value for name, value in described.items())


@contextlib.contextmanager
def _lock(folder: Path, name: str) -> Iterator[None]:
    """Hold a lock that the system releases when its holder dies."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(trust.FOLDER_MODE, exist_ok=True)
        trust.check_folder(folder)
        handle = os.open(str(folder / name), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ModelError("cannot be written ({})".format(error.strerror or error), folder, "set KFACE_ENGINES=DIR")
    try:
        # Windows has no such lock: two processes there both build, and the last file stays.
        lock(handle)
        yield
    finally:
        os.close(handle)
