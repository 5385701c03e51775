"""The last part of a backbone: from a feature map to an embedding."""

import keras
from keras import layers

from kface.checks import number, whole
from kface.errors import ConfigError

HEADS = ("flatten", "gdc", "gap")


def embed(x: keras.KerasTensor, size: int, head: str, dropout: float, momentum: float) -> keras.KerasTensor:
    """Add the embedding's layers.

    Args:
        x: Feature map (n, h, w, c).
        size: Length of the embedding.
        head: ``flatten`` is BN-Dropout-Flatten-Dense-BN (ArcFace's ResNet); ``gdc`` a depthwise convolution over the whole
            map, then Dense-BN (MobileFaceNet); ``gap`` the mean over the map, then Dense-BN.
        dropout: Share of features dropped while training.
        momentum: Of the BatchNormalizations' moving averages.

    Raises:
        ConfigError: There is no such head.
    """
    if head == "flatten":
        x = layers.BatchNormalization(axis=-1, momentum=momentum, epsilon=1e-5, name="head_bn")(x)
        x = layers.Dropout(dropout, name="head_dropout")(x)
        x = layers.Flatten(name="head_flatten")(x)
    elif head == "gdc":
        window = (int(x.shape[1]), int(x.shape[2]))
        x = layers.DepthwiseConv2D(window, use_bias=False, name="head_gdc")(x)
        x = layers.BatchNormalization(axis=-1, momentum=momentum, epsilon=1e-5, name="head_gdc_bn")(x)
        x = layers.Dropout(dropout, name="head_dropout")(x)
        x = layers.Flatten(name="head_flatten")(x)
    elif head == "gap":
        x = layers.GlobalAveragePooling2D(name="head_gap")(x)
        x = layers.Dropout(dropout, name="head_dropout")(x)
    else:
        raise ConfigError(f"there is no head {head!r}", "backbone.head", f"choose one of: {', '.join(HEADS)}")
    x = layers.Dense(size, use_bias=False, name="head_dense")(x)
    return layers.BatchNormalization(axis=-1, momentum=momentum, epsilon=1e-5, name="embedding")(x)


def check(embedding: int, stem_stride: int, dropout: float, momentum: float, width: float, size: int) -> None:
    """Check what all backbones share; raises ConfigError."""
    whole("backbone.embedding", embedding, 2, 4096)
    if isinstance(stem_stride, bool) or stem_stride not in (1, 2):
        raise ConfigError(f"must be 1 or 2, not {stem_stride!r}", "backbone.stem_stride")
    number("backbone.dropout", dropout, 0, 1, open_above=True)
    number("backbone.bn_momentum", momentum, 0, 1, open_below=True, open_above=True)
    # Four times the width is 16 times the work and the weights.
    number("backbone.width", width, 0, 4, open_below=True)
    whole("backbone.size", size, 32, 1024)
