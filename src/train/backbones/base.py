"""What all backbones share: their settings, their checks, and the neck, the layers from a feature map to the embedding."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers

from kface.checks import number, whole
from kface.errors import ConfigError
from train.backbones.normalisation import BatchNormalization
from train.registry import Json, Registry, fields_of

NECKS = ("flatten", "gdc", "gap")


@dataclass(frozen=True)
class Backbone(ABC):
    """Settings of a network that maps an aligned face to an embedding; called without arguments, it builds the network.

    Args:
        embedding: Length of the embedding; 128-256 suits fewer than 2,000 identities.
        stem_stride: Stride of the first convolution: 2, or 1, which is more accurate and takes many times the work.
        neck: ``flatten`` is BN-Dropout-Flatten-Dense-BN (ArcFace's ResNet); ``gdc`` a depthwise convolution over the complete
            feature map, then Dense-BN (MobileFaceNet); ``gap`` the mean over the feature map, then Dense-BN.
        dropout: Share of the neck's features that are dropped in training.
        bn_momentum: Of the BatchNormalizations' moving averages; 0.9 suits short runs.
        width: Factor on the number of channels.
        size: Side of the input in pixels.

    Raises:
        ConfigError: An argument is out of its range.
    """

    #: Its name in conf/backbone/ and in ``model.json``.
    name: ClassVar[str]

    embedding: int = 512
    stem_stride: int = 2
    neck: str = "gdc"
    dropout: float = 0.0
    bn_momentum: float = 0.9
    width: float = 1.0
    size: int = 112

    def __post_init__(self) -> None:
        whole("backbone.embedding", self.embedding, 2, 4096)
        if isinstance(self.stem_stride, bool) or self.stem_stride not in (1, 2):
            raise ConfigError(f"must be 1 or 2, not {self.stem_stride!r}", "backbone.stem_stride")
        if self.neck not in NECKS:
            raise ConfigError(f"unknown neck {self.neck!r}", "backbone.neck", f"choose one of: {', '.join(NECKS)}")
        number("backbone.dropout", self.dropout, 0, 1, open_above=True)
        number("backbone.bn_momentum", self.bn_momentum, 0, 1, open_below=True, open_above=True)
        # Four times the width is 16 times the work and the weights.
        number("backbone.width", self.width, 0, 4, open_below=True)
        whole("backbone.size", self.size, 32, 1024)

    @abstractmethod
    def __call__(self) -> keras.Model:
        """Build the network: float32 (n, size, size, 3) -> float32 (n, embedding), not normalised."""

    def described(self) -> dict[str, Json]:
        """Return name and fields, as ``model.json`` and ``run.json`` hold them."""
        return {"name": self.name, **fields_of(self)}

    def normalise(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Add a BatchNormalization along the last axis."""
        return BatchNormalization(axis=-1, momentum=self.bn_momentum, epsilon=1e-5, name=name)(x)

    def embed(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Add the neck.

        Args:
            x: Feature map (n, h, w, c).

        Returns:
            float32 (n, embedding).
        """
        if self.neck == "flatten":
            x = self.normalise(x, "neck_bn")
            x = layers.Dropout(self.dropout, name="neck_dropout")(x)
            x = layers.Flatten(name="neck_flatten")(x)
        elif self.neck == "gdc":
            window = (int(x.shape[1]), int(x.shape[2]))
            x = layers.DepthwiseConv2D(window, use_bias=False, name="neck_gdc")(x)
            x = self.normalise(x, "neck_gdc_bn")
            x = layers.Dropout(self.dropout, name="neck_dropout")(x)
            x = layers.Flatten(name="neck_flatten")(x)
        else:
            x = layers.GlobalAveragePooling2D(name="neck_gap")(x)
            x = layers.Dropout(self.dropout, name="neck_dropout")(x)
        x = layers.Dense(self.embedding, use_bias=False, name="neck_dense")(x)
        # The embedding has 32 bits in mixed precision too.
        return BatchNormalization(axis=-1, momentum=self.bn_momentum, epsilon=1e-5, name="embedding", dtype="float32")(
            x
        )


BACKBONES: Registry[Backbone] = Registry("backbone", Backbone)
