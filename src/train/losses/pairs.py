"""The pairs of images within a batch, for the losses that compare embeddings with one another."""

from typing import NamedTuple

import keras
from keras import ops

from train.losses.base import HeadBatch

#: In place of the logit of what does not count; its exponential is 0, and its product with 0 is finite.
NONE = -1e30


class BatchPairs(NamedTuple):
    """All pairs of a batch in (n, n); each counts once, above the diagonal.

    Attributes:
        cosines: float32, the cosines between the embeddings.
        positive: bool, pairs of the same identity.
        negative: bool, pairs of two identities.
    """

    cosines: keras.KerasTensor
    positive: keras.KerasTensor
    negative: keras.KerasTensor


def pairs_of(batch: HeadBatch) -> BatchPairs:
    """Return the pairs of a batch."""
    cosines = ops.matmul(batch.embeddings, ops.transpose(batch.embeddings))
    labels = ops.expand_dims(ops.cast(batch.labels, "int32"), 1)
    place = ops.expand_dims(ops.cumsum(ops.ones_like(batch.labels, dtype="int32")), 1)
    above = place < ops.transpose(place)
    same = ops.equal(labels, ops.transpose(labels))
    return BatchPairs(cosines, ops.logical_and(above, same), ops.logical_and(above, ops.logical_not(same)))


def count(mask: keras.KerasTensor) -> keras.KerasTensor:
    """Return the number of true elements, an int32 scalar."""
    return ops.sum(ops.cast(mask, "int32"))


def log_sum(logits: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Return the logarithm of the sum of exponentials of the logits of a mask, (1, 1); about :data:`NONE` for none."""
    flat = ops.reshape(ops.where(mask, logits, NONE), (1, -1))
    return ops.logsumexp(flat, axis=-1, keepdims=True)
