"""A trained network: saved at the end of a run, loaded again, and run on faces."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kface.errors import KFaceError, TrainingError
from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields
from kface.files import sha256_file, write_json
from train import backbones, previous, weights
from train.hosts import devices
from train.registry import Json

#: Version 1 called a backbone's ``neck`` its ``head``; :mod:`train.previous` translates it.
SCHEMA = 2
READABLE = (1, SCHEMA)
MODEL = "model.json"
WEIGHTS = "backbone.weights.h5"
AGAIN = "train again"


class SavedBackbone(NamedTuple):
    """The contents of ``model.json``: name and fields of the backbone, and the file of its weights with its hash."""

    backbone: dict[str, object]
    file: str
    sha256: str


def save_backbone(
    run_dir: Path,
    network: keras.Model,
    subjects: tuple[str, ...],
    described: Mapping[str, Json],
) -> None:
    """Save the weights, and ``model.json``, from which the network can be built again.

    Args:
        run_dir: The run.
        network: The trained backbone.
        subjects: The identities it was trained on, in the order of their labels.
        described: What decided the run's weights, see :func:`train.fit.describe`.

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
                "backbone": described["backbone"],
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
    """Load the network of a trained run.

    Raises:
        TrainingError: The training has not ended, or the files are damaged or of another version.
    """
    path = run_dir / MODEL
    if not path.exists():
        raise TrainingError("holds no trained network", run_dir, "finish its training: kface train ... resume=true")
    value = read_json(path, AGAIN)
    if value.get("schema") not in READABLE or type(value.get("schema")) is not int:
        check_schema(value, SCHEMA, path, AGAIN)
    saved = parse(_saved, value, path, AGAIN)
    file = run_dir / saved.file
    weights.check(file, saved.sha256, AGAIN)
    try:
        network = backbones.of_description(previous.backbone(saved.backbone))()
    except (KFaceError, TypeError, ValueError, OverflowError) as error:
        raise TrainingError(f"is damaged: its backbone cannot be built ({error})", path, AGAIN)
    weights.load(network, file, saved.sha256, AGAIN)
    return network


def _saved(fields: Fields) -> SavedBackbone:
    kept = fields.object("weights")
    file = kept.text("file", pattern=r"checkpoints/[A-Za-z0-9_-]+\.weights\.h5")
    arguments = fields.object("backbone")
    arguments.text("name")
    return SavedBackbone(fields.json("backbone"), file, kept.text("sha256", pattern="[0-9a-f]{64}"))


class KerasEmbedder:
    """Maps aligned faces to embeddings with a Keras network.

    Args:
        backbone: float32 (n, h, w, 3) -> (n, d).
        batch_size: Images per call of the network.
        mirror: Whether to add the embedding of the mirrored image, which doubles the work.
    """

    def __init__(self, backbone: keras.Model, batch_size: int = 64, mirror: bool = False) -> None:
        self.backbone = backbone
        self.batch_size = batch_size
        self.mirror = mirror
        self._call = _on_jax(backbone, batch_size) if devices.on_jax() else _on_tensorflow(backbone)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (n, d), L2-normalised, of uint8 (n, h, w, 3), RGB."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size].astype(np.float32)
            values = self._call(batch)
            if self.mirror:
                values = values + self._call(np.ascontiguousarray(batch[:, :, ::-1]))
            parts.append(values)
        if not parts:
            return np.zeros((0, int(self.backbone.output_shape[-1])), np.float32)
        embeddings = np.concatenate(parts)
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return (embeddings / np.maximum(norms, 1e-12)).astype(np.float32)


def _on_tensorflow(backbone: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    call = tf.function(
        lambda batch: backbone((batch - 127.5) / 128.0, training=False),
        input_signature=[tf.TensorSpec((None, *backbone.input_shape[1:]), tf.float32)],
    )
    return lambda batch: call(batch).numpy()


def _on_jax(backbone: keras.Model, batch_size: int) -> Callable[[np.ndarray], np.ndarray]:
    import jax

    @jax.jit
    def call(trainable: list[jax.Array], other: list[jax.Array], batch: jax.Array) -> jax.Array:
        return backbone.stateless_call(trainable, other, (batch - 127.5) / 128.0, training=False)[0]

    def embed(batch: np.ndarray) -> np.ndarray:
        # Another number of images would be compiled again.
        filled = np.zeros((batch_size, *batch.shape[1:]), np.float32)
        filled[: len(batch)] = batch
        weights = [
            [variable.value for variable in group]
            for group in (backbone.trainable_variables, backbone.non_trainable_variables)
        ]
        return np.asarray(call(*weights, filled))[: len(batch)]

    return embed
