"""Similarity scores of pairs."""

from typing import Optional

import numpy as np

from kface.errors import KFaceError

#: Score of a pair with a face that could not be acquired: below every cosine.
FAILED = -2.0


def score_pairs(
    embeddings: np.ndarray, pairs: np.ndarray, failed: Optional[np.ndarray] = None, block: int = 16384
) -> np.ndarray:
    """Return the cosine similarity of each pair.

    Args:
        embeddings: (n, d), of any length.
        pairs: Integers (m, 2), indices of embeddings.
        failed: bool (n,), images without an embedding; their pairs score :data:`FAILED`.
        block: Number of pairs at a time, to bound the memory.

    Returns:
        float32 (m,), from -1 to 1.

    Raises:
        KFaceError: The shapes do not match, an index is out of range, or an embedding is not finite.
    """
    embeddings = np.asarray(embeddings, np.float32)
    pairs = np.asarray(pairs)
    if embeddings.ndim != 2 or pairs.ndim != 2 or pairs.shape[1] != 2:
        raise KFaceError(
            "embeddings must be (n, d) and pairs (m, 2), not {} and {}".format(embeddings.shape, pairs.shape)
        )
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= len(embeddings)):
        raise KFaceError("a pair names an image that has no embedding")
    if not np.isfinite(embeddings).all():
        raise KFaceError("an embedding is not finite", None, "check whether the training diverged")
    norms = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    unit = embeddings / np.maximum(norms, 1e-12)[:, None]
    scores = np.empty((len(pairs),), np.float32)
    for start in range(0, len(pairs), block):
        part = pairs[start : start + block]
        scores[start : start + block] = np.einsum("md,md->m", unit[part[:, 0]], unit[part[:, 1]])
    np.clip(scores, -1, 1, out=scores)
    if failed is not None:
        scores[np.asarray(failed, bool)[pairs].any(axis=1)] = FAILED
    return scores
