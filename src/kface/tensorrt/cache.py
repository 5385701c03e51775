"""Keeps engines, so that a device builds each of them once."""

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
    """Return the engine of an ONNX file for this GPU and this TensorRT; build it where it is not there or is damaged.

    A second process that asks for the same engine waits for the first and takes what it built.

    Args:
        onnx_path: The network.
        sha256: Its expected hash; it is checked on the very bytes that the engine is built from.
        precision: One of :data:`kface.tensorrt.PRECISIONS`.
        profiles: Sizes of the inputs; the house's batches by default.
        calibrator: Batches for ``int8``.
        workspace_mib: Scratch memory that a layer may use, in MiB; no part of the key.
        directory: Where engines are kept; :func:`default_directory` where None.
        logger: Where TensorRT's warnings go; the module's own where None.
        memory: The GPU; the first one where None.

    Returns:
        The engine's path, with its sidecar beside it.

    Raises:
        ConfigError: TensorRT or the GPU is not there, or a setting does not fit them.
        ModelError: The file is absent, has another hash, or TensorRT refuses it; or the directory cannot be written, or
            other users can write it.
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
    """Return whether an engine is there, whole, and the one that is described."""
    try:
        found = sidecar.check(path, trust.read(path))
    except ModelError:
        return False
    return all(found.get(name) == value for name, value in described.items())


@contextlib.contextmanager
def _lock(folder: Path, name: str) -> Iterator[None]:
    """Hold a lock that the system drops when its holder dies."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(trust.FOLDER_MODE, exist_ok=True)
        trust.check_folder(folder)
        handle = os.open(str(folder / name), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ModelError("cannot be written ({})".format(error.strerror or error), folder, "set KFACE_ENGINES=DIR")
    try:
        # Windows has no such lock; two builders there both build, and the last one's file stays.
        lock(handle)
        yield
    finally:
        os.close(handle)
