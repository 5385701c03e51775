"""The settings of a training."""

from dataclasses import dataclass, field

from kface.checks import flag, number, whole
from kface.errors import ConfigError
from train import precision
from train.augment import Augmentation
from train.distil import Distillation
from train.validation import Validation


@dataclass(frozen=True)
class FitSettings:
    """How long a network is trained, and on what.

    Args:
        epochs: Passes over the training images.
        batch_size: Images per step.
        images_per_epoch: Images per epoch; None for all.
        seed: Of the weights, the order and the augmentations.
        margin_start: Share of the run without a margin.
        margin_full: Share of the run after which the margin is complete.
        label_smoothing: Share of the target spread evenly over all identities.
        augmentation: Changes to the images; None for no changes.
        distil: The teacher, and its weight; None for none.
        precision: Of the layers: float32, mixed_bfloat16, mixed_float16, or auto, mixed on a GPU.
        validation: On which people of the training to validate instead, and which network is kept.
        deterministic: Whether TensorFlow computes the same bits in every run, which takes more time.
    """

    epochs: int = 20
    batch_size: int = 128
    images_per_epoch: int | None = None
    seed: int = 0
    margin_start: float = 0.1
    margin_full: float = 0.4
    label_smoothing: float = 0.0
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    distil: Distillation | None = None
    precision: str = "auto"
    validation: Validation = field(default_factory=Validation)
    deterministic: bool = False

    def __post_init__(self) -> None:
        whole("fit.epochs", self.epochs, 1)
        # The embedding is normalised over the batch; of a single image only the mean would remain.
        whole("fit.batch_size", self.batch_size, 2)
        if self.images_per_epoch is not None:
            whole(
                "fit.images_per_epoch",
                self.images_per_epoch,
                self.batch_size,
                remedy="it must be at least fit.batch_size",
            )
        whole("fit.seed", self.seed, 0, 2**32 - 1)
        number("fit.margin_start", self.margin_start, 0, 1)
        number("fit.margin_full", self.margin_full, 0, 1)
        number("fit.label_smoothing", self.label_smoothing, 0, 1, open_above=True)
        if self.augmentation is not None and not isinstance(self.augmentation, Augmentation):
            raise ConfigError(f"must be a group of settings or null, not {self.augmentation!r}", "fit.augmentation")
        precision.check("fit.precision", self.precision)
        if self.distil is not None and not isinstance(self.distil, Distillation):
            raise ConfigError(f"must be a group of settings or null, not {self.distil!r}", "fit.distil")
        if not isinstance(self.validation, Validation):
            raise ConfigError(f"must be a group of settings, not {self.validation!r}", "fit.validation")
        flag("fit.deterministic", self.deterministic)
