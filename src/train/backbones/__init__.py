"""Networks that map an aligned face to an embedding.

Input: float32 (n, 112, 112, 3), RGB, (x - 127.5) / 128. Output: float32 (n, d), not normalised: the margin heads and the
verification divide by the L2 norm themselves, and the exporter adds it where a runtime's file contains it.
"""

from collections.abc import Mapping

import keras

from kface.errors import ConfigError
from train.backbones.base import BACKBONES, Backbone
from train.backbones.mobilenetv2 import MobileNetV2
from train.backbones.resnet12 import ResNet12
from train.backbones.resnet50 import ResNet50

__all__ = ["BACKBONES", "Backbone", "MobileNetV2", "ResNet12", "ResNet50", "build", "of_description"]


def of_description(described: Mapping[str, object]) -> Backbone:
    """Return the settings of a backbone from name and fields, as ``model.json`` holds them.

    Raises:
        ConfigError: The name is unknown, or a field does not exist or is out of its range.
    """
    name = described.get("name")
    if not isinstance(name, str):
        raise ConfigError("has no name", "backbone", f"choose one of: {', '.join(sorted(BACKBONES.members))}")
    return BACKBONES.make(name, {key: value for key, value in described.items() if key != "name"})


def build(name: str, **arguments: object) -> keras.Model:
    """Build a backbone by its name; raises ConfigError as :func:`of_description` does."""
    return BACKBONES.make(name, arguments)()
