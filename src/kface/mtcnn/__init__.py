"""MTCNN: a cascade of three networks that finds faces and five landmarks (Zhang et al., 2016).

The reference is the ``mtcnn`` package, version 1.0.0: same weights, thresholds and faces, but batched and vectorised.
"""

from kface.mtcnn.base import FaceDetector
from kface.mtcnn.detector import Detector

__all__ = ["Detector", "FaceDetector"]
