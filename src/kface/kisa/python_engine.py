"""The Python chain under test: :class:`kface.recognizer.FaceRecognizer` on a bundle."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import kface
from kface import bundle
from kface.bundle.directory import DETECTOR_MANIFEST
from kface.errors import ImageError
from kface.kisa.engines import NO_TEMPLATE, Engine, EngineFacts, Enrolled
from kface.networks.registry import version
from kface.recognizer import FaceRecognizer

#: Packages of kface that no template passes through.
ASIDE = ("kisa", "data", "evaluation", "verification", "commands", "check", "gallery", "library", "streams")


def sources_sha256(package: Path = Path(kface.__file__).parent) -> str:
    """Return the SHA-256 of kface's sources that make templates: an edited copy has the version number of the original."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if inside.parts[0] not in ASIDE:
            content = path.read_bytes()
            digest.update(f"{inside.as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


class PythonEngine(Engine):
    """Templates are embeddings, float32 of length 1, little-endian.

    Args:
        directory: The bundle's.
        runtime: See :meth:`kface.recognizer.FaceRecognizer.load`.
        precision: The embedder's.
        detector: ``min_face``, ``thresholds``, ``factor`` and ``brighten``.

    Raises:
        ConfigError: A setting is wrong.
        ModelError: It is no bundle, or a damaged one.
    """

    def __init__(
        self,
        directory: Path,
        runtime: str = "auto",
        precision: str = "fp32",
        detector: Mapping[str, Any] | None = None,
    ) -> None:
        manifest = bundle.load(directory, check="sizes").manifest
        self._recognizer = FaceRecognizer.load(directory, runtime, precision, detector=detector)
        embedder = self._recognizer.embedder
        self.template_bytes = 4 * embedder.size
        self.facts = EngineFacts(
            "python",
            kface.__version__,
            manifest.name,
            manifest.fingerprint,
            {
                "runtime": embedder.runtime,
                "runtime_version": version(embedder.runtime),
                "precision": precision,
                "embedder_sha256": embedder.file.sha256,
                "detector_sha256": manifest.file(DETECTOR_MANIFEST).sha256,
                "detector": dict(detector or {}),
                # Another version decodes and resizes a little differently.
                "opencv": cv2.__version__,
                "python": platform.python_version(),
                "sources_sha256": sources_sha256(),
            },
        )

    def enrol(self, images: Sequence[np.ndarray]) -> list[Enrolled]:
        """Return the embedding of each image's largest face."""
        try:
            found = self._recognizer.embed(list(images))
        except ImageError:
            # One of them is nothing that a detector takes: which one, each by itself tells.
            return [self._alone(image) for image in images]
        return [
            Enrolled(
                vector.astype("<f4").tobytes(),
                (reason or NO_TEMPLATE) if failed else None,
            )
            for vector, failed, reason in zip(found.embeddings, found.failed, found.reasons, strict=True)
        ]

    def _alone(self, image: np.ndarray) -> Enrolled:
        try:
            found = self._recognizer.embed(image)
        except ImageError as error:
            return Enrolled(bytes(self.template_bytes), error.what)
        reason = (found.reasons[0] or NO_TEMPLATE) if found.failed[0] else None
        return Enrolled(found.embeddings[0].astype("<f4").tobytes(), reason)

    def scores(self, probes: np.ndarray, enrolments: np.ndarray) -> np.ndarray:
        """Return cosines."""
        first, second = (np.ascontiguousarray(part).view("<f4") for part in (probes, enrolments))
        return np.asarray(first @ second.T, np.float32)

    def close(self) -> None:
        """Give the networks' memory back."""
        self._recognizer.close()
