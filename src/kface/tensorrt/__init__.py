"""TensorRT: engines built on the device that runs them, kept with their hashes, checked against a reference, and run.

An engine belongs to one GPU and one TensorRT, so the bundle carries ONNX files and every device makes its own engines
from them, once. Nothing here asks TensorRT for its version to decide what to call: what is there is called.
NVIDIA's own package is ``tensorrt``, which :func:`kface.tensorrt.api.tensorrt` imports.
"""

from kface.tensorrt.builder import BY_SIDE, PRECISIONS, build_engine
from kface.tensorrt.cache import default_directory, get_engine
from kface.tensorrt.calibrator import Calibrator

__all__ = ["BY_SIDE", "PRECISIONS", "Calibrator", "build_engine", "default_directory", "get_engine"]
