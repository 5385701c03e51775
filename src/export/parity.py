"""Compares exported files with the network they were written from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kface.errors import ModelError

#: Batch sizes at which every file is run.
BATCHES = (1, 8)
#: Largest difference of an element between two unit embeddings, and least cosine, that count as rounding.
CLOSE = 1e-4
SAME_DIRECTION = 1 - 1e-5
#: Below this cosine, a reader of a file of reduced precision gets a warning.
TRUSTED = 0.95


class Parity(NamedTuple):
    """One file, one reader.

    Attributes:
        file: The file's name in the bundle.
        reader: The runtime.
        batch: Faces at a time.
        difference: Largest absolute difference of an element between unit embeddings.
        cosine: Smallest cosine between an embedding and the expected one.
        faces: Number of compared faces.
    """

    file: str
    reader: str
    batch: int
    difference: float
    cosine: float
    faces: int


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Return float32 (n, d), L2-normalised."""
    embeddings = np.asarray(embeddings, np.float32)
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)


def compare(
    file: str,
    reader: str,
    run: Callable[[np.ndarray], np.ndarray],
    inputs: np.ndarray,
    wanted: np.ndarray,
    batches: Sequence[int] = BATCHES,
    exact: bool = True,
    reference: str = "the Keras model",
) -> list[Parity]:
    """Run a file on faces at several batch sizes and compare its embeddings with the expected ones.

    Args:
        file: Its name, for the error.
        reader: Name of the runtime.
        run: float32 (n, 3, h, w) -> (n, d).
        inputs: float32 (n, 3, h, w), preprocessed faces.
        wanted: float32 (n, d), the expected embeddings.
        batches: The batch sizes; (1,) alone for a file of fixed batch.
        exact: Whether more than rounding is an error; False for reduced precision, which is judged on pairs.
        reference: Name of the network that computed the expected embeddings.

    Raises:
        ModelError: The file computes other embeddings.
    """
    rows = []
    wanted = unit(wanted)
    # A file of a large fixed batch gets faces repeatedly.
    short = max(max(batches) - len(inputs), 0)
    again = np.arange(len(inputs) + short) % len(inputs)
    inputs, wanted = (inputs[again], wanted[again]) if short else (inputs, wanted)
    for batch in batches:
        parts = [run(inputs[start : start + batch]) for start in range(0, len(inputs) - batch + 1, batch)]
        found = np.concatenate([np.asarray(part, np.float32).reshape(batch, -1) for part in parts])
        if found.shape[1] != wanted.shape[1] or not np.isfinite(found).all():
            raise ModelError(
                f"gives embeddings of shape {found.shape[1:]}, or not finite ones, with {reader}", file, "do not use it"
            )
        found, target = unit(found), wanted[: len(found)]
        difference = float(np.abs(found - target).max())
        cosine = float(np.sum(found * target, axis=1).min())
        if exact and (difference > CLOSE or cosine < SAME_DIRECTION):
            raise ModelError(
                f"differs by {difference:.1e} (cosine {cosine:.6f}) from {reference} when run by {reader} at batch {batch}",
                file,
                "use another version of that runtime",
            )
        rows.append(Parity(file, reader, batch, difference, cosine, len(found)))
    return rows


def table(rows: Sequence[Parity], faces: str, reference: str = "the Keras model") -> str:
    """Return the parity table as plain text.

    Args:
        rows: Of all files.
        faces: Description of the faces, such as "real faces (LFW)".
        reference: Name of the network that the files are compared with.
    """
    width = max(len(row.file) for row in rows)
    reader = max(len(row.reader) for row in rows)
    lines = [
        f"Parity with {reference} on {rows[0].faces} {faces}:",
        f"{'file':<{width}}  {'read by':<{reader}}  batch  max abs difference  smallest cosine",
    ]
    lines += [
        f"{row.file:<{width}}  {row.reader:<{reader}}  {row.batch:>5}  {row.difference:>18.1e}  {row.cosine:>15.7f}"
        for row in rows
    ]
    for file, by in dict.fromkeys((row.file, row.reader) for row in rows):
        smallest = min(row.cosine for row in rows if (row.file, row.reader) == (file, by))
        if smallest < TRUSTED:
            lines.append(f"{file}: {by} computes something else (cosine {smallest:.2f}): do not run it with {by}")
    return "\n".join(lines)
