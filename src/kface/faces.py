"""The value object that the detector returns and everything else takes."""

from typing import Iterable, NamedTuple, Optional

import numpy as np

#: Order of the five landmarks, as seen in the image (the left eye is the one further left).
LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


class Faces(NamedTuple):
    """The faces found in one image, best score first.

    Attributes:
        boxes: float32 (n, 4), x1 y1 x2 y2 in pixels; may reach outside the image.
        scores: float32 (n,), the detector's confidence from 0 to 1.
        landmarks: float32 (n, 5, 2), x y in pixels, in the order of :data:`LANDMARK_NAMES`.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of faces (``len`` of a NamedTuple is its number of fields)."""
        return int(self.scores.shape[0])

    @property
    def areas(self) -> np.ndarray:
        """float32 (n,), box areas in square pixels."""
        sides = np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0)
        return sides[:, 0] * sides[:, 1]

    def take(self, which: np.ndarray) -> "Faces":
        """Return the faces that an index array or a boolean mask selects, in its order."""
        return Faces(self.boxes[which], self.scores[which], self.landmarks[which])

    def largest(self) -> Optional[int]:
        """Return the index of the face with the largest box, or None without faces."""
        return int(np.argmax(self.areas)) if self.count else None

    @classmethod
    def empty(cls) -> "Faces":
        """Return a value without faces."""
        return cls(np.zeros((0, 4), np.float32), np.zeros((0,), np.float32), np.zeros((0, 5, 2), np.float32))

    @classmethod
    def join(cls, parts: "Iterable[Faces]") -> "Faces":
        """Return the faces of all parts, one part after the other; without parts, no faces."""
        return cls(*(np.concatenate(values) for values in zip(cls.empty(), *parts)))
