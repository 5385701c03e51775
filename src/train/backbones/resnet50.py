"""ResNet-50 (He et al., 2016) that exports.

BatchNormalization along the last axis, convolutions without bias and padding of its own before strided convolutions:
OpenCV's importer reads such a frozen graph, which it does not of ``keras.applications.ResNet50``. The stride is in the 3x3
convolution of a block ("v1.5"), and the last normalisation of a block starts at zero, so that the network starts as a
shallow one.
"""

import keras
from keras import layers

from train.backbones.embedding import check, embed

#: Blocks and inner width of the four stages.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def resnet50(
    embedding: int = 512,
    stem_stride: int = 2,
    head: str = "flatten",
    dropout: float = 0.0,
    bn_momentum: float = 0.9,
    width: float = 1.0,
    size: int = 112,
) -> keras.Model:
    """Build the network.

    Args:
        embedding: Length of the embedding; 128-256 for fewer than 2,000 identities.
        stem_stride: 2 with a pool behind it (as on ImageNet, 2.1 GFLOP at 112x112), or 1 without a pool, more accurate
            and about eight times the work.
        head: See :func:`train.backbones.embedding.embed`.
        dropout: In the head.
        bn_momentum: 0.9 suits short runs; 0.99 wants many thousand steps before the moving averages mean anything.
        width: Multiplies the channels; for tests and tiny budgets.
        size: Side of the input in pixels.

    Returns:
        float32 (n, size, size, 3) -> float32 (n, embedding).

    Raises:
        ConfigError: An argument is out of its range.
    """
    check(embedding, stem_stride, dropout, bn_momentum, width, size)

    def normalise(x: keras.KerasTensor, name: str, gamma: str = "ones") -> keras.KerasTensor:
        return layers.BatchNormalization(
            axis=-1, momentum=bn_momentum, epsilon=1e-5, gamma_initializer=gamma, name=name
        )(x)

    def convolve(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
        return layers.Conv2D(
            filters, kernel, strides=stride, use_bias=False, kernel_initializer="he_normal", name=name
        )(x)

    def block(x: keras.KerasTensor, filters: int, stride: int, first: bool, name: str) -> keras.KerasTensor:
        shortcut = x
        if first:
            shortcut = normalise(convolve(x, 4 * filters, 1, stride, f"{name}_shortcut"), f"{name}_shortcut_bn")
        x = layers.ReLU(name=f"{name}_relu1")(normalise(convolve(x, filters, 1, 1, f"{name}_conv1"), f"{name}_bn1"))
        x = layers.ReLU(name=f"{name}_relu2")(
            normalise(convolve(x, filters, 3, stride, f"{name}_conv2"), f"{name}_bn2")
        )
        x = normalise(convolve(x, 4 * filters, 1, 1, f"{name}_conv3"), f"{name}_bn3", gamma="zeros")
        return layers.ReLU(name=f"{name}_relu3")(layers.Add(name=f"{name}_add")([shortcut, x]))

    image = keras.Input((size, size, 3), name="image")
    stem = max(8, int(64 * width))
    x = convolve(image, stem, 7 if stem_stride == 2 else 3, stem_stride, "stem")
    x = layers.ReLU(name="stem_relu")(normalise(x, "stem_bn"))
    if stem_stride == 2:
        # The values are not negative, so that padding with zeros is padding with nothing.
        x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(layers.ZeroPadding2D(1, name="stem_pool_pad")(x))
    for stage, (blocks, filters) in enumerate(STAGES, 1):
        for number in range(1, blocks + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            x = block(x, max(4, int(filters * width)), stride, number == 1, f"stage{stage}_block{number}")
    return keras.Model(image, embed(x, embedding, head, dropout, bn_momentum), name="resnet50")
