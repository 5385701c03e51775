"""Half-precision ONNX for versions of TensorRT that use the network's own types (11 and later)."""

import importlib
from typing import Any

from kface.errors import ModelError
from kface.text import first_line


def to_half(data: bytes, path: str) -> bytes:
    """Return an ONNX file with float16 inside and float32 inputs and outputs.

    Args:
        data: The file's bytes.
        path: Its path, for errors.

    Raises:
        ModelError: No converter is installed, or it cannot convert the file.
    """
    try:
        onnx = importlib.import_module("onnx")
        converter = _converter()
    except ImportError as error:
        raise ModelError(
            "cannot be converted to half precision here, as this TensorRT requires ({})".format(first_line(error)),
            path,
            "install onnx and onnxconverter-common, give the fp16 file, or use precision fp32",
        )
    try:
        model = converter.convert_float_to_float16(onnx.load_model_from_string(data), keep_io_types=True)
    # The converters raise all kinds of exceptions.
    except Exception as error:
        raise ModelError("cannot be converted to half precision ({})".format(first_line(error)), path)
    return bytes(model.SerializeToString())


def _converter() -> Any:
    """Return onnxconverter-common's converter, or the copy of it in ONNX Runtime."""
    try:
        return importlib.import_module("onnxconverter_common.float16")
    except ImportError:
        return importlib.import_module("onnxruntime.transformers.float16")
