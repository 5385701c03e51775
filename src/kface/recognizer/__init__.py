"""From images to faces, templates and identities; from streams to tracks of people.

Example:
    >>> from kface.recognizer import FaceRecognizer
    >>> recognizer = FaceRecognizer.load("bundle")  # doctest: +SKIP
    >>> recognizer.verify("a.jpg", "b.jpg").same  # doctest: +SKIP
    True
"""

from kface.recognizer.embeddings import Embeddings, FaceEmbedding, Identified, Verification
from kface.recognizer.operating_point import RECOGNISED, UNDECIDED, UNKNOWN, OperatingPoint
from kface.recognizer.pipeline import Pipeline, Result, Times
from kface.recognizer.recognizer import FaceRecognizer
from kface.recognizer.runner import Runner
from kface.recognizer.settings import PipelineSettings, TrackSettings, read_settings
from kface.recognizer.tracks import Tracker, TrackState
from kface.recognizer.votes import Identity

__all__ = [
    "RECOGNISED",
    "UNDECIDED",
    "UNKNOWN",
    "Embeddings",
    "FaceEmbedding",
    "FaceRecognizer",
    "Identified",
    "Identity",
    "OperatingPoint",
    "Pipeline",
    "PipelineSettings",
    "Result",
    "Runner",
    "Times",
    "TrackSettings",
    "TrackState",
    "Tracker",
    "Verification",
    "read_settings",
]
