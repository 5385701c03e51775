"""A frame as the detector sees it: as it is, or reduced for it (the paper's "DNN resize", Table 6)."""

from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np

from kface.errors import ImageError
from kface.faces import Faces


class Reduced(NamedTuple):
    """A frame for the detector, and the way back to the frame's pixels.

    Attributes:
        image: uint8 (h, w, 3), RGB.
        scale: float64 (2,), by which factors its width and height differ from the frame's.
    """

    image: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, rgb: np.ndarray, size: Optional[Tuple[int, int]]) -> "Reduced":
        """Reduce a frame until it fits into a width and a height; its proportions are kept, and it is never enlarged.

        Args:
            rgb: uint8 (h, w, 3), RGB.
            size: Width and height in pixels; None leaves it as it is.

        Raises:
            ImageError: It is not such an image.
        """
        if size is None:
            return cls(rgb, np.ones(2))
        if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ImageError("is not an RGB image: uint8 (h, w, 3) is needed")
        height, width = rgb.shape[:2]
        factor = min(size[0] / float(width), size[1] / float(height)) if width and height else 1.0
        if factor >= 1:
            return cls(rgb, np.ones(2))
        target = max(int(round(width * factor)), 1), max(int(round(height * factor)), 1)
        small = cv2.resize(rgb, target, interpolation=cv2.INTER_AREA)
        return cls(small, np.array([target[0] / float(width), target[1] / float(height)]))

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes (n, 4) of the frame in this image's pixels, float64."""
        reduced: np.ndarray = boxes * np.tile(self.scale, 2)
        return reduced

    def enlarged(self, faces: Faces) -> Faces:
        """Return faces that were found in this image in the frame's pixels."""
        if (self.scale == 1).all():
            return faces
        boxes = (faces.boxes / np.tile(self.scale, 2)).astype(np.float32)
        return Faces(boxes, faces.scores, (faces.landmarks / self.scale).astype(np.float32))
