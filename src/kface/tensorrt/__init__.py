"""TensorRT: engines are built on the device that runs them, stored with their hashes, and compared with a reference.

An engine belongs to one GPU and one version of TensorRT, so a bundle holds ONNX files and every device builds its own engines
from them, once. Calls are chosen by which ones exist, not by TensorRT's version. NVIDIA's own package is ``tensorrt``, which
:func:`kface.tensorrt.api.tensorrt` imports.
"""

from kface.tensorrt.builder import BY_SIDE, PRECISIONS, build_engine
from kface.tensorrt.cache import default_directory, get_engine
from kface.tensorrt.calibrator import Calibrator

__all__ = ["BY_SIDE", "PRECISIONS", "Calibrator", "build_engine", "default_directory", "get_engine"]
