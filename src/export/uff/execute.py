"""Executes UFF files in numpy as TensorRT's parser is documented to: slow, but needs no TensorRT."""

from collections import Counter
from typing import Any

import numpy as np

from export.uff.reader import FLOAT32, UffFile, UffNode, damaged

#: Largest side of a window, step or padding in pixels.
LARGEST = 1024


def execute_uff(data: bytes, batch: np.ndarray) -> np.ndarray:
    """Return the only output of a file.

    Args:
        data: The file.
        batch: float32 (n, 3, h, w), channels first.

    Returns:
        float32 (n, d).

    Raises:
        ModelError: The file is damaged, or the batch does not fit its input.
    """
    file = UffFile(data)
    outputs = [node for node in file.nodes.values() if node.operation == "MarkOutput"]
    if len(outputs) != 1:
        damaged(f"it has {len(outputs)} outputs")
    uses = Counter(source for node in file.nodes.values() for source in node.inputs)
    uses[outputs[0].id] += 1
    values: dict[str, np.ndarray] = {}
    for node in file.nodes.values():
        constants = [file.nodes[source].operation == "Const" for source in node.inputs]
        try:
            values[node.id] = _compute(node, [values[source] for source in node.inputs], constants, batch)
        # Shapes, orders and functions come from the file.
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            damaged(f"the node {node.id} cannot be computed ({' '.join(str(error).split())})")
        # The maps of a deep network do not all fit into memory at once.
        for source in node.inputs:
            uses[source] -= 1
            if not uses[source]:
                del values[source]
    return values[outputs[0].id]


def _compute(node: UffNode, inputs: list[np.ndarray], constants: list[bool], batch: np.ndarray) -> np.ndarray:
    fields = node.fields
    if fields.get("dtype", FLOAT32) != FLOAT32:
        damaged(f"the node {node.id} is not float32")
    if node.operation == "Input":
        if fields["shape"] != [-1, *batch.shape[1:]]:
            damaged(f"its input is {tuple(fields['shape'])}, and the batch {batch.shape}")
        return batch
    if node.operation == "Const":
        return np.frombuffer(fields["values"], "<f4").reshape(fields["shape"])
    if node.operation == "Conv":
        return _convolve(node, node.ordered(inputs[0], 0), node.ordered(inputs[1], 1))
    if node.operation == "Pool":
        return _pool(node, node.ordered(inputs[0], 0))
    if node.operation == "FullyConnected":
        return node.ordered(inputs[0], 0) @ node.ordered(inputs[1], 1).T
    if node.operation == "Binary":
        # Constants have no batch, but as many dimensions as the other operand: TensorRT adds none.
        if len({value.ndim + constant for value, constant in zip(inputs, constants, strict=True)}) != 1:
            damaged(f"the node {node.id} takes operands of different ranks")
        functions: dict[str, Any] = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
        return functions[fields["func"]](*inputs)
    if node.operation == "Unary":
        return {"neg": np.negative}[fields["func"]](inputs[0])
    if node.operation == "Activation":
        return np.clip(inputs[0], 0, {"relu": np.inf, "relu6": 6}[fields["func"]])
    if node.operation == "BatchNorm":
        return _normalise(node, node.ordered(inputs[0], 0), inputs[1:])
    if node.operation == "Flatten":
        return inputs[0].reshape(len(inputs[0]), -1)
    return inputs[0]


def _normalise(node: UffNode, value: np.ndarray, parameters: list[np.ndarray]) -> np.ndarray:
    gamma, beta, mean, variance = (weights.reshape(-1, 1, 1) for weights in parameters)
    scale = (gamma / np.sqrt(variance + node.fields["epsilon"])).astype(np.float32)
    return (value - mean) * scale + beta


def _windows(node: UffNode, value: np.ndarray, window: tuple[int, ...], fill: float) -> np.ndarray:
    """Return the windows of a feature map, (n, c, h, w) -> (n, c, h', w', kh, kw), padded with a value."""
    strides = node.fields["strides"]
    dilation = node.fields.get("dilation", [1, 1])
    sizes = [*window, *strides, *dilation]
    if not all(0 < size <= LARGEST for size in sizes) or not all(
        0 <= pad <= LARGEST for pad in node.fields.get("padding", [])
    ):
        damaged(f"the node {node.id} has windows or paddings that fit no image")
    pads = [(pad, pad) for pad in node.fields.get("padding", [0, 0])]
    if node.fields.get("implicit_padding") == "same":
        pads = []
        for side, size, stride, dilated in zip(value.shape[2:], window, strides, dilation, strict=True):
            whole = max(0, (-(-side // stride) - 1) * stride + (size - 1) * dilated + 1 - side)
            pads.append((whole // 2, whole - whole // 2))
    value = np.pad(value, [(0, 0), (0, 0), *pads], constant_values=fill)
    (down, right), (tall, wide) = strides, dilation
    spread = ((window[0] - 1) * tall + 1, (window[1] - 1) * wide + 1)
    views = np.lib.stride_tricks.sliding_window_view(value, spread, axis=(2, 3))
    return views[:, :, ::down, ::right, ::tall, ::wide]


def _convolve(node: UffNode, value: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    windows = _windows(node, value, kernel.shape[2:], 0)
    groups = node.fields.get("number_groups", 1)
    if groups == 1:
        return np.moveaxis(np.tensordot(windows, kernel, ([1, 4, 5], [1, 2, 3])), 3, 1)
    # NVIDIA's converter leaves a depthwise kernel as (h, w, channels, 1), which +CK reads as one map of all channels.
    if kernel.shape[:2] != (1, groups) or value.shape[1] != groups:
        damaged(f"the node {node.id} has {groups} groups of {value.shape[1]} channels, and a kernel {kernel.shape}")
    return np.einsum("nchwij,cij->nchw", windows, kernel[0])


def _pool(node: UffNode, value: np.ndarray) -> np.ndarray:
    window = node.fields["kernel"]
    if node.fields["func"] == "max":
        return _windows(node, value, window, -np.inf).max((4, 5))
    return _windows(node, value, window, 0).mean((4, 5))
