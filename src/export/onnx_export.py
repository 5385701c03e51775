"""Exports a trained network to ONNX, channels first."""

from typing import Any

import keras

from export.folding import fold
from export.frozen import freeze
from export.onnx_writer import write_onnx
from export.settings import check_batch, check_opset
from kface.evaluation.foreign.onnx_form import INPUT, OUTPUT


def to_onnx(network: keras.Model, opset: int = 13, batch: int | None = None, normalise: bool = True) -> bytes:
    """Return a network as an ONNX file's bytes; see :func:`from_graph`.

    Args:
        network: float32 (n, h, w, 3), RGB, (x - 127.5) / 128 -> (n, d).
        opset: Of the operators.
        batch: A fixed batch, or None for any.
        normalise: Whether the network L2-normalises the embedding.
    """
    check_opset(opset)
    check_batch(batch)
    return from_graph(fold(freeze(network, normalise=False)), opset, batch, normalise)


def from_graph(folded: Any, opset: int = 13, batch: int | None = None, normalise: bool = True) -> bytes:
    """Return a folded graph as an ONNX file's bytes, equal for equal networks.

    Args:
        folded: Of :func:`export.folding.fold`.
        opset: One of :data:`export.settings.OPSETS`.
        batch: A fixed batch, or None for any.
        normalise: Whether the network L2-normalises the embedding.

    Returns:
        A model with the input :data:`~kface.evaluation.foreign.onnx_form.INPUT`, float32 (n, 3, h, w), and the output
        :data:`~kface.evaluation.foreign.onnx_form.OUTPUT`, float32 (n, d), which has passed onnx's checker.

    Raises:
        ConfigError: The opset or the batch is out of its range.
        ModelError: The network has an unknown operation.
    """
    from kface.evaluation.foreign.onnx_form import canonical, checked

    check_opset(opset)
    check_batch(batch)
    model = write_onnx(folded, OUTPUT, INPUT, opset, batch, normalise)
    # The same canonical form as for foreign files: importing this file again gives the same bytes.
    canonical(model, INPUT, OUTPUT)
    return checked(model, "embedder.onnx")
