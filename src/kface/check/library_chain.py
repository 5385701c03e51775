"""The C++ library as a program to check, through its wrapper :mod:`kface.library`."""

import importlib
import importlib.util
from typing import Any, Dict, Optional

import numpy as np

from kface.bundle import Bundle, BundleFile
from kface.bundle.golden import DetectorSettings
from kface.check.chain import Chain
from kface.errors import ModelError
from kface.faces import Faces

#: The wrapper, and the formats that the library reads.
WRAPPER = "kface.library"
FORMATS = ("pb", "onnx")


class LibraryChain(Chain):
    """The C++ library.

    Args:
        library: A ``kface.library.Library``.
        bundle: The bundle.
        settings: The golden vectors'. The library takes the smallest face from here, and thresholds and factor from the
            bundle's ``deploy.yaml``.
    """

    runtime = "library"
    aligner = "library"

    def __init__(self, library: Any, bundle: Bundle, settings: Optional[DetectorSettings]) -> None:
        self._library = library
        self._bundle = bundle
        self._settings = settings
        self._engines: Dict[str, Any] = {}
        found = [
            file
            for file in bundle.manifest.files
            if file.path in [f"embedder.{form}" for form in FORMATS] and file.precision == "fp32"
        ]
        self.files = sorted(found, key=lambda file: FORMATS.index(file.format))

    def version(self) -> str:
        """See :meth:`Chain.version`."""
        return str(self._library.version)

    def aligner_version(self) -> str:
        """See :meth:`Chain.aligner_version`."""
        return self.version()

    def detect(self, rgb: np.ndarray) -> Faces:
        """See :meth:`Chain.detect`."""
        found: Faces = self._engine(self.files[0]).detect(rgb)
        return found

    def align(self, rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See :meth:`Chain.align`."""
        return np.asarray(self._engine(self.files[0]).align(rgb, landmarks))

    def embed(self, crops: np.ndarray, file: BundleFile) -> np.ndarray:
        """See :meth:`Chain.embed`."""
        return np.asarray(self._engine(file).embed(crops))

    def _engine(self, file: BundleFile) -> Any:
        if file.path not in self._engines:
            self._engines[file.path] = self._library.open(
                self._bundle.directory,
                embedder=file.format,
                min_face=None if self._settings is None else self._settings.min_face,
                brighten=(),
            )
        return self._engines[file.path]

    def close(self) -> None:
        """See :meth:`Chain.close`."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()


def library_chain(bundle: Bundle, settings: Optional[DetectorSettings]) -> Optional[LibraryChain]:
    """Return the library's chain; None if the wrapper is not installed, or the library has not been built."""
    if importlib.util.find_spec(WRAPPER) is None:
        return None
    try:
        return LibraryChain(importlib.import_module(WRAPPER).Library(), bundle, settings)
    except ModelError:
        return None
