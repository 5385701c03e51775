"""The cascade's weights as the compiled kernels take them: ``include/kface_native.h``, ``src/layers.inl``.

A map's channels lie side by side and are padded with zeros to a multiple of 16. A layer's weights are those of its first input
value for all channels, those of the second, and so on (rows of the kernel, columns, channels); its biases and the slopes of its
PReLU follow. After the layers come those kernels of 3 x 3 again that are computed by Winograd's minimal filtering.
"""

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from kface.errors import ModelError
from kface.native.kernels import WEIGHTS
from kface.networks.protobuf import Fields, Value

#: Multiple of which every layer has channels.
LANES = 16
#: G of F(3, 3) with the points 0, 1, -1, 2 and infinity (Lavin and Gray, 2016).
_WINOGRAD = np.array([[3, 0, 0], [-3, -3, -3], [-1, 1, -1], [1, 2, 4], [0, 0, 6]], np.float64) / 6


def constants_of(data: bytes) -> Dict[str, np.ndarray]:
    """Return the constants of an ONNX file by name, float32, in the form that :mod:`kface.mtcnn.graphs` writes.

    The fields are ModelProto.graph (7), GraphProto.initializer (5) and TensorProto.dims (1), data_type (2; 1 is float32),
    name (8) and raw_data (9).

    Raises:
        ValueError: The bytes are not such a file.
    """
    fields = Fields()
    found: Dict[str, np.ndarray] = {}
    for graph in fields.all(memoryview(data), 7):
        for tensor in fields.all(graph, 5):
            name, array = _constant(fields, tensor)
            if array is not None:
                found[name] = array
    return found


def _constant(fields: Fields, tensor: Value) -> Tuple[str, Optional[np.ndarray]]:
    shape: List[int] = []
    kind, name, raw = 0, "", b""
    for number, value in fields.of(tensor):
        if number == 1:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8 and not isinstance(value, int):
            name = bytes(value).decode("utf-8", "replace")
        elif number == 9 and not isinstance(value, int):
            raw = bytes(value)
    if kind != 1:
        return name, None
    return name, np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)


def _packed(values: memoryview) -> List[int]:
    """Return the numbers of a packed field; all are below 2^63 and none is negative."""
    found, number, shift = [], 0, 0
    for byte in bytes(values):
        number |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            found.append(number)
            number = shift = 0
    return found


def arrange(name: str, data: bytes, path: object = "") -> np.ndarray:
    """Return the weights of a network, float32 (n,), for the kernels.

    Args:
        name: "pnet", "rnet" or "onet".
        data: Its ONNX file, in the plain form.
        path: Where it is, for the error.

    Raises:
        ModelError: The file has not the constants of this network.
    """
    try:
        constants = constants_of(data)
        arranged = {"pnet": _pnet, "rnet": _rnet, "onet": _onet}[name](constants)
        found = np.concatenate([np.ravel(part) for part in arranged])
        if len(found) != WEIGHTS[name]:
            raise ValueError("{} numbers instead of {}".format(len(found), WEIGHTS[name]))
    except (ValueError, KeyError, IndexError) as error:
        raise ModelError("has not the constants of {} ({})".format(name, error), path)
    return np.ascontiguousarray(found, np.float32)


def _padded(array: np.ndarray) -> np.ndarray:
    """Pad the last axis with zeros to a multiple of :data:`LANES`."""
    missing = -array.shape[-1] % LANES
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)], "constant")


def _convolution(constants: Dict[str, np.ndarray], name: str) -> List[np.ndarray]:
    """Return weights, biases and slopes of a convolution; OIHW becomes HWIO."""
    kernel = constants[name + ".0"].transpose(2, 3, 1, 0)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    return [_padded(part) for part in (kernel, constants[name + ".1"], constants[name + "_prelu.0"].reshape(-1))]


def _pnet(constants: Dict[str, np.ndarray]) -> List[np.ndarray]:
    layers = [part for name in ("conv1", "conv2", "conv3") for part in _convolution(constants, name)]
    for head in ("logits", "offsets"):
        layers += [constants[head + ".0"], constants[head + ".1"]]
    return layers + [_tiles(constants, "conv3")]


def _dense(
    constants: Dict[str, np.ndarray], names: Sequence[str], shape: Tuple[int, ...], slopes: np.ndarray
) -> List[np.ndarray]:
    """Return a dense layer of several ones side by side; a flat input of (c, h, w) becomes one of (h, w, c)."""
    kernel = np.concatenate([constants[name + ".0"] for name in names])
    kernel = np.moveaxis(kernel.reshape((len(kernel),) + shape), 1, -1).reshape(len(kernel), -1).T
    bias = np.concatenate([constants[name + ".1"] for name in names])
    return [_padded(part) for part in (kernel, bias, slopes)]


def _rest(
    constants: Dict[str, np.ndarray], convolutions: Sequence[str], shape: Tuple[int, ...], heads: Sequence[str]
) -> List[np.ndarray]:
    layers = [part for name in convolutions for part in _convolution(constants, name)]
    layers += _dense(constants, ["dense"], shape, constants["dense_prelu.0"].reshape(-1))
    outputs = sum(len(constants[name + ".1"]) for name in heads)
    # A slope of 1 leaves the heads as they are.
    return layers + _dense(constants, heads, (-1,), np.ones((outputs,), np.float32))


def _tiles(constants: Dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return a kernel for ``src/winograd.inl``: (25, inputs, channels)."""
    kernel = constants[name + ".0"].astype(np.float64)
    return _padded(np.einsum("yk,oikl,xl->yxio", _WINOGRAD, kernel, _WINOGRAD).astype(np.float32))


def _rnet(constants: Dict[str, np.ndarray]) -> List[np.ndarray]:
    layers = _rest(constants, ("conv1", "conv2", "conv3"), (64, 3, 3), ("logits", "offsets"))
    return layers + [_tiles(constants, "conv2")]


def _onet(constants: Dict[str, np.ndarray]) -> List[np.ndarray]:
    heads = ("logits", "offsets", "landmarks")
    layers = _rest(constants, ("conv1", "conv2", "conv3", "conv4"), (128, 3, 3), heads)
    return layers + [_tiles(constants, "conv2"), _tiles(constants, "conv3")]
