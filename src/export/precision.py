"""Smaller embedders: INT8 by static quantisation, FP16 by conversion. :mod:`export.judge` measures what they lose."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.settings import LEAST_CALIBRATION
from kface.errors import ConfigError, ModelError
from kface.evaluation.foreign import onnx_form
from kface.evaluation.foreign.onnx_form import CANONICAL_OPSET
from kface.text import first_line

if TYPE_CHECKING:
    import onnx


def to_int8(model: bytes, faces: np.ndarray, batch: int = 16) -> bytes:
    """Quantise an ONNX embedder statically, weights per channel, activations by their range on aligned faces.

    Args:
        model: An ONNX file's bytes, input float32 (n, 3, h, w).
        faces: float32 (n, 3, h, w), preprocessed as the network expects.
        batch: Faces at a time.

    Returns:
        An ONNX file's bytes with QuantizeLinear and DequantizeLinear pairs (QDQ), the form that ONNX Runtime, OpenVINO and
        TensorRT read; the division by the L2 norm stays in float32.

    Raises:
        ConfigError: There are too few faces.
        ModelError: The network cannot be quantised.
    """
    import onnx
    from onnxruntime import quantization

    if len(faces) < LEAST_CALIBRATION:
        raise ConfigError(
            f"needs at least {LEAST_CALIBRATION} faces, and there are {len(faces)}",
            "precision.calibration_faces",
            "give a larger data set, or precision.int8=false",
        )
    loaded = onnx.load_model_from_string(model)
    if onnx_form.opset(loaded) < CANONICAL_OPSET:
        raise ModelError(
            f"has opset {onnx_form.opset(loaded)}, and quantisation per channel needs {CANONICAL_OPSET}",
            "embedder.int8.onnx",
            f"export the network with opset {CANONICAL_OPSET}",
        )
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / name for name in ("fp32.onnx", "prepared.onnx", "int8.onnx"))
        source.write_bytes(model)
        before = logging.root.manager.disable
        # The quantiser advises a preprocessing that has already been done.
        logging.disable(logging.WARNING)
        try:
            quantization.shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared),
                str(target),
                _Faces(loaded.graph.input[0].name, faces, batch),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                op_types_to_quantize=["Conv", "MatMul", "Gemm", "Add", "MaxPool", "GlobalAveragePool"],
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"ActivationSymmetric": True},
            )
        # The quantiser raises all kinds of exceptions.
        except Exception as error:
            raise ModelError(f"cannot be quantised ({first_line(error)})", "embedder.int8.onnx")
        finally:
            logging.disable(before)
        quantised = onnx.load_model_from_string(target.read_bytes())
    return _finished(quantised, loaded, "embedder.int8.onnx")


def to_fp16(model: bytes) -> bytes:
    """Store an ONNX embedder's weights and compute in float16; inputs and outputs stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    loaded = onnx.load_model_from_string(model)
    before = onnx.load_model_from_string(model)
    try:
        converted = convert_float_to_float16(
            before, keep_io_types=True, op_block_list=["ReduceL2", "ReduceSum", "Sqrt", "Max", "Div"]
        )
    except Exception as error:
        raise ModelError(f"cannot be converted to float16 ({first_line(error)})", "embedder.fp16.onnx")
    return _finished(converted, loaded, "embedder.fp16.onnx")


def _finished(model: "onnx.ModelProto", source: "onnx.ModelProto", name: str) -> bytes:
    """Return a model's bytes in canonical form: the converters leave nodes unsorted and numbered."""
    onnx_form.canonical(model, source.graph.input[0].name, source.graph.output[0].name)
    return onnx_form.checked(model, name)


class _Faces:
    """Passes the faces to the quantiser, a batch at a time: a calibration data reader."""

    def __init__(self, name: str, faces: np.ndarray, batch: int) -> None:
        self.name, self.faces, self.batch = name, faces, batch
        self.rewind()

    def rewind(self) -> None:
        """Start again."""
        self._left: Iterator[np.ndarray] = (
            self.faces[start : start + self.batch] for start in range(0, len(self.faces), self.batch)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, or None at the end."""
        block = next(self._left, None)
        return None if block is None else {self.name: block}

    def set_range(self, start_index: int, end_index: int) -> None:
        """Use only a part of the faces; the quantiser asks for it if memory is short."""
        self.faces = self.faces[start_index:end_index]
        self.rewind()

    def __iter__(self) -> "_Faces":
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        block = self.get_next()
        if block is None:
            raise StopIteration
        return block

    def __len__(self) -> int:
        return len(self.faces)
