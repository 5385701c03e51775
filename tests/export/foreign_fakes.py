"""Foreign networks in the forms in which they are usually published."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: The size of their embeddings.
SIZE = 16


def model(
    outputs=("embedding",),
    batch="n",
    layout="NCHW",
    kind=TensorProto.FLOAT,
    opset=13,
    tail="vector",
    second_input=False,
    fixed_reshape=False,
    side=112,
):
    """Return a network of one matrix product over 16x16 cells.

    Args:
        outputs: Among embedding, norm (n, 1), map (n, 3, 7, 7), other (n, 16).
        batch: A number, or a name for any.
        layout: NCHW or NHWC.
        kind: What the input, the weights and the outputs are.
        opset: Of the operators.
        tail: "vector" for (n, d), "map" for (n, d, 1, 1).
        second_input: Whether there is another input.
        fixed_reshape: Whether the batch is written into a Reshape.
        side: Of the input.
    """
    dtype = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    random = np.random.default_rng(0)
    shape = [batch, 3, side, side] if layout == "NCHW" else [batch, side, side, 3]
    inputs = [helper.make_tensor_value_info("input.1", kind, shape)]
    nodes, source = [], "input.1"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [source], ["nchw"], perm=[0, 3, 1, 2]))
        source = "nchw"
    if second_input:
        inputs.append(helper.make_tensor_value_info("phase_train", kind, [1]))
        nodes.append(helper.make_node("Add", [source, "phase_train"], ["shifted"]))
        source = "shifted"
    constants = [numpy_helper.from_array(random.normal(size=(147, SIZE)).astype(dtype), "w")]
    nodes.append(helper.make_node("AveragePool", [source], ["map"], kernel_shape=[16, 16], strides=[16, 16]))
    if fixed_reshape:
        constants.append(numpy_helper.from_array(np.array([batch, 147], np.int64), "shape"))
        nodes.append(helper.make_node("Reshape", ["map", "shape"], ["flat"]))
    else:
        nodes.append(helper.make_node("Flatten", ["map"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "w"], ["embedding" if tail == "vector" else "row"]))
    if tail == "map":
        constants.append(numpy_helper.from_array(np.array([-1, SIZE, 1, 1], np.int64), "sides"))
        nodes.append(helper.make_node("Reshape", ["row", "sides"], ["embedding"]))
    if "norm" in outputs:
        nodes.append(helper.make_node("ReduceL2", ["embedding"], ["norm"], axes=[1], keepdims=1))
    if "other" in outputs:
        nodes.append(helper.make_node("Relu", ["embedding"], ["other"]))
    shapes = {
        "embedding": [batch, SIZE] if tail == "vector" else [batch, SIZE, 1, 1],
        "norm": [batch, 1],
        "other": [batch, SIZE],
        "map": [batch, 3, 7, 7],
        "features": [batch, SIZE],
    }
    graph = helper.make_graph(
        nodes,
        "main_graph",
        inputs,
        [helper.make_tensor_value_info(name, kind, shapes[name]) for name in outputs],
        constants,
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="pytorch"
    )


def write(path, **settings):
    """Write a network and return its path."""
    onnx.save_model(model(**settings), str(path))
    return path


def write_external(path, location=None, **settings):
    """Write a network whose weights lie in a file of their own, and return its path."""
    made = model(**settings)
    tensor = next(one for one in made.graph.initializer if one.name == "w")
    location = path.name + ".data" if location is None else location
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(data)))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(made.SerializeToString())
    return path, data
