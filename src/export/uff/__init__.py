"""UFF, the network format that TensorRT read up to 8.6: the paper's route .pb -> UFF -> TensorRT.

NVIDIA's own converter comes with TensorRT only, needs TensorFlow 1 and knows neither ``AddV2`` nor what Keras 3 writes.
This one knows the operations of :mod:`train.backbones` and refuses every other by name.
"""

from export.uff.execute import execute_uff
from export.uff.writer import write_uff

__all__ = ["execute_uff", "write_uff"]
