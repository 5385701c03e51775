"""AgeDB-30, CFP-FP, CALFW, CPLFW and others in insightface's ``.bin`` format: aligned JPEGs and pair labels in a pickle.

Some store their images or labels as NumPy arrays; :mod:`kface.data.testsets.plain_pickle` reads them without running code.
"""

from pathlib import Path

import cv2
import numpy as np

from kface.alignment import SIZE
from kface.data.testsets import plain_pickle
from kface.data.testsets.base import TestSet, connected
from kface.errors import ConfigError, LayoutError
from kface.files import read_regular
from kface.images import decode_image

#: The largest known file, of 12,000 images, has 0.1 GB.
LARGEST = 1 << 30


def read_bin(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Read a ``.bin`` file.

    Returns:
        The encoded images, two per pair; bool (m,), whether a pair is genuine.

    Raises:
        ConfigError: The file is absent.
        LayoutError: It is not in the format, or contains anything but plain values.
    """
    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path, "give the file, or leave the test set out")
    try:
        value = plain_pickle.loads(data)
    except plain_pickle.RefusedError as error:
        raise LayoutError(f"asks for {error}, which test sets do not need", path, "do not trust this file")
    except Exception:  # a damaged pickle can raise almost anything
        raise LayoutError("is damaged, or not a test set in insightface's format", path, "download it again")
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(part, (list, np.ndarray)) for part in value)
    ):
        raise LayoutError("does not contain images and labels", path)
    images, labels = ([*part] for part in value)
    if not images or len(images) != 2 * len(labels):
        raise LayoutError(f"has {len(images)} images for {len(labels)} pairs", path)
    encoded = [_encoded(image) for image in images]
    if not all(encoded) or not all(_is_truth(label) for label in labels):
        raise LayoutError("contains something other than encoded images and truth values", path)
    return encoded, np.array([bool(label) for label in labels])


def _encoded(image: object) -> bytes:
    """Return an encoded image's bytes (cv2.imencode returns arrays, (n,) or (n, 1)); empty for other values."""
    if isinstance(image, (bytes, bytearray)):
        return bytes(image)
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size == max(image.shape, default=0):
        return image.tobytes()
    return b""


def _is_truth(label: object) -> bool:
    return isinstance(label, (bool, int, np.bool_, np.integer)) and label in (0, 1)


def bin_set(path: Path, name: str, title: str) -> TestSet:
    """Load a test set in insightface's format; its faces are already aligned.

    The format does not name the people. Images that are connected by genuine pairs or equal bytes count as one person;
    intervals therefore resample these groups.

    Args:
        path: The ``.bin`` file.
        name: Its key in reports, such as ``agedb30``.
        title: Name for the reader.

    Raises:
        ConfigError: The file is absent.
        LayoutError: It is not in the format, or contradicts itself.
        ImageError: An image cannot be decoded.
    """
    encoded, genuine = read_bin(path)
    unique: dict[bytes, int] = {}
    index = np.array([unique.setdefault(image, len(unique)) for image in encoded], np.int64)
    images = np.empty((len(unique), SIZE, SIZE, 3), np.uint8)
    for image, number in unique.items():
        rgb = decode_image(image, f"{path}: image {number}")
        if rgb.shape[:2] != (SIZE, SIZE):
            rgb = cv2.resize(rgb, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        images[number] = rgb
    pairs = index.reshape(-1, 2)
    people = connected(len(unique), pairs[genuine])
    same = people[pairs[:, 0]] == people[pairs[:, 1]]
    if (same != genuine).any():
        raise LayoutError(
            "has an impostor pair of one person, according to its genuine pairs", path, "download it again"
        )
    folds = np.arange(len(pairs)) * 10 // len(pairs)
    names = [f"image {number}" for number in np.unique(index, return_index=True)[1]]
    return TestSet(name, title, images, pairs, people, folds, np.zeros(len(images), bool), names=names)
