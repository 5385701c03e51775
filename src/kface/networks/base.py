"""What every runtime's adapter offers."""

from typing import Dict, List, Optional, Tuple

import numpy as np

#: A dimension is None where it may vary.
Shape = Tuple[Optional[int], ...]


class Network(object):
    """An opened network.

    Attributes:
        runtime: The runtime's name, such as ``onnxruntime``.
        inputs: Shape of each input by its name, in the file's order; empty where the runtime does not tell.
        outputs: Names of the outputs, in the file's order.
    """

    runtime = ""

    def __init__(self, inputs: Dict[str, Shape], outputs: List[str]) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """Run the network on its (first) input; several threads at a time where the runtime's table says "reentrant".

        Args:
            batch: float32, the batch first; C-contiguous arrays are not copied.

        Returns:
            float32 arrays by the names of the outputs.

        Raises:
            ModelError: The batch does not fit the network, or it has been closed.
        """
        raise NotImplementedError  # pragma: no cover - every adapter has its own

    def close(self) -> None:
        """Give the runtime's memory back; the network cannot be run afterwards. Once is enough, and more does nothing."""
