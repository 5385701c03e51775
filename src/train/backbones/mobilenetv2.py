"""MobileNetV2 (Sandler et al., 2018) with the neck of MobileFaceNet.

Own code rather than ``keras.applications.MobileNetV2``, whose BatchNormalization momentum is fixed at 0.999: after a few
thousand steps its moving averages are still noise, and the network scores at chance on unseen people. Padding is explicit
and convolutions have no bias, as in :mod:`train.backbones.resnet50`.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers

from train.backbones.base import BACKBONES, Backbone

#: Expansion, channels, blocks and stride of the first block (Table 2 of the paper).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


@BACKBONES.register
@dataclass(frozen=True)
class MobileNetV2(Backbone):
    """MobileNetV2: 0.19 GFLOP at 112x112 with ``stem_stride=2``, as in the paper; about four times that with 1.

    With another width, channels are rounded to multiples of 8.
    """

    name: ClassVar[str] = "mobilenetv2"

    def __call__(self) -> keras.Model:
        """Build the network."""
        return _build(self)


def _build(settings: MobileNetV2) -> keras.Model:
    normalise = settings.normalise

    def channels(number: float) -> int:
        rounded = max(8, int(number * settings.width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * number * settings.width else rounded

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

    image = keras.Input((settings.size, settings.size, 3), name="image")
    x = layers.ZeroPadding2D(1, name="stem_pad")(image)
    x = layers.Conv2D(
        channels(32), 3, strides=settings.stem_stride, use_bias=False, kernel_initializer="he_normal", name="stem"
    )(x)
    x = layers.ReLU(6.0, name="stem_relu")(normalise(x, "stem_bn"))
    for stage, (expansion, filters, blocks, stride) in enumerate(STAGES, 1):
        for number in range(1, blocks + 1):
            first = stride if number == 1 else 1
            x = block(x, expansion, channels(filters), first, f"stage{stage}_block{number}")
    x = convolve(x, channels(1280), "last")
    x = layers.ReLU(6.0, name="last_relu")(normalise(x, "last_bn"))
    return keras.Model(image, settings.embed(x), name="mobilenetv2")
