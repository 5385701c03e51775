"""AgeDB-30, CFP-FP and others in insightface's ``.bin`` form: aligned JPEGs and pair labels, wrapped in a pickle.

Reading a pickle can run whatever code its author wished. These files need nothing but lists, bytes and truth values, so the
reader here builds those and refuses every other instruction, by name, before anything is called.
"""

import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np

from kface.alignment import SIZE
from kface.errors import ConfigError, LayoutError
from kface.images import decode_image
from train.testsets.base import TestSet


class _RefusedError(Exception):
    """The pickle asks for something else than plain values."""


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """Python 2 files, re-pickled, hold their bytes as text that is encoded back: the only call that is known here."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _RefusedError("_codecs.encode with other arguments")
    return text.encode("latin1")


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, tuples, bytes, numbers and truth values; everything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) in (("builtins", "bytes"), ("__builtin__", "bytes")):
            return bytes
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _RefusedError("a persistent object")


def read_bin(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Read a ``.bin`` file.

    Returns:
        The encoded images, two a pair; bool (m,), whether a pair is genuine.

    Raises:
        ConfigError: The file is absent.
        LayoutError: It is not in the form, or holds anything but plain values.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path, "give the file, or leave the test set out")
    try:
        value = _PlainUnpickler(io.BytesIO(data), encoding="bytes").load()
    except _RefusedError as error:
        raise LayoutError(f"asks for {error}, which no test set needs", path, "do not trust this file")
    except Exception:  # a damaged pickle can raise nearly anything
        raise LayoutError("is damaged, or not a test set in insightface's form", path, "download it again")
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(isinstance(part, list) for part in value):
        raise LayoutError("does not hold images and labels", path)
    images, labels = value
    if not images or len(images) != 2 * len(labels):
        raise LayoutError(f"holds {len(images)} images for {len(labels)} pairs", path)
    if not all(isinstance(image, bytes) for image in images) or not all(label in (0, 1) for label in labels):
        raise LayoutError("holds something else than encoded images and truth values", path)
    return images, np.array([bool(label) for label in labels])


def bin_set(path: Path, name: str, title: str) -> TestSet:
    """Load a test set in insightface's form; its faces are aligned already.

    The form does not say who is in the images. Images that a genuine pair or equal bytes tie together are taken for
    one person; intervals therefore resample these groups.

    Args:
        path: The ``.bin`` file.
        name: Key in reports, such as ``agedb30``.
        title: Name for the reader.

    Raises:
        ConfigError: The file is absent.
        LayoutError: It is not in the form, or contradicts itself.
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
    people = _groups(len(unique), pairs[genuine])
    same = people[pairs[:, 0]] == people[pairs[:, 1]]
    if (same != genuine).any():
        raise LayoutError("calls one person two, by its genuine and impostor pairs", path, "download it again")
    folds = np.arange(len(pairs)) * 10 // len(pairs)
    return TestSet(name, title, images, pairs, people, folds, np.zeros(len(images), bool))


def _groups(count: int, tied: np.ndarray) -> np.ndarray:
    """Return the connected components of images that pairs tie together, int64 (count,)."""
    parent = np.arange(count)

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = int(parent[number])
        return number

    for a, b in tied:
        parent[root(int(a))] = root(int(b))
    return np.unique([root(number) for number in range(count)], return_inverse=True)[1].reshape(-1)
