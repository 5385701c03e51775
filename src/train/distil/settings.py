"""Which teacher, and how much it counts."""

from dataclasses import dataclass
from typing import Any

from kface.checks import number, refuse, text
from kface.errors import ConfigError

#: In place of a file: the bundle that ``kface export embedder=pretrained`` makes.
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Distillation:
    """The teacher, and the weight of its loss beside the margin loss.

    Args:
        teacher: An ONNX file that maps 112x112 faces to a vector, a bundle's directory, or ``pretrained``.
        weight: Share of the teacher's loss, above 0; 1 for no labels at all.
        colour: The order of the channels that an ONNX file expects, rgb or bgr; a bundle says so itself.
        normalisation: Mean and divisor in grey levels that an ONNX file expects; a bundle says so itself.
        output: Name of an ONNX file's output that is the embedding, where several could be.

    Raises:
        ConfigError: A value is out of its range, or the input of an ONNX file is not given.
    """

    teacher: str = PRETRAINED
    weight: float = 0.5
    colour: str | None = None
    normalisation: Any = None
    output: str | None = None

    def __post_init__(self) -> None:
        key = "fit.distil.{}".format
        text(key("teacher"), self.teacher)
        number(key("weight"), self.weight, 0, 1, open_below=True)
        if self.output is not None:
            text(key("output"), self.output)
        if self.colour not in (None, "rgb", "bgr"):
            refuse(ConfigError(f"must be rgb or bgr, not {self.colour!r}", key("colour")))
        if self.normalisation is not None:
            # The configuration's lists become what a description holds.
            object.__setattr__(self, "normalisation", _pair(key("normalisation"), self.normalisation))
        if str(self.teacher).lower().endswith(".onnx") and None in (self.colour, self.normalisation):
            refuse(
                ConfigError(
                    "the input that it expects is not known",
                    f"{key('teacher')}={self.teacher}",
                    "add fit.distil.colour=rgb (or bgr) and fit.distil.normalisation=[MEAN,DIVISOR], or give a bundle of it: "
                    "kface export embedder=FILE finds both",
                )
            )

    @property
    def unlabelled(self) -> bool:
        """Whether the labels do not count."""
        return self.weight == 1


def _pair(key: str, value: Any) -> tuple[float, float]:
    try:
        mean, divisor = list(value)
    except (TypeError, ValueError):
        refuse(ConfigError(f"must be [MEAN,DIVISOR], not {value!r}", key))
        return (0.0, 1.0)
    return number(key, mean, -1e6, 1e6), number(key, divisor, 1e-6, 1e6)
