"""A bundle's directory: the manifest is written last, and loading refuses a directory that differs from its manifest."""

import json
import os
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from kface import alignment
from kface.bundle.manifest import (
    DYNAMIC,
    FILE,
    NETWORKS,
    PRECISIONS,
    REMEDY,
    TOLERANCE,
    BundleFile,
    BundleManifest,
    PathLike,
    digest,
    parse,
)
from kface.errors import ConfigError, ModelError
from kface.fields import decode
from kface.files import sha256_file, write_json
from kface.networks.registry import RUNTIMES

#: Most bytes of a manifest.
LARGEST = 64 << 20
#: What :func:`load` compares with the manifest.
CHECKS = ("hashes", "sizes")
#: Prefix of the export's figure for the smallest cosine that it measured with a runtime; the runtime's name follows.
COSINE = "smallest cosine by "
#: How much cosines may vary from one set of faces to another.
SPREAD = 0.05
#: The directory of the detector's networks, with the manifest that :mod:`kface.mtcnn.weights` reads.
DETECTOR = "detector"
DETECTOR_MANIFEST = DETECTOR + "/manifest.json"


class Bundle(NamedTuple):
    """A bundle that has been checked.

    Attributes:
        directory: Its directory.
        manifest: Its manifest.

    Example:
        >>> bundle = load("bundle")  # doctest: +SKIP
        >>> file = bundle.embedder("onnxruntime")  # doctest: +SKIP
        >>> open_network(bundle.path(file.path), "onnxruntime", sha256=file.sha256)  # doctest: +SKIP
    """

    directory: Path
    manifest: BundleManifest

    def path(self, name: str) -> Path:
        """Return the path of a file.

        Args:
            name: Its path relative to the directory, with slashes.

        Raises:
            ModelError: The bundle has no such file.
        """
        return self.directory / self.manifest.file(name).path

    def embedder(self, runtime: str, precision: str = "fp32") -> BundleFile:
        """Return the embedder file that suits a runtime best: the first of :meth:`embedders`.

        Args:
            runtime: A name in :data:`kface.networks.RUNTIMES`.
            precision: "fp32", "fp16" or "int8".

        Raises:
            ConfigError: The runtime or the precision is unknown.
            ModelError: The bundle has no such file, or the runtime computes it wrongly; the message lists the precisions
                that can be used.
        """
        return self.embedders(runtime, precision)[0]

    def embedders(self, runtime: str, precision: str = "fp32") -> List[BundleFile]:
        """Return the embedder files that a runtime reads, the one that suits it best first; see :meth:`embedder`.

        One file of each format, in the runtime's order of preference. Of several files, one with a dynamic batch is
        preferred, then the oldest operator set: no runtime is faster with a newer one, and those of a Jetson Nano read at
        most 13 (TensorRT 8.2) or 15 (ONNX Runtime 1.10).
        """
        if precision not in PRECISIONS:
            raise ConfigError("unknown precision", precision, "choose one of: {}".format(", ".join(PRECISIONS)))
        fitting = self._fitting(runtime)
        found = [file for file in fitting if file.precision == precision]
        others = [other for other in PRECISIONS if any(file.precision == other for file in fitting)]
        remedy = "choose one of: {}".format(", ".join(others)) if others else "export one: kface export"
        formats = [form[1:] for form in RUNTIMES[runtime].formats]
        if not found:
            wrong = [
                file.path
                for file in self.manifest.files
                if file.role == "embedder" and file.format in formats and file.precision == precision
            ]
            if wrong:
                raise ModelError("{} is computed wrongly by {}".format(wrong[0], runtime), self.directory, remedy)
            raise ModelError(
                "has no embedder.{} of precision {} for {}".format(" or .".join(formats), precision, runtime),
                self.directory,
                remedy,
            )

        def order(file: BundleFile) -> Tuple[int, bool, int, str]:
            return formats.index(file.format), file.batch != DYNAMIC, file.opset or 0, file.path

        best: "OrderedDict[str, BundleFile]" = OrderedDict()
        for file in sorted(found, key=order):
            best.setdefault(file.format, file)
        return list(best.values())

    def precisions(self, runtime: str) -> List[str]:
        """Return the precisions of the embedder files that a runtime reads and computes correctly."""
        there = {file.precision for file in self._fitting(runtime)}
        return [precision for precision in PRECISIONS if precision in there]

    def _fitting(self, runtime: str) -> List[BundleFile]:
        if runtime not in RUNTIMES:
            raise ConfigError("unknown runtime", runtime, "choose one of: {}".format(", ".join(sorted(RUNTIMES))))
        known = RUNTIMES[runtime]
        return [
            file
            for file in self.manifest.files
            if file.role == "embedder"
            and "." + file.format in known.formats
            and file.precision in known.precisions
            and not _known_wrong(file, runtime)
        ]

    @property
    def detector_directory(self) -> Path:
        """Return the directory that :class:`kface.mtcnn.Detector` takes as `models`.

        Raises:
            ModelError: The bundle has no detector, or lacks the detector's manifest, which :mod:`kface.mtcnn` would
                write again.
        """
        self.path(DETECTOR_MANIFEST)
        return self.directory / DETECTOR


def best_cosine(file: BundleFile) -> Optional[float]:
    """Return the smallest cosine that the export measured with the runtime that computes a file best; None if unknown."""
    found = [value for key, value in (file.parity or {}).items() if key.startswith(COSINE) and _is_number(value)]
    return max(found) if found else None


def _known_wrong(file: BundleFile, runtime: str) -> bool:
    """Return whether the export found that a runtime computes this file differently from the others."""
    found = (file.parity or {}).get(COSINE + runtime)
    best = best_cosine(file)
    if best is None or found is None or not _is_number(found):
        return False
    return bool(found < min(TOLERANCE[str(file.precision)], best - SPREAD))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def write(directory: PathLike, manifest: BundleManifest) -> None:
    """Write a bundle's manifest after all its files, and check that the bundle can be loaded.

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
        directory: Its directory, which may have been moved or renamed.
        check: "hashes" reads every file; "sizes" checks only that each exists with its size, which is enough if networks
            are opened with their hash, as :func:`kface.networks.open_network` can.

    Raises:
        ConfigError: `check` is neither.
        ModelError: The directory is not a bundle, its manifest is damaged, edited or of another schema version, or a file
            (named) is missing, changed, a link out of the directory, or a network that the manifest does not list.
    """
    if check not in CHECKS:
        raise ConfigError("must be {}, not {!r}".format(" or ".join(CHECKS), check), "check")
    root = Path(directory)
    path = root / FILE
    try:
        # Pipes and devices have no end, and a manifest has a few kilobytes.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise ModelError("cannot be read (it is not a file, or too large)", path, "give a bundle's directory")
        document = decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError("is not a bundle ({} is missing)".format(FILE), directory, "export one: kface export")
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), path)
    except ValueError as error:
        raise ModelError("is damaged: not JSON ({})".format(error), path, REMEDY)
    manifest = parse(document, path)
    _check_alignment(manifest, path)
    _check(root, manifest, check == "hashes")
    return Bundle(root, manifest)


def _check_alignment(manifest: BundleManifest, path: Path) -> None:
    # Faces aligned to other points give other embeddings without any error.
    points = np.array(manifest.template.points, np.float32)
    if not np.array_equal(points, alignment.TEMPLATE) or manifest.preprocessing.size != (alignment.SIZE,) * 2:
        raise ModelError(
            "its faces are aligned to {} at {}x{}, which this program cannot do".format(
                manifest.template.name, *manifest.preprocessing.size
            ),
            path,
            "export the bundle again with this version: kface export",
        )


def _check(root: Path, manifest: BundleManifest, hashes: bool) -> None:
    """Compare a directory with its manifest, cheap checks first; raises ModelError."""
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


def _check_file(root: Path, file: BundleFile) -> None:
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
