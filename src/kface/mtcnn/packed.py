"""Runs P-Net on a complete pyramid at once, for runtimes that build a network for one input size."""

from collections import OrderedDict
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np

from kface.mtcnn import canvas
from kface.networks import Network

#: Frame sizes whose networks are kept open; a stream has one.
KEPT = 4


class PackedPNet(object):
    """Runs P-Net's canvas form, built for each frame size, and kept for the last few.

    Args:
        opener: Opens the network for one shape of input, (1, 4, h, w).
    """

    def __init__(self, opener: Callable[[Tuple[int, ...]], Network]) -> None:
        self._opener = opener
        self._opened = OrderedDict()  # type: OrderedDict[Tuple[Tuple[int, int], ...], Tuple[canvas.Canvas, Network]]

    def run(self, levels: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """Return P-Net's outputs for the levels of one image, float32 (3, h, w) each; for no levels, nothing."""
        if not levels:
            return []
        sizes = tuple((level.shape[1], level.shape[2]) for level in levels)
        if sizes not in self._opened:
            placed = canvas.layout(sizes)
            self._opened[sizes] = (placed, self._opener((1, 4, placed.height, placed.width)))
            if len(self._opened) > KEPT:
                _, (_, oldest) = self._opened.popitem(last=False)
                oldest.close()
        self._opened.move_to_end(sizes)
        placed, network = self._opened[sizes]
        return canvas.unpack(network.run(canvas.pack(levels, placed)[None]), placed)

    def close(self) -> None:
        """Free the networks."""
        while self._opened:
            _, (_, network) = self._opened.popitem()
            network.close()
