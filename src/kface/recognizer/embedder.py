"""A bundle's embedder: aligned crops in, embeddings of length 1 out, by a runtime that was seen to compute them rightly."""

import logging
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from kface.bundle import Bundle, BundleFile
from kface.errors import ConfigError, KFaceError, ModelError
from kface.networks import UnsuitableRuntimeError, open_network
from kface.networks.registry import candidates
from kface.recognizer.selfcheck import WrongEmbeddingsError, check

LOGGER = logging.getLogger(__name__)

#: Crops that go through the network at once where its batch is free; it bounds the memory that a crowd takes.
LARGEST = 64
#: An embedding shorter than this points nowhere.
SHORTEST = 1e-6


class EmbedderOutput(NamedTuple):
    """What came out.

    Attributes:
        vectors: float32 (n, d), of length 1; zeros where it failed.
        failed: bool (n,), where the network returned zeros or numbers that are not finite.
    """

    vectors: np.ndarray
    failed: np.ndarray


class Embedder(object):
    """Runs the embedder of a bundle as its manifest says.

    On opening, it embeds the bundle's golden faces and compares (:mod:`kface.recognizer.selfcheck`): a runtime that computes
    something else is refused by name, and ``auto`` goes on to the next one.

    Args:
        bundle: The bundle.
        runtime: A name in :data:`kface.networks.RUNTIMES`, or ``auto``.
        precision: "fp32", "fp16" or "int8".
        threads: Threads to use; the runtime's own choice where None.

    Raises:
        ConfigError: The runtime or precision does not exist or is not installed.
        ModelError: The bundle has no such file, the file is not the one that was exported, or the runtime cannot read it
            or computes something else.
    """

    def __init__(
        self, bundle: Bundle, runtime: str = "auto", precision: str = "fp32", threads: Optional[int] = None
    ) -> None:
        self.size = bundle.manifest.embedding
        self._preprocessing = bundle.manifest.preprocessing
        choices = _choices(bundle, runtime, precision)
        refused: List[KFaceError] = []
        for number, (name, file) in enumerate(choices):
            try:
                self._open(bundle, name, file, threads)
                return
            except (UnsuitableRuntimeError, ConfigError) as error:
                refused.append(error)
                # A runtime that was asked for by name and computes wrong embeddings is an error; no other file is tried.
                if number == len(choices) - 1 or (runtime != "auto" and isinstance(error, WrongEmbeddingsError)):
                    raise refused[0] if runtime == "auto" else error
                following, then = choices[number + 1]
                LOGGER.warning("%s; going on with %s and %s", error, following, then.path)

    @classmethod
    def of_file(cls, bundle: Bundle, runtime: str, file: BundleFile, threads: Optional[int] = None) -> "Embedder":
        """Open one file with one runtime, without comparing it: for whoever measures how far its embeddings are off."""
        made = cls.__new__(cls)
        made.size = bundle.manifest.embedding
        made._preprocessing = bundle.manifest.preprocessing
        made._read(bundle, runtime, file, threads)
        return made

    def _read(self, bundle: Bundle, name: str, file: BundleFile, threads: Optional[int]) -> None:
        self.file = file
        self._path = bundle.path(file.path)
        self._network = open_network(self._path, name, threads, file.sha256)

    def _open(self, bundle: Bundle, name: str, file: BundleFile, threads: Optional[int]) -> None:
        self._read(bundle, name, file, threads)
        try:
            check(self, bundle, name)
        except ModelError:
            self._network.close()
            raise

    @property
    def runtime(self) -> str:
        """Name of the runtime that runs the network."""
        return self._network.runtime

    def close(self) -> None:
        """Give the network's memory back."""
        self._network.close()

    def run(self, crops: np.ndarray) -> EmbedderOutput:
        """Embed aligned faces.

        Args:
            crops: uint8 (n, 112, 112, 3), RGB.

        Raises:
            ModelError: The network cannot run, or gives something else than n embeddings of the manifest's length.
        """
        if not len(crops):
            return EmbedderOutput(np.zeros((0, self.size), np.float32), np.zeros((0,), bool))
        fixed = self.file.batch if isinstance(self.file.batch, int) else None
        step = fixed or LARGEST
        parts = [self._part(crops[start : start + step], fixed) for start in range(0, len(crops), step)]
        raw = np.concatenate(parts).astype(np.float64)
        finite = np.isfinite(raw).all(axis=1)
        raw[~finite] = 0
        lengths = np.sqrt((raw * raw).sum(axis=1))
        failed = lengths < SHORTEST
        raw[failed] = 0
        return EmbedderOutput((raw / np.where(failed, 1, lengths)[:, None]).astype(np.float32), failed)

    def _part(self, crops: np.ndarray, fixed: Optional[int]) -> np.ndarray:
        count = len(crops)
        if fixed is not None and count < fixed:
            crops = np.concatenate([crops, np.repeat(crops[-1:], fixed - count, axis=0)])
        outputs = self._network.run(self._prepare(crops))
        names = [name for name in self.file.outputs if name in outputs]
        values = outputs[names[0] if names else next(iter(outputs))]
        values = np.asarray(values, np.float32).reshape(len(values), -1)
        if values.shape != (len(crops), self.size):
            raise ModelError(
                "gave an array of shape {} for {} faces; the manifest says {} numbers each".format(
                    values.shape, len(crops), self.size
                ),
                self._path,
                "export the bundle again: kface export",
            )
        return values[:count]

    def _prepare(self, crops: np.ndarray) -> np.ndarray:
        if self._preprocessing.colour == "BGR":
            crops = crops[..., ::-1]
        values = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
        values -= np.float32(self._preprocessing.mean)
        values /= np.float32(self._preprocessing.divisor)
        return values


def _choices(bundle: Bundle, runtime: str, precision: str) -> List[Tuple[str, BundleFile]]:
    """Return the runtimes and files to try, in order; raises KFaceError where there are none."""
    choices: List[Tuple[str, BundleFile]] = []
    refused: List[KFaceError] = []
    for name in candidates(runtime):
        try:
            choices += [(name, file) for file in bundle.embedders(name, precision)]
        except ModelError as error:
            refused.append(error)
    if not choices:
        raise refused[0]
    return choices
