"""The base class of what finds faces: the cascade, what wraps it, and the tests' own detectors."""

from typing import List, Optional, Sequence, Tuple

import numpy as np

from kface.faces import Faces


class FaceDetector(object):
    """Finds faces in images.

    Attributes:
        min_face: Side of the smallest face it finds, in pixels; 0 where it has no limit.
        brighten: Names in :data:`kface.mtcnn.brighten.WAYS`: how it brightens images in which it finds too few faces.
    """

    min_face: float = 0.0
    brighten: Tuple[str, ...] = ()

    def detect_many(self, images: Sequence[np.ndarray], expected: int = 1) -> List[Faces]:
        """Find the faces in several images.

        Args:
            images: uint8 (h, w, 3), RGB.
            expected: Brightened copies of an image that shows fewer faces are searched as well.
        """
        raise NotImplementedError

    def with_min_face(self, min_face: float) -> "FaceDetector":
        """Return a detector for another smallest face, in pixels, that is otherwise like this one."""
        raise NotImplementedError

    def with_brighten(self, brighten: Optional[Sequence[str]]) -> "FaceDetector":
        """Return a detector that brightens in these ways, and is otherwise like this one."""
        raise NotImplementedError

    def plain(self) -> "FaceDetector":
        """Return a detector that never brightens, and is otherwise like this one: this one, where it does not."""
        return self.with_brighten(()) if self.brighten else self
