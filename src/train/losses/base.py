"""What all losses share: their settings, what they see of a batch, and the cross-entropy that is minimised.

The contract between a loss and the head (:class:`train.heads.CosineHead`) that holds the class weights:

- The head computes cosines, a loss computes everything from there to the scalar that is minimised. All of it is float32,
  whatever the precision of the embeddings, and in ``keras.ops`` alone, so that every Keras backend runs it.
- The columns of the cosines are identities, but they need not be all identities: a head may hold only a sample of them
  (Partial FC). The labels then are columns of the sample, and every row's identity is in it. A loss must not assume that
  column c is identity c in the next batch, nor that the number of columns is the number of identities. Equal labels are the
  same identity in any case.
- With sub-centres, a cosine is already the largest of its identity.
- A row has one identity. For a mixture of two images (mixup, CutMix), the head makes one batch for each of the two label
  vectors, and the mixture's loss is the sum of :meth:`Loss.rows` of the two, weighted by the shares; :meth:`Loss.update` is
  called for one of them only. A margin therefore applies to either identity as if the image showed nobody else.
- Variables of a loss (:meth:`Loss.state`) change in :meth:`Loss.update` alone, which is called once a training step, before
  the other methods. The other methods have no effects.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import keras
from keras import ops

from kface.checks import number, whole
from train.registry import Registry

if TYPE_CHECKING:
    from train.heads import CosineHead

#: Cosines are kept this far from +-1, where the derivative of the angle is unbounded.
EPSILON = 1e-3


def default_scale(classes: int) -> float:
    """Return the scale for a number of classes.

    Twice AdaCos' fixed scale sqrt(2) ln(C - 1) (Zhang et al., 2019), kept between 8 and 64: AdaCos' own leaves no room for a
    margin, and with 64 hundreds of identities do not train at all. 370 identities get 16.7, where mixface found 16
    to be the only one that trains; 10,000 get 26, 85,000 (MS1M) get 32.
    """
    return min(64.0, max(8.0, 2 * math.sqrt(2) * math.log(max(classes - 1, 2))))


class HeadBatch(NamedTuple):
    """What a loss sees of a batch; see the contract at the top of this module.

    Attributes:
        cosines: float32 (n, columns), inside +-(1 - :data:`EPSILON`).
        labels: Integers (n,), the column of each row's identity.
        embeddings: float32 (n, d), L2-normalised; a zero embedding stays zero.
        norms: float32 (n, 1), the L2 norms of the embeddings before they were normalised,
            at least 1e-6.
        margin: The margin in force, a float32 scalar, which :class:`train.callbacks.MarginRamp` raises.
        scale: The factor on the cosines in force, a float or a float32 scalar.
        state: The variables that :meth:`Loss.state` names, float32 scalars.
    """

    cosines: keras.KerasTensor
    labels: keras.KerasTensor
    embeddings: keras.KerasTensor
    norms: keras.KerasTensor
    margin: keras.KerasTensor
    scale: "float | keras.KerasTensor"
    state: Mapping[str, keras.Variable]

    @property
    def true(self) -> keras.KerasTensor:
        """float32 (n, columns): 1 in the column of the row's identity, 0 elsewhere."""
        return ops.one_hot(self.labels, self.cosines.shape[-1], dtype="float32")

    @property
    def own(self) -> keras.KerasTensor:
        """float32 (n, 1): the cosine between each embedding and its own identity."""
        return ops.sum(self.true * self.cosines, axis=-1, keepdims=True)


@dataclass(frozen=True)
class Loss:
    """Settings of a loss, and its formulas; called with the number of identities, it makes the head.

    A new loss adds its fields and overrides :meth:`check` and :meth:`target`, and what else it needs of :meth:`state` and
    :meth:`update` (AdaFace's averages), :meth:`penalty` (MagFace's term on the norms) and :meth:`negatives` (UNPG's pairs).

    Args:
        scale: Factor on the cosines; by default :meth:`scale_for` the number of identities.
        scale_start: Factor at the start of the run, from which it grows to ``scale`` while the margin is raised, by equal
            ratios in equal times; None for a constant factor.
        margin: The margin at the end of the ramp.
        sub_centres: Class weights per identity, of which the nearest counts (Sub-center ArcFace, Deng et al., 2020,
            equation 4): with more than 1, wrongly labelled images gather at a centre of their own.

    Raises:
        ConfigError: A value is out of its range.
    """

    #: Its name in conf/loss/.
    name: ClassVar[str]

    scale: float | None = None
    scale_start: float | None = None
    margin: float = 0.0
    sub_centres: int = 1

    def __post_init__(self) -> None:
        for key in ("scale", "scale_start"):
            value = getattr(self, key)
            if value is not None:
                number(f"loss.{key}", value, 0, 1e38, open_below=True)
        number("loss.margin", self.margin)
        whole("loss.sub_centres", self.sub_centres, 1, 100)
        self.check()

    def check(self) -> None:
        """Raise ConfigError where a value is out of the range of this loss."""

    def scale_for(self, classes: int) -> float:
        """Return the factor on the cosines for a number of identities where ``scale`` is None."""
        return default_scale(classes)

    def state(self) -> dict[str, float]:
        """Return names and initial values of scalars that the loss updates in training; checkpoints keep them."""
        return {}

    def update(self, batch: HeadBatch) -> None:
        """Assign to the variables of :meth:`state`; called once a training step, before the other methods."""

    def target(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return float32 (n, 1), the cosines of the true classes (:attr:`HeadBatch.own`) with the margin applied."""
        raise NotImplementedError

    def negatives(self, batch: HeadBatch) -> keras.KerasTensor | None:
        """Return the logarithm of the sum of exponentials of more negative logits, float32 (n, 1) or (1, 1), or None.

        They are added to those of the other classes in the denominator of each row.
        """
        return None

    def penalty(self, batch: HeadBatch) -> keras.KerasTensor | None:
        """Return a scalar that is added to the mean cross-entropy, or None."""
        return None

    def logits(self, batch: HeadBatch) -> keras.KerasTensor:
        """Return float32 (n, columns), the scaled cosines, those of the true classes with the margin."""
        return batch.scale * (batch.cosines + batch.true * (self.target(batch) - batch.own))

    def rows(self, batch: HeadBatch, label_smoothing: float = 0.0) -> keras.KerasTensor:
        """Return float32 (n,), the cross-entropy of each row.

        Args:
            batch: What the head computed.
            label_smoothing: Share of the target spread evenly over all columns; further negatives have none.
        """
        logits = self.logits(batch)
        total = ops.logsumexp(logits, axis=-1, keepdims=True)
        negatives = self.negatives(batch)
        if negatives is not None:
            both = [total, ops.broadcast_to(negatives, ops.shape(total))]
            total = ops.logsumexp(ops.concatenate(both, axis=-1), axis=-1, keepdims=True)
        wanted = ops.sum(batch.true * logits, axis=-1)
        if label_smoothing:
            wanted = (1 - label_smoothing) * wanted + label_smoothing * ops.mean(logits, axis=-1)
        return ops.squeeze(total, axis=-1) - wanted

    def value(self, batch: HeadBatch, label_smoothing: float = 0.0) -> keras.KerasTensor:
        """Return the scalar that is minimised: the mean of :meth:`rows`, plus :meth:`penalty`."""
        mean = ops.mean(self.rows(batch, label_smoothing))
        penalty = self.penalty(batch)
        return mean if penalty is None else mean + penalty

    def __call__(self, classes: int) -> "CosineHead":
        """Return a head for a number of identities."""
        # The head's module needs this one.
        from train.heads import CosineHead

        return CosineHead(classes, self)


LOSSES: Registry[Loss] = Registry("loss", Loss)
