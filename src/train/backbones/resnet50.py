"""ResNet-50 (He et al., 2016), built so that its frozen graph can be imported.

BatchNormalization along the last axis, convolutions without bias, and explicit padding before strided convolutions: OpenCV
imports such a graph, but not that of ``keras.applications.ResNet50``. The stride is in the 3x3 convolution of a block
("v1.5"), and the last normalisation of a block starts at zero, so that training starts with a shallow network.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers

from train.backbones.base import BACKBONES, Backbone
from train.backbones.normalisation import BatchNormalization

#: Blocks and inner width of the four stages.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


@BACKBONES.register
@dataclass(frozen=True)
class ResNet50(Backbone):
    """ResNet-50: 2.1 GFLOP at 112x112 with ``stem_stride=2`` and a pool, as on ImageNet; about eight times that with 1."""

    name: ClassVar[str] = "resnet50"

    neck: str = "flatten"

    def __call__(self) -> keras.Model:
        """Build the network."""
        return _build(self)


def _build(settings: ResNet50) -> keras.Model:
    def normalise(x: keras.KerasTensor, name: str, gamma: str = "ones") -> keras.KerasTensor:
        return BatchNormalization(
            axis=-1, momentum=settings.bn_momentum, epsilon=1e-5, gamma_initializer=gamma, name=name
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

    image = keras.Input((settings.size, settings.size, 3), name="image")
    stem = max(8, int(64 * settings.width))
    x = convolve(image, stem, 7 if settings.stem_stride == 2 else 3, settings.stem_stride, "stem")
    x = layers.ReLU(name="stem_relu")(normalise(x, "stem_bn"))
    if settings.stem_stride == 2:
        # The values are not negative, so padding with zeros does not change the maximum.
        x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(layers.ZeroPadding2D(1, name="stem_pool_pad")(x))
    for stage, (blocks, filters) in enumerate(STAGES, 1):
        for number in range(1, blocks + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            x = block(x, max(4, int(filters * settings.width)), stride, number == 1, f"stage{stage}_block{number}")
    return keras.Model(image, settings.embed(x), name="resnet50")
