"""A bundle's directory: written with its manifest last, and refused on loading where it is not what was written."""

import json
import os
import stat
from pathlib import Path
from typing import Dict, NamedTuple, Set, Tuple

import numpy as np

from kface import alignment
from kface.bundle.fields import decode
from kface.bundle.manifest import DYNAMIC, FILE, NETWORKS, PRECISIONS, REMEDY, File, Manifest, PathLike, digest, parse
from kface.errors import ConfigError, ModelError
from kface.files import sha256_file, write_json

#: What :func:`load` compares with the manifest.
CHECKS = ("hashes", "sizes")
#: The embedder's format by runtime.
FORMATS: Dict[str, str] = {
    "onnxruntime": "onnx",
    "openvino": "onnx",
    "opencv": "onnx",
    "tensorrt": "onnx",
    "tensorflow": "pb",
}
#: Where the detector's networks are; the manifest inside is the one that :mod:`kface.mtcnn.weights` reads.
DETECTOR = "detector"
DETECTOR_MANIFEST = DETECTOR + "/manifest.json"


class Bundle(NamedTuple):
    """A bundle that was checked.

    Attributes:
        directory: Where it is.
        manifest: What it says.

    Example:
        >>> bundle = load("bundle")  # doctest: +SKIP
        >>> file = bundle.embedder("onnxruntime")  # doctest: +SKIP
        >>> open_network(bundle.path(file.path), "onnxruntime", sha256=file.sha256)  # doctest: +SKIP
    """

    directory: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Return where a file is.

        Args:
            name: Its path below the directory, with slashes.

        Raises:
            ModelError: The bundle has no such file.
        """
        return self.directory / self.manifest.file(name).path

    def embedder(self, runtime: str, precision: str = "fp32") -> File:
        """Return the embedder's file that suits a runtime best.

        A dynamic batch is preferred, then the oldest operator set: no runtime is faster with a newer one, and those of a
        Jetson Nano read none above 13 (TensorRT 8.2) or 15 (ONNX Runtime 1.10).

        Args:
            runtime: "onnxruntime", "openvino", "opencv", "tensorrt" or "tensorflow".
            precision: "fp32", "fp16" or "int8".

        Raises:
            ConfigError: There is no such runtime or precision.
            ModelError: The bundle has no such file; the message lists the precisions it has.
        """
        if runtime not in FORMATS:
            raise ConfigError(
                "there is no such runtime", runtime, "choose one of: {}".format(", ".join(sorted(FORMATS)))
            )
        if precision not in PRECISIONS:
            raise ConfigError(
                "there is no such precision", precision, "choose one of: {}".format(", ".join(PRECISIONS))
            )
        form = FORMATS[runtime]
        suitable = [file for file in self.manifest.files if file.role == "embedder" and file.format == form]
        found = [file for file in suitable if file.precision == precision]
        if not found:
            others = sorted({str(file.precision) for file in suitable})
            raise ModelError(
                "has no embedder.{} of precision {} for {}".format(form, precision, runtime),
                self.directory,
                "choose one of: {}".format(", ".join(others)) if others else "export one: make export",
            )

        def order(file: File) -> Tuple[bool, int, str]:
            return file.batch != DYNAMIC, file.opset or 0, file.path

        return min(found, key=order)

    @property
    def detector_directory(self) -> Path:
        """Return the directory that :class:`kface.mtcnn.Detector` takes as `models`.

        Raises:
            ModelError: The bundle has no detector, or lacks its manifest: :mod:`kface.mtcnn` would make it anew there.
        """
        self.path(DETECTOR_MANIFEST)
        return self.directory / DETECTOR


def write(directory: PathLike, manifest: Manifest) -> None:
    """Write a bundle's manifest once all its files are in place; what is written can be loaded.

    Raises:
        ModelError: A field has a wrong type or value, a file is not what the manifest says, or the disk is full.
    """
    root = Path(directory)
    path = root / FILE
    names = [file.path for file in manifest.files]
    for name in names:
        if names.count(name) > 1:
            raise ModelError("is in the manifest twice", root / name, "describe each file once")
    try:
        document = decode(json.dumps(manifest.as_dict(), allow_nan=False).encode("utf-8"))
    except (TypeError, ValueError) as error:
        raise ModelError("cannot be written as JSON ({})".format(error), path)
    document["digest"] = digest(document)
    _check_alignment(parse(document, path), path)
    _check(root, manifest, hashes=True)
    try:
        write_json(path, document)
    except OSError as error:
        raise ModelError("cannot be written ({})".format(error.strerror or error), path)


def load(directory: PathLike, check: str = "hashes") -> Bundle:
    """Open a bundle.

    Args:
        directory: Where it is; it may have been moved or renamed as a whole.
        check: "hashes" reads every file, "sizes" only looks whether each is there with its size. The latter is enough where
            networks are opened with their hash, as :func:`kface.networks.open_network` can.

    Raises:
        ConfigError: `check` is neither.
        ModelError: There is no bundle, its manifest is damaged, edited or of another schema version, or a file (named) is
            missing, changed, a link out of the directory, or a network that the manifest does not list.
    """
    if check not in CHECKS:
        raise ConfigError("must be {}, not {!r}".format(" or ".join(CHECKS), check), "check")
    root = Path(directory)
    path = root / FILE
    try:
        document = decode(path.read_bytes())
    except FileNotFoundError:
        raise ModelError("there is no bundle ({} is missing)".format(FILE), directory, "export one: make export")
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), path)
    except ValueError as error:
        raise ModelError("is damaged: not JSON ({})".format(error), path, REMEDY)
    manifest = parse(document, path)
    _check_alignment(manifest, path)
    _check(root, manifest, check == "hashes")
    return Bundle(root, manifest)


def _check_alignment(manifest: Manifest, path: Path) -> None:
    # Faces aligned to other points give other embeddings, without any error: better none at all.
    points = np.array(manifest.template.points, np.float32)
    if not np.array_equal(points, alignment.TEMPLATE) or manifest.preprocessing.size != (alignment.SIZE,) * 2:
        raise ModelError(
            "its faces are aligned to {} at {}x{}, which this program cannot do".format(
                manifest.template.name, *manifest.preprocessing.size
            ),
            path,
            "export the bundle again with this version: make export",
        )


def _check(root: Path, manifest: Manifest, hashes: bool) -> None:
    """Compare a directory with its manifest, what is quick first; raises ModelError."""
    for file in manifest.files:
        _check_file(root, file)
    _check_unlisted(root, {file.path for file in manifest.files})
    for file in manifest.files if hashes else ():
        try:
            changed = sha256_file(root / file.path) != file.sha256
        except OSError as error:
            raise ModelError("cannot be read ({})".format(error.strerror or error), root / file.path)
        if changed:
            raise ModelError("was changed: its SHA-256 is not the manifest's", root / file.path, REMEDY)


def _check_file(root: Path, file: File) -> None:
    place = root / file.path
    try:
        found = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError("is missing", place, REMEDY)
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), place)
    if not stat.S_ISREG(found.st_mode):
        raise ModelError("is not a file", place, REMEDY)
    if found.st_size != file.bytes:
        raise ModelError("has {} bytes, not the {} that were written".format(found.st_size, file.bytes), place, REMEDY)


def _check_unlisted(root: Path, listed: Set[str]) -> None:
    home = os.path.realpath(str(root))

    def refuse(error: OSError) -> None:
        raise ModelError("cannot be read ({})".format(error.strerror or error), error.filename)

    for folder, folders, names in os.walk(str(root), onerror=refuse):
        for name in folders + names:
            place = os.path.join(folder, name)
            target = os.path.realpath(place)
            if target != home and not target.startswith(home.rstrip(os.sep) + os.sep):
                raise ModelError("is a link that leads out of the bundle", place, "put the file itself there")
            path = os.path.relpath(place, str(root)).replace(os.sep, "/")
            if name.lower().endswith(NETWORKS) and path not in listed:
                raise ModelError("is a network that the manifest does not list", place, "remove it, or " + REMEDY)
