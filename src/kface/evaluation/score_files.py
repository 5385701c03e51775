"""The scores of a test set's pairs, ``scores/<set>.npz`` beside a report, to be looked at without the network."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.data.testsets import TestSet
from kface.errors import TrainingError
from kface.files import write_atomic
from kface.verification import FAILED

FOLDER = "scores"
#: Genuine pairs, and impostor pairs, whose faces are kept: those that are hardest.
HARDEST = 8


class PairScores(NamedTuple):
    """The content of a file of scores.

    Attributes:
        scores: float32 (m,), similarities; :data:`~kface.verification.scores.FAILED` where a face was not found.
        genuine: bool (m,).
        pairs: int32 (m, 2), indices of images, or of templates.
        people: int32 (n,), the person in each image or template.
        folds: int32 (m,), or (0,) where there are none.
        names: Texts (n,), where each image comes from; (0,) where that is not known.
        failed: bool (n,), images in which no face was found.
        hardest: int32 (k,), pairs: the genuine ones with the lowest scores, then the impostor ones with the highest.
        hardest_faces: uint8 (k, 2, 112, 112, 3), RGB, their aligned faces.
    """

    scores: np.ndarray
    genuine: np.ndarray
    pairs: np.ndarray
    people: np.ndarray
    folds: np.ndarray
    names: np.ndarray
    failed: np.ndarray
    hardest: np.ndarray
    hardest_faces: np.ndarray


def hardest(scores: np.ndarray, genuine: np.ndarray, count: int = HARDEST) -> np.ndarray:
    """Return the pairs that are hardest, int64 (k,): genuine from the lowest score on, then impostor from the highest on.

    Pairs with a face that was not found are left out.
    """
    order = np.argsort(scores, kind="stable")
    order = order[scores[order] > FAILED]
    return np.concatenate([order[genuine[order]][:count], order[~genuine[order]][::-1][:count]])


def write_scores(directory: Path, testset: TestSet, scores: np.ndarray) -> str:
    """Write a test set's scores and return the file's path below the report's directory.

    Raises:
        OSError: The file cannot be written.
    """
    chosen = hardest(scores, testset.genuine)
    rows = testset.pairs[chosen]
    if testset.templates is not None:
        # Of a template of several images the first is shown.
        first = np.unique(testset.templates.template, return_index=True)[1]
        rows = testset.templates.image[first][rows]
    content = PairScores(
        scores=scores.astype(np.float32),
        genuine=testset.genuine,
        pairs=testset.pairs.astype(np.int32),
        people=testset.people.astype(np.int32),
        folds=np.zeros(0, np.int32) if testset.folds is None else testset.folds.astype(np.int32),
        # Names that are not Unicode would not be readable elsewhere.
        names=np.array([name.encode("utf-8", "replace").decode() for name in testset.names], np.str_),
        failed=testset.failed,
        hardest=chosen.astype(np.int32),
        hardest_faces=testset.images[rows],
    )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content._asdict())
    path = f"{FOLDER}/{testset.name}.npz"
    (directory / FOLDER).mkdir(exist_ok=True)
    write_atomic(directory / path, buffer.getvalue())
    return path


def read_scores(path: Path) -> PairScores:
    """Read a file of scores.

    Raises:
        TrainingError: It is missing or damaged.
    """
    remedy = "run kface evaluate"
    try:
        # From memory: NumPy leaves a file that is not an archive open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            content = PairScores(*(kept[name] for name in PairScores._fields))
    except OSError as error:
        raise TrainingError(f"cannot be read ({error.strerror or error})", path, remedy)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainingError(f"is damaged ({error})", path, remedy)
    count = len(content.scores)
    if content.genuine.shape != (count,) or content.pairs.shape != (count, 2):
        raise TrainingError("is damaged: its arrays do not fit together", path, remedy)
    return content
