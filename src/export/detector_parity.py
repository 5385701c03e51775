"""Compares the detector's files with the Keras models of the ``mtcnn`` package."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kface.errors import ModelError
from kface.mtcnn import boxes, canvas, weights
from kface.networks import RUNTIMES, Network, open_network, runtimes

#: Sides of the networks' inputs in pixels; P-Net takes any.
SIDES = {"pnet": 112, "rnet": 24, "onet": 48}
#: Largest difference of an offset, a landmark or a probability that counts as rounding.
CLOSE = 1e-4

Outputs = dict[str, np.ndarray]


@lru_cache(maxsize=1)
def _reference() -> dict[str, Any]:
    import mtcnn

    return dict(zip(weights.NAMES, (stage.model for stage in mtcnn.MTCNN().stages), strict=True))


def wanted(name: str, inputs: np.ndarray) -> Outputs:
    """Return the outputs of the package's model for float32 (n, 3, h, w): offsets, landmarks (O-Net) and probability.

    P-Net's outputs are maps, (n, c, h', w').
    """
    model = _reference()[name]
    # The package's R- and O-Net swap height and width themselves, as their weights require.
    found = [np.asarray(value) for value in model(inputs.transpose(0, 2, 3, 1))]
    if name == "pnet":
        found = [value.transpose(0, 3, 1, 2) for value in found]
    keys = {4: "offsets", 10: "landmarks", 2: "probability"}
    outputs = {keys[value.shape[1]]: value for value in found}
    outputs["probability"] = outputs["probability"][:, 1:]
    return outputs


def prove(path: Path, faces: np.ndarray) -> dict[str, Any]:
    """Run a detector's file in every installed CPU runtime that reads it and compare it with the package's model.

    Args:
        path: Such as ``detector/rnet.split.onnx``.
        faces: uint8 (n, h, w, 3), RGB.

    Returns:
        The figures for the bundle's manifest.

    Raises:
        ModelError: A runtime computes something else.
    """
    name = path.name.split(".")[0]
    side = SIDES[name]
    small = np.stack([cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces])
    inputs = np.ascontiguousarray(((small.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2))
    expected = wanted(name, inputs)
    figures: dict[str, Any] = {"faces": len(faces)}
    packed = path.name == weights.CANVAS
    # Engines are compared on the board itself: kface engines verify.
    for runtime in runtimes(".onnx", gpu=False):
        if packed and "canvas" in RUNTIMES[runtime].unreadable_forms:
            continue
        network = open_network(path, runtime)
        found = _run_packed(network, inputs) if packed else network.run(inputs)
        difference = _difference(found, expected)
        if not difference <= CLOSE:
            raise ModelError(
                f"differs by {difference:.1e} from the mtcnn package's model when run by {runtime}",
                f"detector/{path.name}",
                "use another version of that runtime",
            )
        figures[f"largest difference by {runtime}"] = difference
    return figures


def _run_packed(network: Network, inputs: np.ndarray) -> Outputs:
    """Run P-Net's canvas form with all images on one canvas."""
    levels = list(inputs)
    placed = canvas.layout([level.shape[1:] for level in levels])
    parts = canvas.unpack(network.run(canvas.pack(levels, placed)[None]), placed)
    return {key: np.stack([part[key] for part in parts]) for key in parts[0]}


def _difference(found: Outputs, expected: Outputs) -> float:
    values = {**found, "probability": boxes.probability(found["logits"])}
    return max(float(np.abs(values[key].reshape(target.shape) - target).max()) for key, target in expected.items())
