"""What is checked: programs that find, align and embed faces, one stage at a time."""

from typing import Dict, List, Optional, Sequence

import cv2
import numpy as np

from kface import alignment
from kface.bundle import Bundle, BundleFile
from kface.bundle.golden import DetectorSettings
from kface.bundle.manifest import PRECISIONS
from kface.errors import ModelError
from kface.faces import Faces
from kface.mtcnn import Detector
from kface.networks import RUNTIMES
from kface.networks.registry import version
from kface.recognizer.embedder import Embedder


class Chain:
    """A program that recognises faces with a bundle. It opens a network when it is first used.

    Attributes:
        runtime: What computes the networks, such as "onnxruntime" or "library".
        aligner: What cuts the crops; chains of the same aligner need its stage checked once only.
        computes: The precision in which it computes a file of full precision: "fp32" or "fp16".
        finds_faces: Whether it runs the detector itself.
        files: The embedder's files that it runs; the first is the one that it prefers.
    """

    runtime = ""
    aligner = ""
    computes = "fp32"
    finds_faces = True
    files: Sequence[BundleFile] = ()

    def version(self) -> str:
        """Return the version of what computes; it may be "unknown" until a network has been opened."""
        raise NotImplementedError  # pragma: no cover - every chain has its own

    def aligner_version(self) -> str:
        """Return the version of what cuts the crops."""
        raise NotImplementedError  # pragma: no cover - every chain has its own

    def detect(self, rgb: np.ndarray) -> Faces:
        """Return the faces of uint8 (h, w, 3) RGB, found with the golden vectors' settings; raises KFaceError."""
        raise NotImplementedError  # pragma: no cover - every chain has its own

    def align(self, rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return uint8 (n, 112, 112, 3) RGB, the crops at landmarks (n, 5, 2); raises KFaceError."""
        raise NotImplementedError  # pragma: no cover - every chain has its own

    def embed(self, crops: np.ndarray, file: BundleFile) -> np.ndarray:
        """Return float32 (n, d) of length 1, the embeddings of crops by one of :attr:`files`; raises KFaceError."""
        raise NotImplementedError  # pragma: no cover - every chain has its own

    def close(self) -> None:
        """Give the networks' memory back."""


class PythonChain(Chain):
    """kface's own chain with one runtime.

    Args:
        bundle: The bundle.
        runtime: A name in :data:`kface.networks.RUNTIMES` that is installed.
        settings: The golden vectors'; None where the bundle has no golden pictures.
    """

    aligner = "opencv"

    def __init__(self, bundle: Bundle, runtime: str, settings: Optional[DetectorSettings]) -> None:
        self.runtime = runtime
        self.computes = RUNTIMES[runtime].computes
        self._bundle = bundle
        self._settings = settings
        # As the recogniser does: where the embedder's runtime does not read ONNX, another one finds the faces.
        self.finds_faces = ".onnx" in RUNTIMES[runtime].formats
        self._finder = runtime if self.finds_faces else "auto"
        self._detector: Optional[Detector] = None
        self._embedders: Dict[str, Embedder] = {}
        self.files = _files(bundle, runtime)

    def version(self) -> str:
        """See :meth:`Chain.version`."""
        return version(self.runtime)

    def aligner_version(self) -> str:
        """See :meth:`Chain.aligner_version`."""
        return str(cv2.__version__)

    def detect(self, rgb: np.ndarray) -> Faces:
        """See :meth:`Chain.detect`."""
        if self._detector is None:
            if self._settings is None:
                raise ModelError("has no golden pictures", self._bundle.directory, "export it again: kface export")
            settings = self._settings
            self._detector = Detector(
                self._bundle.detector_directory,
                settings.min_face,
                settings.thresholds,
                settings.factor,
                runtime=self._finder,
            )
        return self._detector.detect(rgb)

    def align(self, rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See :meth:`Chain.align`."""
        return alignment.align(rgb, landmarks)

    def embed(self, crops: np.ndarray, file: BundleFile) -> np.ndarray:
        """See :meth:`Chain.embed`."""
        if file.path not in self._embedders:
            self._embedders[file.path] = Embedder.of_file(self._bundle, self.runtime, file)
        return self._embedders[file.path].run(crops).vectors

    def close(self) -> None:
        """See :meth:`Chain.close`."""
        for embedder in self._embedders.values():
            embedder.close()
        self._embedders.clear()
        if self._detector is not None:
            self._detector.close()
            self._detector = None


def _files(bundle: Bundle, runtime: str) -> List[BundleFile]:
    """Return the embedder's files that a runtime may be given: those that the export found it to compute rightly."""
    found: List[BundleFile] = []
    for precision in PRECISIONS:
        try:
            found += bundle.embedders(runtime, precision)
        except ModelError:
            continue
    return found
