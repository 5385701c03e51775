"""MobileNetV2 (Sandler et al., 2018) with the head of MobileFaceNet.

Own code rather than ``keras.applications.MobileNetV2``, whose BatchNormalization momentum of 0.999 is fixed: after a few
thousand steps its moving averages are still noise and the network scores at chance on unseen people. Padding is
explicit, convolutions have no bias, as in :mod:`train.backbones.resnet50`.
"""

import keras
from keras import layers

from train.backbones.embedding import check, embed

#: Expansion, channels, blocks and stride of the first block (Table 2 of the paper).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenetv2(
    embedding: int = 512,
    stem_stride: int = 2,
    head: str = "gdc",
    dropout: float = 0.0,
    bn_momentum: float = 0.9,
    width: float = 1.0,
    size: int = 112,
) -> keras.Model:
    """Build the network.

    Args:
        embedding: Length of the embedding; 128-256 for fewer than 2,000 identities.
        stem_stride: 2 as in the paper (0.19 GFLOP at 112x112), or 1, more accurate and four times the work.
        head: See :func:`train.backbones.embedding.embed`.
        dropout: In the head.
        bn_momentum: 0.9 suits short runs.
        width: Multiplies the channels, which are then rounded to multiples of 8.
        size: Side of the input in pixels.

    Returns:
        float32 (n, size, size, 3) -> float32 (n, embedding).

    Raises:
        ConfigError: An argument is out of its range.
    """
    check(embedding, stem_stride, dropout, bn_momentum, width, size)

    def channels(number: float) -> int:
        rounded = max(8, int(number * width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * number * width else rounded

    def normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return layers.BatchNormalization(axis=-1, momentum=bn_momentum, epsilon=1e-5, name=name)(x)

    def convolve(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
        return layers.Conv2D(filters, 1, use_bias=False, kernel_initializer="he_normal", name=name)(x)

    def block(x: keras.KerasTensor, expansion: int, filters: int, stride: int, name: str) -> keras.KerasTensor:
        source = x
        if expansion > 1:
            x = convolve(x, expansion * int(source.shape[-1]), f"{name}_expand")
            x = layers.ReLU(6.0, name=f"{name}_relu1")(normalise(x, f"{name}_expand_bn"))
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        x = layers.DepthwiseConv2D(3, strides=stride, use_bias=False, name=f"{name}_depthwise")(x)
        x = layers.ReLU(6.0, name=f"{name}_relu2")(normalise(x, f"{name}_depthwise_bn"))
        x = normalise(convolve(x, filters, f"{name}_project"), f"{name}_project_bn")
        if stride == 1 and int(source.shape[-1]) == filters:
            x = layers.Add(name=f"{name}_add")([source, x])
        return x

    image = keras.Input((size, size, 3), name="image")
    x = layers.ZeroPadding2D(1, name="stem_pad")(image)
    x = layers.Conv2D(
        channels(32), 3, strides=stem_stride, use_bias=False, kernel_initializer="he_normal", name="stem"
    )(x)
    x = layers.ReLU(6.0, name="stem_relu")(normalise(x, "stem_bn"))
    for stage, (expansion, filters, blocks, stride) in enumerate(STAGES, 1):
        for number in range(1, blocks + 1):
            first = stride if number == 1 else 1
            x = block(x, expansion, channels(filters), first, f"stage{stage}_block{number}")
    x = convolve(x, channels(1280), "last")
    x = layers.ReLU(6.0, name="last_relu")(normalise(x, "last_bn"))
    return keras.Model(image, embed(x, embedding, head, dropout, bn_momentum), name="mobilenetv2")
