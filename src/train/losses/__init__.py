"""Losses: they turn the cosines between embeddings and class weights into the scalar that training minimises.

Each is a dataclass in a file of its own, with a file in ``conf/loss/``; :mod:`train.losses.base` has what they share, and the
contract between them and the head.
"""

from train.losses.adaface import AdaFace
from train.losses.arcface import ArcFace
from train.losses.base import EPSILON, LOSSES, HeadBatch, Loss, default_scale
from train.losses.cosface import CosFace
from train.losses.magface import MagFace
from train.losses.mixface import MixFace
from train.losses.softmax import Softmax
from train.losses.unpg import UNPG

__all__ = [
    "EPSILON",
    "LOSSES",
    "UNPG",
    "AdaFace",
    "ArcFace",
    "CosFace",
    "HeadBatch",
    "Loss",
    "MagFace",
    "MixFace",
    "Softmax",
    "default_scale",
]
