"""Moves weights that an ONNX file keeps in separate files into the model.

PyTorch's exporter writes such files. A bundle holds one file whose hash covers the weights. The model names the files of its
weights, and it may come from an untrusted source: only regular files in the model's own folder are read.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kface.errors import ModelError
from kface.evaluation.foreign.onnx_form import LIMIT, subgraphs

if TYPE_CHECKING:
    import onnx


def inline(model: "onnx.ModelProto", path: Path) -> bool:
    """Move external weights into a model, in place.

    Args:
        model: An ``onnx.ModelProto`` that was read without its external weights.
        path: The file it was read from.

    Returns:
        Whether the model had external weights.

    Raises:
        ModelError: A file of weights is missing, too short or outside the model's folder, or the weights do not fit into
            one ONNX file.
    """
    found = [tensor for tensor in _tensors(model.graph) if tensor.data_location == tensor.EXTERNAL]
    for function in model.functions:
        for node in function.node:
            found += [one for one in _of_node(node) if one.data_location == one.EXTERNAL]
    # Check everything before gigabytes are read.
    places = [_place(tensor, path) for tensor in found]
    total = model.ByteSize() + sum(length for _, _, length in places)
    if total > LIMIT:
        raise ModelError(
            f"has {total / 1e9:.1f} GB with its external weights, and an ONNX file holds at most 2.1 GB",
            path,
            "give a smaller network",
        )
    for tensor, (file, offset, length) in zip(found, places, strict=True):
        try:
            with file.open("rb") as stream:
                stream.seek(offset)
                tensor.raw_data = stream.read(length)
        except OSError as error:
            raise ModelError(f"its weights cannot be read ({error.strerror or error})", file)
        tensor.data_location = tensor.DEFAULT
        del tensor.external_data[:]
    return bool(found)


def _place(tensor: "onnx.TensorProto", path: Path) -> tuple[Path, int, int]:
    """Return the file, the offset and the number of bytes of a tensor's values."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    location = about.get("location", "")
    # Exporters on Windows write backslashes.
    file = path.parent / location.replace("\\", "/")
    home = os.path.realpath(path.parent)
    if not location or os.path.commonpath([home, os.path.realpath(file)]) != home or os.path.isabs(location):
        raise ModelError(
            f"refers to weights in {location!r}, outside its own folder",
            path,
            "move them into its folder, or save the network as one file",
        )
    if not file.is_file():
        raise ModelError(
            f"refers to weights in {location}, which does not exist", path, f"copy {location} into its folder"
        )
    try:
        offset = int(about.get("offset", 0))
        size = file.stat().st_size
        length = int(about.get("length", size - offset))
    except (ValueError, OSError):
        raise ModelError(f"has a damaged entry for the weights {tensor.name}", path, "export it again")
    wanted = _bytes(tensor)
    if offset < 0 or length < 0 or offset + length > size or (wanted is not None and length != wanted):
        raise ModelError(
            f"needs {wanted or length} bytes from offset {offset} of {location} for the weights {tensor.name}, and the file "
            f"has {size} bytes",
            path,
            "copy both files again",
        )
    return file, offset, length


def _bytes(tensor: "onnx.TensorProto") -> int | None:
    """Return the size of a tensor's values in bytes; None for packed types."""
    import onnx

    try:
        item = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        return None
    packed = {
        getattr(tensor, name) for name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2") if hasattr(tensor, name)
    }
    return None if tensor.data_type in packed else math.prod(tensor.dims) * int(item)


def _tensors(graph: "onnx.GraphProto") -> Iterator["onnx.TensorProto"]:
    """Yield all tensors of a graph and of its subgraphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        yield from _of_node(node)


def _of_node(node: "onnx.NodeProto") -> Iterator["onnx.TensorProto"]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for body in subgraphs(attribute):
            yield from _tensors(body)
