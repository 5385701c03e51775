"""Converts the weights in the ``mtcnn`` wheel to ONNX files, once, and keeps them with their hashes."""

import importlib.util
import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import numpy as np

from kface.errors import ModelError
from kface.files import read_json, sha256_bytes, write_atomic, write_json
from kface.networks.registry import RUNTIMES
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]

NAMES = ("pnet", "rnet", "onet")
#: P-Net's canvas form (:mod:`kface.mtcnn.canvas`).
CANVAS = "pnet.canvas.onnx"
#: Incremented whenever the same wheel would give other files.
SCHEMA = 3
#: SHA-256 of the weight files in mtcnn 1.0.0. They are joblib pickles, and a pickle can run code when it is read: only
#: files with exactly these bytes, which hold lists of float32 arrays and nothing else, are ever unpickled.
WHEEL_SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


class OutdatedError(ModelError):
    """Networks of an older version."""


def default_directory() -> Path:
    """Return the networks' directory: KFACE_MODELS, or a folder in the user's cache."""
    named = os.environ.get("KFACE_MODELS")
    if named:
        return Path(named)
    return user_folder("cache") / "mtcnn-1.0.0-{}".format(SCHEMA)


def prepare(directory: Optional[PathLike] = None) -> Path:
    """Write the ONNX files where they are missing or of an older version, and return their directory.

    Those of a bundle are never rewritten: the bundle was verified with them.

    Raises:
        ModelError: The wheel is absent or is another version, or the directory cannot be written.
    """
    target = Path(directory) if directory is not None else default_directory()
    outdated: Optional[OutdatedError] = None
    if (target / "manifest.json").is_file():
        try:
            hashes(target)
            return target
        except OutdatedError as error:
            if _in_bundle(target):
                raise
            outdated = error
    from kface.mtcnn import canvas, graphs

    try:
        source = _wheel()
    except ModelError as error:
        raise outdated or error
    arrays = {name: _load(source, name) for name in NAMES}
    made = {
        _file(name, split): getattr(graphs, name)(arrays[name], split).SerializeToString()
        for name in NAMES
        for split in (False, True)
    }
    made[CANVAS] = canvas.network(made[_file("pnet", False)])
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, data in made.items():
            write_atomic(target / name, data)
        # The manifest is written last: where it exists, the networks are complete.
        write_json(
            target / "manifest.json",
            {
                "schema": SCHEMA,
                "source": "mtcnn 1.0.0 (MIT)",
                "files": {name: sha256_bytes(data) for name, data in made.items()},
            },
        )
    except OSError as error:
        raise ModelError("cannot be written ({})".format(error.strerror or error), target, "set KFACE_MODELS=DIR")
    return target


def _in_bundle(directory: PathLike) -> bool:
    place = Path(os.path.abspath(str(directory)))
    return place.name == "detector" and (place.parent / "manifest.json").is_file()


def _file(name: str, split: bool) -> str:
    return name + (".split.onnx" if split else ".onnx")


def files(directory: PathLike, runtime: str) -> Dict[str, Tuple[Path, str]]:
    """Return each network's file and its SHA-256, by name, in the form that suits a runtime.

    Raises:
        ModelError: The manifest is missing, damaged or of another version.
    """
    form = RUNTIMES[runtime].detector_form
    named = {name: _file(name, form == "split") for name in NAMES}
    if form == "canvas":
        named["pnet"] = CANVAS
    return _with_hashes(directory, named)


def plain_files(directory: PathLike) -> Dict[str, Tuple[Path, str]]:
    """Return each network's file in its plain form and its SHA-256, by name; raises as :func:`files` does."""
    return _with_hashes(directory, {name: _file(name, False) for name in NAMES})


def _with_hashes(directory: PathLike, named: Dict[str, str]) -> Dict[str, Tuple[Path, str]]:
    known = hashes(directory)
    return {name: (Path(directory) / file, known[file]) for name, file in named.items()}


def hashes(directory: PathLike) -> Dict[str, str]:
    """Return the files' SHA-256 by name, from the directory's manifest.

    Raises:
        ModelError: The manifest is missing, damaged or of another version.
    """
    path = Path(directory) / "manifest.json"
    remedy = "remove {} and run: python -m kface.mtcnn prepare".format(directory)
    if _in_bundle(directory):
        remedy = "export the bundle again: kface export"
    try:
        manifest = read_json(path, 1 << 20)
        # Checked first: another version may have other files.
        schema = manifest["schema"]
        if type(schema) is not int:
            raise ValueError("no version")
        if schema != SCHEMA:
            kind = OutdatedError if schema < SCHEMA else ModelError
            raise kind("has schema version {}, this program reads {}".format(schema, SCHEMA), path, remedy)
        names = [_file(name, split) for name in NAMES for split in (False, True)] + [CANVAS]
        found = {name: str(manifest["files"][name]) for name in names}
    except OSError as error:
        raise ModelError(
            "cannot be read ({})".format(error.strerror or error), path, "run: python -m kface.mtcnn prepare"
        )
    except (ValueError, KeyError, TypeError):
        raise ModelError("is damaged", path, remedy)
    return found


def _wheel() -> Path:
    # The package is found but not imported: importing it would import TensorFlow.
    spec = importlib.util.find_spec("mtcnn")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "is not installed, and its networks have not been converted here",
            "mtcnn",
            "install mtcnn 1.0.0, or copy a converted directory here and set KFACE_MODELS to it",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "assets" / "weights"


def _load(source: Path, name: str) -> List[np.ndarray]:
    path = source / (name + ".lz4")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), path, "install mtcnn 1.0.0")
    if sha256_bytes(data) != WHEEL_SHA256[name]:
        raise ModelError("is not the file of mtcnn 1.0.0 (its SHA-256 differs)", path, "install mtcnn 1.0.0")
    import io

    import joblib

    return list(joblib.load(io.BytesIO(data)))
