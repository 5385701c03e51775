"""Finds the people in photographs; what only a brightened copy shows must be large enough to be a photograph's subject."""

from typing import List, Sequence

import numpy as np

from kface.faces import Faces
from kface.mtcnn import FaceDetector
from kface.mtcnn.again import find_again, of_subject

#: Minimum width of a face that only a copy shows, as a fraction of the image's shorter side; as for K-Face's data set. What
#: copies show of less is an ear, an eye or a mouth as often as a face; see :func:`kface.mtcnn.again.of_subject`.
PART = 0.2


def detect_subjects(detector: FaceDetector, images: Sequence[np.ndarray]) -> List[Faces]:
    """Find the faces in photographs, to enrol, verify or identify the people in them.

    Args:
        detector: Brightened copies of images without a face are searched where it brightens.
        images: uint8 (h, w, 3), RGB.

    Returns:
        The faces of each, best score first.
    """
    plain = detector.plain()

    def on_copies(copies: List[np.ndarray]) -> List[Faces]:
        # A copy has the size of its image.
        return [of_subject(faces, copy.shape, PART) for copy, faces in zip(copies, plain.detect_many(copies))]

    return find_again(on_copies, images, plain.detect_many(images), detector.brighten)
