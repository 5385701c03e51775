"""Inputs are read out of ONNX files without the onnx package; checked against the package and ONNX Runtime."""

import pytest

from kface.errors import ModelError
from kface.mtcnn import weights
from kface.networks import open_network
from kface.networks.onnx_inputs import inputs_of


def test_as_onnx_runtime_tells():
    pytest.importorskip("onnxruntime", reason="the oracle")
    try:
        folder = weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    for name in weights.NAMES:
        path = folder / (name + ".onnx")
        assert inputs_of(path.read_bytes()) == open_network(path, "onnxruntime").inputs


def test_weights_among_the_inputs_are_none():
    onnx = pytest.importorskip("onnx", reason="makes the file")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((3,), np.float32), "w")
    values = [
        helper.make_tensor_value_info("w", TensorProto.FLOAT, [3]),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3]),
    ]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", values, [out], [weight])
    data = helper.make_model(graph).SerializeToString()
    assert onnx.load_model_from_string(data).graph.input[0].name == "w"
    assert inputs_of(data) == {"x": (None, 3)}
    for cut in (len(data) // 3, len(data) - 5):
        with pytest.raises(ValueError):
            inputs_of(data[:cut])


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff" * 40, b"\x3a\x7f"])
def test_what_is_no_onnx_file(data):
    with pytest.raises(ValueError):
        inputs_of(data)
