"""Embedders that were trained elsewhere: any ONNX network that maps 112x112 faces to a vector.

The file seldom states which input it expects (colour order, normalisation), and a wrong guess costs up to forty points of
accuracy without any error. The input format is therefore declared, or determined by trying all combinations on pairs of faces
(:mod:`export.probing`).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.errors import ModelError
from kface.evaluation.foreign import file as foreign_file
from kface.networks import open_network


class Preprocessing(NamedTuple):
    """How a uint8 RGB face becomes the network's input: colour order, then (x - mean) / divisor."""

    colour: str = "rgb"
    mean: float = 127.5
    divisor: float = 128.0

    def apply(self, faces: np.ndarray, layout: str = "NCHW") -> np.ndarray:
        """Return uint8 (n, h, w, 3) RGB faces as float32 in the network's layout."""
        ordered = faces if self.colour == "rgb" else faces[..., ::-1]
        values = (ordered.astype(np.float32) - np.float32(self.mean)) / np.float32(self.divisor)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if layout == "NCHW" else values)

    def __str__(self) -> str:
        return f"{self.colour}, (x - {self.mean:g}) / {self.divisor:g}"


class ForeignNetwork:
    """A foreign network, converted to the form that a bundle holds.

    Args:
        path: An ONNX file.
        folder: Directory for the converted file.
        output: Name of the embedding's output, if there are several.
        runtime: Name of the runtime.

    Attributes:
        shown: The given file, for messages.
        file: See :class:`kface.evaluation.foreign.file.ForeignFile`.
        layout: "NCHW" or "NHWC".
        size: Length of the embedding.

    Raises:
        ConfigError: The output must be named, or does not exist.
        ModelError: The file is not a network that maps 112x112 faces to a vector.
    """

    def __init__(self, path: Path, folder: Path, output: str | None = None, runtime: str = "onnxruntime") -> None:
        self.shown = path
        self.file = foreign_file.read(path, output)
        self.layout = self.file.layout
        kept = folder / "embedder.onnx"
        kept.write_bytes(self.file.data)
        self.network = open_network(kept, runtime)
        self.size = int(self.run(np.zeros((2, 112, 112, 3), np.uint8), Preprocessing()).shape[1])

    def run(self, faces: np.ndarray, preprocessing: Preprocessing, block: int = 32) -> np.ndarray:
        """Return float32 (n, d), the network's embeddings of uint8 (n, 112, 112, 3) RGB, of any length."""
        parts = []
        for start in range(0, len(faces), block):
            some = faces[start : start + block]
            values = next(iter(self.network.run(preprocessing.apply(some, self.layout)).values()))
            if len(values) != len(some):
                raise ModelError(f"maps {len(some)} faces to an output of shape {values.shape}", self.shown)
            parts.append(values.reshape(len(some), -1))
        return np.concatenate(parts)
