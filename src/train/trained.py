"""A trained network: written at the end of a run, read again, and run on faces."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kface.errors import KFaceError, TrainingError
from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields
from kface.files import sha256_file, write_json
from train import backbones, weights
from train.heads import CosineHead

SCHEMA = 1
MODEL = "model.json"
WEIGHTS = "backbone.weights.h5"
AGAIN = "train again"


class Described(NamedTuple):
    """What ``model.json`` says of a network: the arguments that build it, and its weights' file and hash."""

    arguments: dict[str, Any]
    file: str
    sha256: str


def save_backbone(
    run_dir: Path,
    network: keras.Model,
    backbone: dict[str, Any],
    head: CosineHead,
    subjects: tuple[str, ...],
    described: dict[str, Any],
) -> None:
    """Write the weights, and ``model.json`` with all that is needed to build the network around them again.

    Raises:
        TrainingError: The run directory cannot be written.
    """
    folder = run_dir / "checkpoints"
    try:
        with weights.temporary(folder, "backbone") as temporary:
            network.save_weights(temporary)
            digest = sha256_file(temporary)
            os.replace(temporary, folder / WEIGHTS)
        write_json(
            run_dir / MODEL,
            {
                "schema": SCHEMA,
                "backbone": backbone,
                "weights": {"file": f"checkpoints/{WEIGHTS}", "sha256": digest},
                "input": {"size": int(network.input_shape[1]), "colour": "RGB", "mean": 127.5, "divisor": 128.0},
                "embedding": int(network.output_shape[-1]),
                "loss": described["loss"],
                "subjects": list(subjects),
                "data_set": described["data_set"],
            },
        )
    except OSError as error:
        raise TrainingError(f"cannot be written ({error.strerror or error})", run_dir, "make room and add resume=true")


def load_backbone(run_dir: Path) -> keras.Model:
    """Build a trained run's network again.

    Raises:
        TrainingError: The run has not been trained to its end, or its files are damaged.
    """
    path = run_dir / MODEL
    if not path.exists():
        raise TrainingError("holds no trained network", run_dir, "train it to its end: kface train ... resume=true")
    value = read_json(path, AGAIN)
    check_schema(value, SCHEMA, path, AGAIN)
    described = parse(_described, value, path, AGAIN)
    file = run_dir / described.file
    weights.check(file, described.sha256, AGAIN)
    try:
        network = backbones.build(**described.arguments)
    except (KFaceError, TypeError, ValueError, OverflowError) as error:
        raise TrainingError(f"is damaged: its backbone cannot be built ({error})", path, AGAIN)
    weights.load(network, file, described.sha256, AGAIN)
    return network


def _described(fields: Fields) -> Described:
    kept = fields.object("weights")
    file = kept.text("file", pattern=r"checkpoints/[A-Za-z0-9_-]+\.weights\.h5")
    arguments = fields.object("backbone")
    arguments.text("name")
    return Described(fields.json("backbone"), file, kept.text("sha256", pattern="[0-9a-f]{64}"))


class Embedder:
    """Maps aligned faces to embeddings with a Keras network.

    Args:
        backbone: float32 (n, h, w, 3) -> (n, d).
        batch_size: Images at a time.
        mirror: Add the embedding of the mirrored image; twice the work.
    """

    def __init__(self, backbone: keras.Model, batch_size: int = 64, mirror: bool = False) -> None:
        self.backbone = backbone
        self.batch_size = batch_size
        self.mirror = mirror
        self._call = tf.function(
            lambda batch: backbone((batch - 127.5) / 128.0, training=False),
            input_signature=[tf.TensorSpec((None, *backbone.input_shape[1:]), tf.float32)],
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (n, d), L2-normalised, of uint8 (n, h, w, 3), RGB."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size].astype(np.float32)
            values = self._call(batch).numpy()
            if self.mirror:
                values = values + self._call(np.ascontiguousarray(batch[:, :, ::-1])).numpy()
            parts.append(values)
        if not parts:
            return np.zeros((0, int(self.backbone.output_shape[-1])), np.float32)
        embeddings = np.concatenate(parts)
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return (embeddings / np.maximum(norms, 1e-12)).astype(np.float32)
