"""Embedders that were trained elsewhere: any ONNX network that maps 112x112 faces to a vector.

What it expects of its input (colour order, normalisation) is seldom written down in the file, and a wrong guess costs up to
forty points of accuracy without any error. So it is declared, or found out by trying all combinations on pairs of faces.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.errors import ConfigError, ModelError
from kface.networks import open_network
from kface.verification import eer, score_pairs

COLOURS = ("rgb", "bgr")
#: (mean, divisor) that the field uses: insightface's and ours, FaceNet's, none, and 0 to 1.
NORMALISATIONS = ((127.5, 128.0), (127.5, 127.5), (0.0, 1.0), (0.0, 255.0))
#: Combinations whose EERs lie closer than this cannot be told apart on the pairs at hand.
CLEAR = 0.01


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


class Tried(NamedTuple):
    """A combination and the equal error rate that it reached, from 0 to 1."""

    preprocessing: Preprocessing
    eer: float


class Embedder:
    """A foreign network.

    Args:
        path: An ONNX file.
        runtime: What runs it.

    Attributes:
        layout: "NCHW" or "NHWC".
        size: Length of the embedding.
        input: The input's name.
        output: The output's name.

    Raises:
        ModelError: It is no network, or not one that maps 112x112 faces to a vector.
    """

    def __init__(self, path: Path, runtime: str = "onnxruntime") -> None:
        self.path = path
        self.network = open_network(path, runtime)
        if len(self.network.inputs) != 1:
            raise ModelError(f"has {len(self.network.inputs)} inputs instead of one", path)
        self.input, shape = next(iter(self.network.inputs.items()))
        if len(shape) != 4:
            raise ModelError(f"takes {len(shape)}-dimensional input, not a batch of images", path)
        fits = {"NCHW": (shape[1], shape[2], shape[3]), "NHWC": (shape[3], shape[1], shape[2])}
        layouts = [name for name, sides in fits.items() if sides[0] == 3 and {sides[1], sides[2]} <= {112, None}]
        if len(layouts) != 1:
            raise ModelError(f"takes input of shape {shape}, not 112x112 faces of three colours", path)
        self.layout = layouts[0]
        #: A fixed batch, or None.
        self.batch = shape[0]
        probe = self.run(np.zeros((self.batch or 2, 112, 112, 3), np.uint8), Preprocessing())
        self.size = int(probe.shape[1])
        self.output = self.network.outputs[0]

    def run(self, faces: np.ndarray, preprocessing: Preprocessing, block: int = 32) -> np.ndarray:
        """Return float32 (n, d), the embeddings of uint8 (n, 112, 112, 3) RGB, as the network gives them."""
        block = self.batch or block
        parts = []
        for start in range(0, len(faces), block):
            some = faces[start : start + block]
            short = block - len(some) if self.batch else 0
            padded = np.concatenate([some, np.zeros((short, *some.shape[1:]), np.uint8)]) if short else some
            values = next(iter(self.network.run(preprocessing.apply(padded, self.layout)).values()))
            if len(values) != len(padded):
                raise ModelError(f"maps {len(padded)} faces to an output of shape {values.shape}", self.path)
            parts.append(values.reshape(len(padded), -1)[: len(some)])
        return np.concatenate(parts)


def probe(
    embedder: Embedder,
    faces: np.ndarray,
    pairs: np.ndarray,
    genuine: np.ndarray,
    colour: str = "auto",
    normalisation: Sequence[float] | None = None,
) -> list[Tried]:
    """Find out what a network expects by the equal error rates that it reaches on pairs.

    Args:
        embedder: The network.
        faces: uint8 (n, 112, 112, 3), RGB.
        pairs: Integers (m, 2), indices of faces.
        genuine: bool (m,).
        colour: "rgb" or "bgr" where it is known, else "auto".
        normalisation: (mean, divisor) where they are known.

    Returns:
        All combinations that were tried, the best first.

    Raises:
        ConfigError: A declared value is none, or the best two differ too little to choose between them.
    """
    if colour not in (*COLOURS, "auto"):
        raise ConfigError("must be rgb, bgr or auto", f"export.colour={colour}")
    if normalisation is not None and (len(normalisation) != 2 or not normalisation[1] > 0):
        raise ConfigError("must be [mean, divisor] with a positive divisor", f"export.normalisation={normalisation}")
    colours = COLOURS if colour == "auto" else (colour,)
    normalisations = NORMALISATIONS if normalisation is None else ((normalisation[0], normalisation[1]),)
    tried = []
    for order, (mean, divisor) in itertools.product(colours, normalisations):
        preprocessing = Preprocessing(order, float(mean), float(divisor))
        embeddings = embedder.run(faces, preprocessing)
        # A network that overflows on this input does not expect it.
        finite = bool(np.isfinite(embeddings).all())
        tried.append(Tried(preprocessing, eer(score_pairs(embeddings, pairs), genuine)[0] if finite else 1.0))
    tried.sort(key=lambda one: one.eer)
    best = tried[0]
    rivals = [one for one in tried[1:] if not _alike(one.preprocessing, best.preprocessing)]
    if rivals and rivals[0].eer - best.eer < CLEAR:
        raise ConfigError(
            f"the pairs cannot tell {best.preprocessing} (EER {100 * best.eer:.1f} %) from {rivals[0].preprocessing} "
            f"(EER {100 * rivals[0].eer:.1f} %)",
            embedder.path,
            "declare export.colour=rgb|bgr and export.normalisation=[mean,divisor], or probe on real faces: evaluate.lfw=DIR",
        )
    return tried


def _alike(one: Preprocessing, other: Preprocessing) -> bool:
    """Whether two differ by less than half a grey level, which no pairs can tell and no embedding minds."""
    return (
        one.colour == other.colour
        and one.mean == other.mean
        and abs(one.divisor / other.divisor - 1) < 0.5 / 127.5 + 1e-3
    )
