"""The interface of every runtime's adapter."""

from typing import Dict, List, Optional, Tuple

import numpy as np

#: Sizes by dimension; None if a dimension may vary.
Shape = Tuple[Optional[int], ...]


class Network(object):
    """An opened network.

    Attributes:
        runtime: The runtime's name, such as ``onnxruntime``.
        inputs: Shape of each input by its name, in the file's order; empty if the runtime does not report it.
        outputs: Names of the outputs, in the file's order.
    """

    runtime = ""

    def __init__(self, inputs: Dict[str, Shape], outputs: List[str]) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """Run the network on its (first) input; several threads may do so at the same time if the runtime is "reentrant".

        Args:
            batch: float32, with the batch as first axis; C-contiguous arrays are not copied.

        Returns:
            float32 arrays by output name.

        Raises:
            ModelError: The batch does not fit the network, or the network has been closed.
        """
        raise NotImplementedError  # pragma: no cover - every adapter has its own

    def close(self) -> None:
        """Release the runtime's memory; the network cannot be run afterwards. Closing it again does nothing."""
