"""Embedders that were trained elsewhere: any ONNX network that maps 112x112 faces to a vector.

What it expects of its input (colour order, normalisation) is seldom written down in the file, and a wrong guess costs up to
forty points of accuracy without any error. So it is declared, or found out by trying all combinations on pairs of faces
(:mod:`export.probing`).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from export import foreign_file
from kface.errors import ModelError
from kface.networks import open_network


class Preprocessing(NamedTuple):
    """What becomes of a uint8 RGB face before it goes into the network: colour order, then (x - mean) / divisor."""

    colour: str = "rgb"
    mean: float = 127.5
    divisor: float = 128.0

    def apply(self, faces: np.ndarray, layout: str = "NCHW") -> np.ndarray:
        """Return float32 faces in the network's layout, of uint8 (n, h, w, 3) RGB."""
        ordered = faces if self.colour == "rgb" else faces[..., ::-1]
        values = (ordered.astype(np.float32) - np.float32(self.mean)) / np.float32(self.divisor)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if layout == "NCHW" else values)

    def __str__(self) -> str:
        return f"{self.colour}, (x - {self.mean:g}) / {self.divisor:g}"


class ForeignNetwork:
    """A foreign network, brought into the form that a bundle holds.

    Args:
        path: An ONNX file.
        folder: Takes the file that the bundle will hold.
        output: Name of the output that is the embedding, where there are several.
        runtime: What runs it.

    Attributes:
        shown: The file that was given, for messages.
        file: See :class:`export.foreign_file.ForeignFile`.
        layout: "NCHW" or "NHWC".
        size: Length of the embedding.

    Raises:
        ConfigError: The output has to be named, or does not exist.
        ModelError: It is no network, or not one that maps 112x112 faces to a vector.
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
        """Return float32 (n, d), the embeddings of uint8 (n, 112, 112, 3) RGB, as the network gives them."""
        parts = []
        for start in range(0, len(faces), block):
            some = faces[start : start + block]
            values = next(iter(self.network.run(preprocessing.apply(some, self.layout)).values()))
            if len(values) != len(some):
                raise ModelError(f"maps {len(some)} faces to an output of shape {values.shape}", self.shown)
            parts.append(values.reshape(len(some), -1))
        return np.concatenate(parts)
