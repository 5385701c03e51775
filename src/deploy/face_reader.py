"""From a bundle's directory to what the gallery's commands need of it."""

import os
from typing import NamedTuple, Optional, Union

from kface import bundle
from kface.bundle import Thresholds
from kface.recognizer import FaceRecognizer

PathLike = Union[str, "os.PathLike[str]"]


class FaceReader(NamedTuple):
    """An opened bundle; a context manager, which closes it.

    Attributes:
        recognizer: Finds and embeds faces.
        thresholds: The bundle's table; None where none were measured.
    """

    recognizer: FaceRecognizer
    thresholds: Optional[Thresholds]

    def __enter__(self) -> "FaceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.recognizer.close()


def open_reader(directory: PathLike, runtime: str = "auto", precision: str = "fp32") -> FaceReader:
    """Open a bundle.

    Args:
        directory: The bundle's.
        runtime: A name in :data:`kface.networks.RUNTIMES`, or ``auto``.
        precision: The embedder's: "fp32", "fp16" or "int8".

    Raises:
        ConfigError: The runtime or precision does not exist.
        ModelError: It is not a bundle, or a file (named) is not the one that was exported.
    """
    thresholds = bundle.load(directory, check="sizes").manifest.thresholds
    return FaceReader(FaceRecognizer.load(directory, runtime, precision), thresholds)
