"""What the cascade's three stages compute, whoever computes it; :class:`kface.mtcnn.Detector` decides what passes."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar

import numpy as np

from kface.errors import ConfigError, ModelError
from kface.mtcnn import weights
from kface.mtcnn.windows import Windows
from kface.native import kernels, status
from kface.networks import RUNTIMES, resolve

Item = TypeVar("Item")
Result = TypeVar("Result")

#: The name of the compiled kernels among the detector's runtimes.
NATIVE = "native"


class Stages(object):
    """The three networks, with what goes before them: shrinking and cropping.

    Attributes:
        runtime: What runs them.
    """

    runtime = ""

    def prepare(self, rgb: np.ndarray) -> Any:
        """Return an image, uint8 (h, w, 3), in the form that the other methods take."""
        raise NotImplementedError

    def windows(self, images: Sequence[Any], levels: Sequence[Tuple[int, float]], least: float) -> List[Windows]:
        """Run P-Net.

        Args:
            images: From :meth:`prepare`.
            levels: The numbers of the images, and the scales.
            least: Windows with a higher logit are found.
        """
        raise NotImplementedError

    def refine(self, name: str, images: Sequence[Any], boxes: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """Run "rnet" or "onet" on boxes.

        Args:
            name: The network.
            images: From :meth:`prepare`.
            boxes: float64 (n, 4) of each image.

        Returns:
            For each image the outputs ``logits`` (n, 1), ``offsets`` (n, 4) and, of O-Net, ``landmarks`` (n, 10); nothing
            where it has no box.
        """
        raise NotImplementedError

    def refine_few(self, rgb: np.ndarray, boxes: np.ndarray) -> Dict[str, np.ndarray]:
        """Run O-Net on a few boxes of an image that was not prepared; see :meth:`refine`."""
        raise NotImplementedError

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Return the result of `work` for each item, in order, on several threads where that is faster."""
        raise NotImplementedError

    def check_open(self) -> None:
        """Raise ModelError once they have been closed."""
        raise NotImplementedError

    def close(self) -> None:
        """End the threads and free the networks; closing again does nothing."""
        raise NotImplementedError


def closed_error(place: object) -> ModelError:
    """Return the error of stages that have been closed."""
    return ModelError("the detector has been closed", place, "open another")


def choose(runtime: str) -> str:
    """Return what runs the cascade: :data:`NATIVE` or a name in :data:`kface.networks.RUNTIMES`.

    Args:
        runtime: One of these, or ``auto``: the GPU of a Jetson, else the compiled kernels where they are built, else the
            fastest runtime that is installed.

    Raises:
        ConfigError: It is unknown, not installed or not built.
    """
    if runtime == NATIVE:
        if not kernels().compiled:
            raise ConfigError("is not built here: {}".format(status()), NATIVE, "python -m kface.native build")
        return NATIVE
    if runtime != "auto":
        return resolve(runtime, task="detector")
    if not kernels().compiled:
        return resolve(runtime, task="detector")
    try:
        found = resolve(runtime, task="detector")
    except ConfigError:
        return NATIVE
    return found if RUNTIMES[found].gpu else NATIVE


def open_stages(models: "weights.PathLike", runtime: str, threads: Optional[int]) -> Stages:
    """Open the cascade.

    Args:
        models: The directory that :func:`kface.mtcnn.weights.prepare` returns.
        runtime: From :func:`choose`.
        threads: Number of threads; None for one per core that this process may use.

    Raises:
        ConfigError: The runtime is not installed.
        ModelError: A network is absent, differs from its recorded hash, or cannot be read.
    """
    if runtime == NATIVE:
        from kface.mtcnn.native_stages import NativeStages

        return NativeStages(models, threads)
    from kface.mtcnn.runtime_stages import RuntimeStages

    return RuntimeStages(models, runtime, threads)
