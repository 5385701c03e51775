"""What the student learns: the teacher's embeddings of all training crops, computed once and kept beside the data set.

One file a shard, named by the hashes of teacher and shard: an interrupted computation goes on where it was, a data set that
grew computes only its new shards, and a resumed run has the same targets.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kface.data.dataset import DatasetManifest, read
from kface.errors import TrainingError
from kface.files import write_atomic
from kface.progress import Progress
from train.distil.teacher import Teacher

#: Folder inside the data set's directory.
FOLDER = "teachers"
#: Crops that are embedded at once.
BLOCK = 64
#: The teacher does not tell these crops apart if its centred embeddings are shorter than this.
SHORTEST = 1e-4


class Targets(NamedTuple):
    """The embeddings to learn.

    Attributes:
        values: float16 (n, d), centred and of length 1, in the order of the training split's shards.
        teacher: Its fingerprint.
    """

    values: np.ndarray
    teacher: str

    def joined(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Put the embeddings in place of the images' numbers, in batches of images, (labels, numbers)."""
        values = tf.constant(self.values)
        return batches.map(lambda images, labels: (images, (labels[0], tf.gather(values, labels[1]))))


def targets(manifest: DatasetManifest, teacher: Teacher, progress: bool = True) -> Targets:
    """Return what the student learns for each training crop.

    A crop's embedding is the sum of those of the crop and its mirror image, so that it holds for both. The mean over all crops
    is subtracted, as embeddings of many networks lie in a narrow cone, where every student is close to every teacher.

    Args:
        manifest: The data set.
        teacher: The open teacher.
        progress: Whether to show progress.

    Raises:
        DatasetError: A shard is missing or damaged.
        TrainingError: The teacher gives the same embedding for all crops.
    """
    folder = manifest.directory / FOLDER / teacher.fingerprint[:16]
    parts: list[np.ndarray] = []
    shards = manifest.of("train")
    with Progress(sum(shard.images for shard in shards), f"teacher {teacher.name}", "faces", enabled=progress) as shown:
        for shard in shards:
            path = folder / f"{shard.sha256[:32]}.npy"
            found = _read(path, shard.images)
            if found is None:
                one = manifest._replace(shards=(shard,))
                found = np.concatenate([_embed(teacher, faces) for faces in _blocks(one)])
                _write(path, found)
            parts.append(found)
            shown.update(shard.images)
    values = np.concatenate(parts)
    values -= values.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    if float(np.median(lengths)) < SHORTEST:
        raise TrainingError("gives all crops the same embedding", f"teacher {teacher.name}", "check its preprocessing")
    return Targets((values / np.maximum(lengths, 1e-12)).astype(np.float16), teacher.fingerprint)


def _blocks(manifest: DatasetManifest) -> Iterator[np.ndarray]:
    faces = []
    for record in read(manifest, "train"):
        faces.append(record.image)
        if len(faces) == BLOCK:
            yield np.stack(faces)
            faces = []
    if faces:
        yield np.stack(faces)


def _embed(teacher: Teacher, faces: np.ndarray) -> np.ndarray:
    """Return float32 (n, d), of length 1, of the faces and their mirror images together."""
    both = teacher.embed(faces) + teacher.embed(np.ascontiguousarray(faces[:, :, ::-1]))
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12), np.float32)


def _read(path: Path, images: int) -> np.ndarray | None:
    """Return what was computed before, or None; a damaged file is computed again."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if values.dtype != np.float32 or values.ndim != 2 or len(values) != images or not np.isfinite(values).all():
        return None
    return np.asarray(values)


def _write(path: Path, values: np.ndarray) -> None:
    data = io.BytesIO()
    np.save(data, values, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data.getvalue())
    except OSError:
        # A data set that cannot be written serves as well; the next run computes them again.
        return
