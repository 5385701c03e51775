"""Networks that map an aligned face to an embedding.

Input: float32 (n, 112, 112, 3), RGB, (x - 127.5) / 128. Output: float32 (n, d), not normalised: the heads and the
verification divide by the L2 norm themselves, the exporter adds it where a runtime takes it.
"""

from collections.abc import Callable
from typing import Any

import keras

from kface.errors import ConfigError
from train.backbones.mobilenetv2 import mobilenetv2
from train.backbones.resnet50 import resnet50

BACKBONES: dict[str, Callable[..., keras.Model]] = {"resnet50": resnet50, "mobilenetv2": mobilenetv2}

__all__ = ["BACKBONES", "build", "mobilenetv2", "resnet50"]


def build(name: str, **arguments: Any) -> keras.Model:
    """Build a backbone by its name; a run's ``model.json`` holds just these arguments.

    Raises:
        ConfigError: There is no such backbone, or it does not take an argument.
    """
    if not isinstance(name, str) or name not in BACKBONES:
        raise ConfigError(
            f"there is no backbone {name!r}", "backbone.name", f"choose one of: {', '.join(sorted(BACKBONES))}"
        )
    try:
        return BACKBONES[name](**arguments)
    except TypeError as error:
        raise ConfigError(f"does not fit: {error}", "backbone")
