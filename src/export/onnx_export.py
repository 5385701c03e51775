"""A trained network as ONNX, channels first."""

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
        normalise: Whether the embedding leaves it L2-normalised.
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
        normalise: Whether the embedding leaves it L2-normalised.

    Returns:
        A model with the input :data:`~kface.evaluation.foreign.onnx_form.INPUT`, float32 (n, 3, h, w), and the output
        :data:`~kface.evaluation.foreign.onnx_form.OUTPUT`, float32 (n, d); it has passed onnx's checker.

    Raises:
        ConfigError: The opset or the batch cannot be.
        ModelError: The network has an operation that is not known here.
    """
    from kface.evaluation.foreign.onnx_form import canonical, checked

    check_opset(opset)
    check_batch(batch)
    model = write_onnx(folded, OUTPUT, INPUT, opset, batch, normalise)
    # In the form of foreign files too: whoever takes this one over gets the same bytes again.
    canonical(model, INPUT, OUTPUT)
    return checked(model, "embedder.onnx")
