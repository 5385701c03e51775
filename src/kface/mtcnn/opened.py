"""The cascade's networks, opened once for all detectors that share them, and the threads that run them side by side."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, TypeVar

import numpy as np

from kface.mtcnn import weights
from kface.mtcnn.packed import PackedPNet
from kface.mtcnn.stages import closed_error
from kface.networks import RUNTIMES, Network, open_network
from kface.workers import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


class CascadeNetworks(object):
    """P-, R- and O-Net in the form that suits a runtime.

    Args:
        models: The directory that :func:`kface.mtcnn.weights.prepare` returns.
        runtime: A name in :data:`kface.networks.RUNTIMES`.
        threads: Number of threads; None for one per core that this process may use.

    Attributes:
        runtime: As given.
        packed: Runs P-Net on complete pyramids, for runtimes that build a network for one input size; None for others.

    Raises:
        ConfigError: The runtime is not installed.
        ModelError: A network is absent, differs from its recorded hash, or cannot be read.
    """

    def __init__(self, models: Path, runtime: str, threads: Optional[int] = None) -> None:
        self.runtime = runtime
        self.packed: Optional[PackedPNet] = None
        self._place = models
        self._closed = False
        self._opened: Dict[str, Network] = {}
        self._pool: Optional[ThreadPoolExecutor] = None
        known = weights.files(models, runtime)
        if RUNTIMES[runtime].detector_form == "canvas":
            canvas, canvas_digest = known.pop("pnet")
            self.packed = PackedPNet(lambda shape: open_network(canvas, runtime, None, canvas_digest, shape))
        together = threads or cores()
        if together > 1 and RUNTIMES[runtime].side_by_side:
            # Each piece has one thread of the pool.
            self._pool, threads = ThreadPoolExecutor(together, "kface-mtcnn"), 1
        try:
            for name, (path, digest) in known.items():
                self._opened[name] = open_network(path, runtime, threads, digest)
        except Exception:
            self.close()
            raise

    def __getitem__(self, name: str) -> Network:
        """Return the network "pnet" (but see :attr:`packed`), "rnet" or "onet"; raises ModelError once they are closed."""
        self.check_open()
        return self._opened[name]

    def check_open(self) -> None:
        """Raise ModelError where the networks have been closed."""
        if self._closed:
            raise closed_error(self._place)

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Return the result of `work` for each item, in order, on several threads where that is faster."""
        return map(work, items) if self._pool is None else self._pool.map(work, items)

    def run_packed(self, pyramids: Sequence[Sequence[np.ndarray]]) -> List[Dict[str, np.ndarray]]:
        """Return P-Net's outputs for all levels, float32 (3, h, w) each, of one image after the other."""
        assert self.packed is not None
        return [outputs for levels in pyramids for outputs in self.packed.run(levels)]

    def wrap(self, wrapper: Callable[[Network], Any]) -> Dict[str, Any]:
        """Wrap each network, for instance to count its calls, and return the wrappers by name."""
        self._opened = {name: wrapper(network) for name, network in self._opened.items()}
        return dict(self._opened)

    def close(self) -> None:
        """End the threads and free the networks; closing again does nothing."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        opened, self._opened = self._opened, {}
        for network in opened.values():
            network.close()
        if self.packed is not None:
            self.packed.close()
