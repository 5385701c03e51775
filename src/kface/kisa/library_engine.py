"""The C++ library under test, through :mod:`kface.library`: the very code that is handed in."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kface import bundle
from kface.errors import ConfigError, ImageError
from kface.files import sha256_file
from kface.kisa.engines import NO_TEMPLATE, Engine, EngineFacts, Enrolled
from kface.mtcnn import settings as mtcnn
from kface.recognizer.settings import read_settings

#: The bundle's file of settings, which the library reads itself.
DEPLOY = "deploy.yaml"


class LibraryEngine(Engine):
    """Templates are the library's own, which only the library reads; it compares them too.

    Args:
        directory: The bundle's.
        library: The library's file or folder; by default where :mod:`kface.library` finds it.
        embedder: The file of the bundle to read: "onnx" or "pb"; None for the library's choice.
        detector: ``min_face`` and ``brighten``, and ``thresholds`` and ``factor``, which the library reads from the bundle.

    Raises:
        ConfigError: A setting is wrong, or contradicts the bundle's deploy.yaml.
        ModelError: There is no library, or no bundle that it can run.
    """

    def __init__(
        self,
        directory: Path,
        library: Path | None = None,
        embedder: str | None = None,
        detector: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            binding: Any = importlib.import_module("kface.library")
        except ImportError:
            raise ConfigError("this kface has no C++ library", "engine=library", "use engine=python")
        manifest = bundle.load(directory, check="sizes").manifest
        detector = dict(detector or {})
        cascade = _cascade(directory)
        for key, value in cascade.items():
            if key in detector and detector[key] != value:
                raise ConfigError(
                    f"is {detector[key]}, and engine=library reads {value} from {DEPLOY} of the bundle",
                    f"detector.{key}",
                    "set both to the same",
                )
        min_face, brighten = detector.get("min_face"), detector.get("brighten")
        opened = binding.Library(library)
        self._engine = opened.open(directory, embedder=embedder, min_face=min_face, brighten=brighten)
        self.template_bytes = int(self._engine.template_size)
        self.facts = EngineFacts(
            "library",
            opened.version,
            manifest.name,
            self._engine.fingerprint,
            {
                "library_sha256": sha256_file(opened.path),
                "embedder": embedder or "the library's choice",
                # The library may have read another file of the bundle, and reads the detector's too.
                "bundle": sorted((file.path, file.sha256) for file in manifest.files if file.format in ("onnx", "pb")),
                "detector": {
                    "min_face": min_face,
                    "brighten": None if brighten is None else list(brighten),
                    **cascade,
                },
            },
        )

    def enrol(self, images: Sequence[np.ndarray]) -> list[Enrolled]:
        """Return the library's template of each image's largest face."""
        return [self._one(image) for image in images]

    def _one(self, image: np.ndarray) -> Enrolled:
        try:
            made = self._engine.enrol(image, failures=True)
        except ImageError as error:
            return Enrolled(bytes(self.template_bytes), error.what)
        return Enrolled(made.data, (str(made.reason or "") or NO_TEMPLATE) if made.failed else None)

    def scores(self, probes: np.ndarray, enrolments: np.ndarray) -> np.ndarray:
        """Return the library's similarities."""
        rows, columns = ([row.tobytes() for row in part] for part in (probes, enrolments))
        return np.asarray(self._engine.match_many(rows, columns), np.float32)

    def close(self) -> None:
        """Close the library's handle."""
        self._engine.close()


def _cascade(directory: Path) -> dict[str, Any]:
    """Return the detector's thresholds and factor in a bundle's deploy.yaml; the defaults where it has none."""
    path = directory / DEPLOY
    given = read_settings(path).get("detector", {}) if path.is_file() else {}
    found = {"thresholds": mtcnn.THRESHOLDS, "factor": mtcnn.FACTOR, **given}
    return {"thresholds": list(found["thresholds"]), "factor": found["factor"]}
