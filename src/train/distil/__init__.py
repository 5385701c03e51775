"""Distillation: a network learns the embeddings of a trained one, its teacher, with or without labels.

The teacher is any embedder of 112x112 faces as an ONNX file or a bundle; it sees the clean crop, the student the augmented one.
"""

from train.distil.settings import PRETRAINED, Distillation
from train.distil.student import StudentModel
from train.distil.targets import Targets, targets
from train.distil.teacher import Teacher, find, open_teacher

__all__ = ["PRETRAINED", "Distillation", "StudentModel", "Targets", "Teacher", "find", "open_teacher", "targets"]
