"""What is under test: it turns images into templates and compares templates. One small interface, one table of engines."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

import kface
from kface.files import sha256_bytes

NO_TEMPLATE: Final = "no template was made"


@dataclass(frozen=True)
class EngineFacts:
    """What an engine is; two engines with equal facts give equal templates.

    Attributes:
        engine: Its name in :data:`ENGINES`.
        version: Of the program or library that runs.
        model: The bundle's name.
        fingerprint: The bundle's; empty where there is none.
        settings: What else decides what a template is: the detector's settings, runtime, precision, files' hashes.
    """

    engine: str
    version: str
    model: str
    fingerprint: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """SHA-256 of all of it, under which templates are kept."""
        return sha256_bytes(json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, default=str).encode("ascii"))


@dataclass(frozen=True)
class Enrolled:
    """What came out of one image.

    Attributes:
        data: The template, as the engine writes it; of the engine's `template_bytes` also where it failed.
        reason: Why it failed, such as "no face was found"; None where it did not.
    """

    data: bytes
    reason: str | None = None

    @property
    def failed(self) -> bool:
        """Whether there is nothing to compare: every match with it counts as a non-match."""
        return self.reason is not None


class Engine(ABC):
    """What is under test. A context manager.

    Attributes:
        facts: What it is.
        template_bytes: The size of a template.
    """

    facts: EngineFacts
    template_bytes: int

    @abstractmethod
    def enrol(self, images: Sequence[np.ndarray]) -> list[Enrolled]:
        """Return a template of the largest face of each image, uint8 (h, w, 3) RGB; one that failed says so.

        Raises:
            KFaceError: The engine itself cannot go on (memory, a damaged bundle); never because of an image.
        """

    @abstractmethod
    def scores(self, probes: np.ndarray, enrolments: np.ndarray) -> np.ndarray:
        """Return similarities from -1 to 1, float32 (n, m).

        Args:
            probes: uint8 (n, template_bytes), none that failed.
            enrolments: uint8 (m, template_bytes), none that failed.
        """

    def close(self) -> None:  # noqa: B027
        """Give back what the engine holds; not every engine holds something."""

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NullEngine(Engine):
    """Looks at no face: a template is the SHA-256 of the pixels, and similarities are as good as drawn.

    It checks the harness itself, as NIST's null implementation does: no image fails, and the EER is about a half.
    """

    template_bytes = 32

    def __init__(self) -> None:
        self.facts = EngineFacts("null", kface.__version__, "null", "")

    def enrol(self, images: Sequence[np.ndarray]) -> list[Enrolled]:
        """Return the hash of each image's shape and pixels."""
        return [Enrolled(hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).digest()) for image in images]

    def scores(self, probes: np.ndarray, enrolments: np.ndarray) -> np.ndarray:
        """Return the cosines of the hashes' bytes about their middle."""
        first, second = (_unit(part.astype(np.float32) - 127.5) for part in (probes, enrolments))
        return np.asarray(first @ second.T, np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
