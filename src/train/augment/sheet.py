"""A contact sheet of augmentations: every change on faces, to look at before training with it."""

from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from kface import stage
from kface.data.dataset import read
from kface.data.dataset.stage import DatasetJob, prepare
from kface.errors import ConfigError, TrainingError
from kface.images import encode_png
from train.augment import geometry
from train.augment.settings import Augmentation

#: Columns of a sheet, and the width of the column with the names, in pixels.
COLUMNS = 9
MARGIN = 104
FILE = "augmentation.png"


def contact_sheet(faces: np.ndarray, augmentation: Augmentation, columns: int = COLUMNS, seed: int = 0) -> np.ndarray:
    """Draw each change alone within an augmentation's limits, one a row, then rows with all of them at their rates.

    Args:
        faces: uint8 (n, h, w, 3), RGB; each column takes the next one.
        augmentation: The limits and rates.
        columns: Number of columns.
        seed: Of the draws.

    Returns:
        uint8, RGB: the unchanged faces, a row for each change with its name, and as many rows with all of them as fit.
    """
    some = [tf.constant(faces[column % len(faces)], tf.float32) for column in range(columns)]
    rows = {"unchanged": [face.numpy() for face in some]}
    changes = {**augmentation.changes(), "flip": geometry.flip}
    together = [f"together {number}" for number in range(1, 5)]
    for row, (name, change) in enumerate([*changes.items(), *((name, augmentation) for name in together)]):
        seeds = [tf.constant([seed, row * columns + column], tf.int64) for column in range(columns)]
        rows[name] = [change(face, one).numpy() for face, one in zip(some, seeds, strict=True)]
    return np.concatenate([_row(name, images) for name, images in rows.items()])


def _row(name: str, images: list[np.ndarray]) -> np.ndarray:
    height = images[0].shape[0]
    label = np.full((height, MARGIN, 3), 255, np.uint8)
    for line, word in enumerate(name.split("_")):
        cv2.putText(label, word, (4, 20 + 16 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([label, *(np.clip(np.round(image), 0, 255).astype(np.uint8) for image in images)], axis=1)


def main(config: DictConfig) -> None:
    """Draw the sheet of ``fit.augmentation`` on faces of the data set, which is built where it does not exist."""
    augmentation = stage.instantiate(config["fit"], "fit").augmentation
    if augmentation is None:
        raise ConfigError("is null: there is nothing to draw", "fit.augmentation", "add augmentation=strong")
    manifest = prepare(DatasetJob.of(config)).manifest
    count = manifest.images("train")
    # Spread over all people and conditions.
    wanted = {count * (2 * column + 1) // (2 * COLUMNS) for column in range(COLUMNS)}
    faces = [record.image for number, record in enumerate(read(manifest, "train")) if number in wanted]
    path = Path(str(config["output_dir"])) / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(contact_sheet(np.stack(faces), augmentation)))
    except OSError as error:
        raise TrainingError(f"cannot be written ({error.strerror or error})", path, "add output_dir=DIR")
    print(f"wrote {path}")
