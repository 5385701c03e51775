"""Weights that an ONNX file keeps in files beside it, taken into the model.

PyTorch's exporter writes them so. A bundle holds one file whose hash covers the weights; where they lie is written in the
model, which may come from anywhere: only regular files in the model's own folder are read.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kface.errors import ModelError
from kface.evaluation.foreign.onnx_form import LIMIT


def inline(model: Any, path: Path) -> bool:
    """Put external weights into a model, in place.

    Args:
        model: An ``onnx.ModelProto`` that was read without them.
        path: The file that it was read from.

    Returns:
        Whether there were any.

    Raises:
        ModelError: A file of weights is missing, too short, outside the model's folder, or all together do not fit into one
            ONNX file.
    """
    found = [tensor for tensor in _tensors(model.graph) if tensor.data_location == tensor.EXTERNAL]
    for function in model.functions:
        for node in function.node:
            found += [one for one in _of_node(node) if one.data_location == one.EXTERNAL]
    # What has to be refused is refused before gigabytes are read.
    places = [_place(tensor, path) for tensor in found]
    total = model.ByteSize() + sum(length for _, _, length in places)
    if total > LIMIT:
        raise ModelError(
            f"has {total / 1e9:.1f} GB with the weights beside it, an ONNX file holds 2.1 at most",
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


def _place(tensor: Any, path: Path) -> tuple[Path, int, int]:
    """Return the file, the offset and the number of bytes of a tensor's values."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    location = about.get("location", "")
    # A folder of Windows is written with its own sign.
    file = path.parent / location.replace("\\", "/")
    home = os.path.realpath(path.parent)
    if not location or os.path.commonpath([home, os.path.realpath(file)]) != home or os.path.isabs(location):
        raise ModelError(
            f"its weights are said to lie in {location!r}, outside its own folder",
            path,
            "put them beside it, or save the network as one file",
        )
    if not file.is_file():
        raise ModelError(f"its weights are missing: there is no file {location}", path, f"copy {location} beside it")
    try:
        offset = int(about.get("offset", 0))
        size = file.stat().st_size
        length = int(about.get("length", size - offset))
    except (ValueError, OSError):
        raise ModelError(f"its entry of the weights {tensor.name} is damaged", path, "export it again")
    wanted = _bytes(tensor)
    if offset < 0 or length < 0 or offset + length > size or (wanted is not None and length != wanted):
        raise ModelError(
            f"the weights {tensor.name} do not fit: {location} has {size} bytes, {wanted or length} from {offset} on are "
            "needed",
            path,
            "copy both files again",
        )
    return file, offset, length


def _bytes(tensor: Any) -> int | None:
    """Return how many bytes a tensor's values take; None for types that are packed."""
    import onnx

    try:
        item = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        return None
    packed = {
        getattr(tensor, name) for name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2") if hasattr(tensor, name)
    }
    return None if tensor.data_type in packed else math.prod(tensor.dims) * int(item)


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield all tensors of a graph and of the bodies in it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        yield from _of_node(node)


def _of_node(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for body in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            yield from _tensors(body)
