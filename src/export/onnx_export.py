"""A trained network as ONNX, channels first."""

import keras
import tensorflow as tf

from export.frozen import INPUT, OUTPUT
from kface.errors import ConfigError

#: TensorRT 8.2, the Nano's, reads up to the first; the second is what current runtimes are tuned for.
OPSETS = (13, 17)
#: Below it an embedding has no direction; squared, as the sum of squares is compared with it.
TINY = 1e-12


def to_onnx(network: keras.Model, opset: int = 13, batch: int | None = None, normalise: bool = True) -> bytes:
    """Return a network as an ONNX file's bytes.

    Args:
        network: float32 (n, h, w, 3), RGB, (x - 127.5) / 128 -> (n, d).
        opset: Of the operators.
        batch: A fixed batch, or None for any.
        normalise: Whether the embedding leaves it L2-normalised.

    Returns:
        A model with the input :data:`~export.frozen.INPUT`, float32 (n, 3, h, w), and the output
        :data:`~export.frozen.OUTPUT`, float32 (n, d); it has passed onnx's checker.

    Raises:
        ConfigError: The opset or the batch is none.
    """
    import onnx
    import tf2onnx

    if opset not in OPSETS:
        raise ConfigError(f"must be one of {', '.join(map(str, OPSETS))}, not {opset!r}", "opset")
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ConfigError(f"must be a whole number of at least 1, or null, not {batch!r}", "batch")

    def embed(image: tf.Tensor) -> dict[str, tf.Tensor]:
        embedding = network(image, training=False)
        if normalise:
            # Not tf.nn.l2_normalize: its reciprocal root becomes Reciprocal, which TensorRT does not know.
            squares = tf.reduce_sum(tf.square(embedding), axis=-1, keepdims=True)
            embedding = embedding / tf.sqrt(tf.maximum(squares, TINY))
        return {OUTPUT: embedding}

    signature = tf.TensorSpec((batch, *network.input_shape[1:]), tf.float32, name=INPUT)
    model, _ = tf2onnx.convert.from_function(
        tf.function(embed, autograph=False, input_signature=[signature]),
        input_signature=[signature],
        opset=opset,
        inputs_as_nchw=[INPUT],
    )
    if batch is None:
        # The converter invents a name for each.
        for value in (model.graph.input[0], model.graph.output[0]):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    model.producer_name = "kface"
    model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
