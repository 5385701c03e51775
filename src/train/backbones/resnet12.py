"""A small residual network for training on a CPU: shallow, with few large steps down to a small feature map.

On a CPU, a short training gets further with many cheap steps than with few dear ones. An image takes a fifth of MobileNetV2's
time and a seventh of ResNet-50's here, because a processor is far quicker at few dense 3x3 convolutions than at many thin
layers. Convolutions have no bias and padding is explicit, as in :mod:`train.backbones.resnet50`.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers

from train.backbones.base import BACKBONES, Backbone

#: Blocks of two convolutions, and channels, of the three stages; with the stem and the embedding, twelve layers.
STAGES = ((1, 32), (2, 64), (2, 128))


@BACKBONES.register
@dataclass(frozen=True)
class ResNet12(Backbone):
    """Basic residual blocks (He et al., 2016); the first convolution's stride is twice ``stem_stride``, without a pool."""

    name: ClassVar[str] = "resnet12"

    def __call__(self) -> keras.Model:
        """Build the network."""
        return _build(self)


def _build(settings: ResNet12) -> keras.Model:
    normalise = settings.normalise

    def convolve(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
        return layers.Conv2D(
            filters, kernel, strides=stride, use_bias=False, kernel_initializer="he_normal", name=name
        )(x)

    def block(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
        shortcut = x
        if stride > 1 or int(x.shape[-1]) != filters:
            shortcut = normalise(convolve(x, filters, 1, stride, f"{name}_shortcut"), f"{name}_shortcut_bn")
        x = normalise(convolve(x, filters, 3, stride, f"{name}_conv1"), f"{name}_bn1")
        x = layers.ReLU(name=f"{name}_relu1")(x)
        x = normalise(convolve(x, filters, 3, 1, f"{name}_conv2"), f"{name}_bn2")
        return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([shortcut, x]))

    image = keras.Input((settings.size, settings.size, 3), name="image")
    widths = [max(8, int(filters * settings.width)) for _, filters in STAGES]
    x = convolve(image, widths[0], 7, 2 * settings.stem_stride, "stem")
    x = layers.ReLU(name="stem_relu")(normalise(x, "stem_bn"))
    for stage, ((blocks, _), filters) in enumerate(zip(STAGES, widths, strict=True), 1):
        for number in range(1, blocks + 1):
            x = block(x, filters, 2 if stage > 1 and number == 1 else 1, f"stage{stage}_block{number}")
    return keras.Model(image, settings.embed(x), name="resnet12")
