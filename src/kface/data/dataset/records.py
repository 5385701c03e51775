"""Writes aligned faces as tf.train.Example, and reads them back."""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from kface.alignment import SIZE
from kface.data.dataset.manifest import REBUILD, DatasetManifest, PathLike, load
from kface.data.dataset.tfrecord import decode_example, encode_example, unframe
from kface.data.layout import Capture, parse
from kface.errors import DatasetError, ImageError, LayoutError
from kface.files import read_regular
from kface.images import decode_image


class FaceRecord(NamedTuple):
    """One aligned face.

    Attributes:
        image: uint8 (112, 112, 3), RGB.
        path: The source image's name in the data set.
        capture: Its conditions; for a corpus without them only the subject is set.
        landmarks: float32 (5, 2), x y in the source image's pixels.
        box: float32 (4,), x1 y1 x2 y2 in the source image's pixels.
        score: The detector's confidence; 1 where the landmarks come from an annotation file.
    """

    image: np.ndarray
    path: str
    capture: Capture
    landmarks: np.ndarray
    box: np.ndarray
    score: float


def encode_record(
    jpeg: bytes, path: str, capture: Capture, landmarks: np.ndarray, box: np.ndarray, score: float
) -> bytes:
    """Encode one face as a tf.train.Example.

    Args:
        jpeg: The 112x112 crop.
        path: The source image's name.
        capture: Its conditions.
        landmarks: float32 (5, 2), in the source image.
        box: float32 (4,), in the source image.
        score: The detector's confidence.
    """
    return encode_example(
        {
            "image": ("bytes", jpeg),
            "path": ("bytes", path.encode("utf-8", "surrogateescape")),
            "subject": ("bytes", capture.subject.encode("utf-8", "surrogateescape")),
            "accessory": ("int64", [capture.accessory]),
            "light": ("int64", [capture.light]),
            "expression": ("int64", [capture.expression]),
            "camera": ("int64", [capture.camera]),
            "landmarks": ("float", [float(value) for value in np.asarray(landmarks).ravel()]),
            "box": ("float", [float(value) for value in np.asarray(box).ravel()]),
            "score": ("float", [float(score)]),
        }
    )


def read(
    dataset: DatasetManifest | PathLike, split: str | None = None, subjects: Iterable[str] | None = None
) -> Iterator[FaceRecord]:
    """Yield the faces of a data set, shard by shard.

    Args:
        dataset: A manifest, or the directory.
        split: "train", "test", or None for both.
        subjects: Only these identities.

    Raises:
        DatasetError: A shard (named) is missing, truncated or damaged.
    """
    for where, features in _examples(dataset, split, subjects):
        yield FaceRecord(
            _image(features["image"][0], where),
            features["path"][0].decode("utf-8", "surrogateescape"),
            _capture(features),
            np.array(features["landmarks"], np.float32).reshape(5, 2),
            np.array(features["box"], np.float32),
            features["score"][0],
        )


def read_captures(
    dataset: DatasetManifest | PathLike, split: str | None = None, subjects: Iterable[str] | None = None
) -> list[Capture]:
    """Return the conditions of the faces that :func:`read` yields, in its order, without decoding an image."""
    return [_capture(features) for _, features in _examples(dataset, split, subjects)]


def read_arrays(
    dataset: DatasetManifest | PathLike, split: str | None = None, subjects: Iterable[str] | None = None
) -> tuple[np.ndarray, list[Capture]]:
    """Return all faces at once, for evaluation.

    Args:
        dataset: A manifest, or the directory.
        split: "train", "test", or None for both.
        subjects: Only these identities.

    Returns:
        uint8 (n, 112, 112, 3), RGB, and the n captures.

    Raises:
        DatasetError: A shard (named) is missing, truncated or damaged.
    """
    manifest = dataset if isinstance(dataset, DatasetManifest) else load(dataset)
    wanted = None if subjects is None else set(subjects)
    count = sum(shard.images for shard in manifest.of(split) if wanted is None or shard.subject in wanted)
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    captures: list[Capture] = []
    for record in read(manifest, split, wanted):
        images[len(captures)] = record.image
        captures.append(record.capture)
    return images, captures


def _examples(
    dataset: DatasetManifest | PathLike, split: str | None, subjects: Iterable[str] | None
) -> Iterator[tuple[str, dict]]:
    manifest = dataset if isinstance(dataset, DatasetManifest) else load(dataset)
    wanted = None if subjects is None else set(subjects)
    for shard in manifest.of(split):
        if wanted is not None and shard.subject not in wanted:
            continue
        path = manifest.directory / shard.file
        try:
            # A shard that is larger than in the manifest was changed.
            found = [decode_example(record) for record in unframe(read_regular(path, shard.bytes))]
            for features in found:
                _check(features)
        except OSError as error:
            raise DatasetError(f"cannot be read ({error.strerror or error})", path, REBUILD)
        except (ValueError, struct.error) as error:
            fault = "contains something other than faces" if isinstance(error, struct.error) else str(error)
            raise DatasetError(fault, path, "remove it and " + REBUILD)
        if len(found) != shard.images:
            raise DatasetError(
                f"contains {len(found)} images instead of {shard.images}", path, "remove it and " + REBUILD
            )
        for features in found:
            # In a data set of several members, identities have the member's name before their own.
            features["subject"] = [shard.subject.encode("utf-8", "surrogateescape")]
            yield str(path), features


#: Number of values of each feature of a record.
_COUNTS = {"image": 1, "path": 1, "subject": 1, "landmarks": 10, "box": 4, "score": 1}
_NUMBERS = ("accessory", "light", "expression", "camera")


def _check(features: dict) -> None:
    for name, count in list(_COUNTS.items()) + [(name, 1) for name in _NUMBERS]:
        kind = bytes if name in ("image", "path", "subject") else int if name in _NUMBERS else float
        values = features.get(name)
        if not isinstance(values, list) or len(values) != count or not all(type(value) is kind for value in values):
            raise ValueError(f"contains something other than faces ({name})")


def _image(jpeg: bytes, where: str) -> np.ndarray:
    try:
        image = decode_image(jpeg, where)
    except ImageError as error:
        raise DatasetError(f"a face in it {error.what}", where, "remove it and " + REBUILD)
    if image.shape != (SIZE, SIZE, 3):
        raise DatasetError(
            "a face in it has {1}x{0} pixels".format(*image.shape[:2]), where, "remove it and " + REBUILD
        )
    return image


def _capture(features: dict) -> Capture:
    capture = Capture(
        features["subject"][0].decode("utf-8", "surrogateescape"),
        *(features[name][0] for name in _NUMBERS),
    )
    if not capture.camera:
        return capture
    try:
        # The resolution is the only condition that stands in the path alone.
        return capture._replace(resolution=parse(features["path"][0].decode("ascii", "replace")).resolution)
    except LayoutError:
        return capture
