"""The canonical form of ONNX models: nodes sorted, names that follow from the structure, checked by onnx's checker.

Everything but the network itself (producer, date, names of tensors) is removed, so that the same network always gives the same
bytes.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kface.errors import ModelError
from kface.text import first_line

if TYPE_CHECKING:
    import onnx

#: Any message of ONNX: the classes that protobuf generates have no typed base class.
Message = TypeVar("Message", bound=Any)

#: Names of the input and the output in every file of a bundle's embedder.
INPUT = "image"
OUTPUT = "embedding"
#: The operator set of a bundle's ``embedder.onnx``: TensorRT 8.2 reads it, and INT8 weights by channel need it.
CANONICAL_OPSET = 13
#: Largest file that protobuf can hold.
LIMIT = (1 << 31) - 1


def checked(model: "onnx.ModelProto", name: Path | str) -> bytes:
    """Return a model's bytes after onnx's checker has passed it, including shapes and types.

    Raises:
        ModelError: The checker refuses it, or it is too large.
    """
    import onnx

    size = model.ByteSize()
    if size > LIMIT:
        raise ModelError(
            f"has {size / 1e9:.1f} GB, and an ONNX file holds at most 2.1 GB", name, "give a smaller network"
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    # The checker, the shape inference and protobuf each have their own exceptions.
    except Exception as error:
        raise ModelError(f"is not valid ONNX ({first_line(error)})", name, "export it again with its own framework")
    return serialised(model)


def serialised(model: "onnx.ModelProto") -> bytes:
    """Return a model's bytes, equal for equal models."""
    return bytes(model.SerializeToString(deterministic=True))


def opset(model: "onnx.ModelProto") -> int:
    """Return the version of ONNX's own operators that a model uses."""
    return max((int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx")), default=1)


def subgraphs(attribute: "onnx.AttributeProto") -> list["onnx.GraphProto"]:
    """Return the graphs that a node's attribute holds: the bodies of its loops and branches."""
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def copy_of(message: Message) -> Message:
    """Return a copy of a protobuf message that stays valid when its container is cleared."""
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def sort(graph: "onnx.GraphProto") -> None:
    """Sort a graph's nodes so that each follows those it reads, equally for equal graphs, and remove unused ones.

    Raises:
        ModelError: The nodes form a cycle.
    """
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    order: list[int] = []
    state: dict[int, bool] = {}
    for output in graph.output:
        stack = [makers[output.name]] if output.name in makers else []
        while stack:
            number = stack[-1]
            if state.get(number):
                stack.pop()
                continue
            sources = [makers[name] for name in _reads(graph.node[number]) if name in makers]
            todo = [source for source in sources if not state.get(source)]
            if not todo:
                state[number] = True
                order.append(number)
                stack.pop()
            elif number in state:
                raise ModelError("its nodes form a cycle", graph.name, "export it again with its own framework")
            else:
                state[number] = False
                stack += reversed(list(dict.fromkeys(todo)))
    nodes = [graph.node[number] for number in order]
    copies = [copy_of(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _reads(node: "onnx.NodeProto") -> Iterator[str]:
    """Yield the names that a node reads, including inside the bodies of its loops and branches."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for body in subgraphs(attribute):
            for inner in body.node:
                yield from _reads(inner)
            yield from (output.name for output in body.output)


def canonical(model: "onnx.ModelProto", input: str, output: str) -> None:
    """Convert a model of one input and one output to its canonical form, in place.

    Args:
        model: An ``onnx.ModelProto`` without external data.
        input: New name of the input.
        output: New name of the output.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer} | {one.values.name for one in graph.sparse_initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    for message in (model, graph):
        _clear(message, "doc_string", "metadata_props")
    _clear(model, "producer_version", "domain", "model_version", "training_info")
    model.producer_name = "kface"
    graph.name = "embedder"
    _sort_opsets(model)
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    kept = [copy_of(value) for value in inputs]
    del graph.input[:]
    graph.input.extend(kept)
    sort(graph)
    names = _names(graph, input, output)
    _rename(graph, names)
    _sort_initializers(graph)
    for value in (*graph.input, *graph.output):
        _clear(value, "doc_string", "metadata_props")
        _clear(value.type, "denotation")
        for number, dimension in enumerate(value.type.tensor_type.shape.dim):
            _clear(dimension, "denotation")
            if dimension.HasField("dim_param"):
                dimension.dim_param = "batch" if number == 0 else f"side_{number}"


def _clear(message: Any, *fields: str) -> None:
    """Clear fields: an empty string and an absent one give different bytes. Older versions of onnx lack some fields."""
    for field in fields:
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)


def _sort_opsets(model: "onnx.ModelProto") -> None:
    """List the operator sets in use, once each, in order; "ai.onnx" is another name for ""."""
    used = {"" if node.domain == "ai.onnx" else node.domain for node in model.graph.node} | {""}
    versions: dict[str, int] = {}
    for one in model.opset_import:
        domain = "" if one.domain == "ai.onnx" else one.domain
        versions[domain] = max(int(one.version), versions.get(domain, 0))
    del model.opset_import[:]
    for domain in sorted(used & set(versions)):
        model.opset_import.add(domain=domain, version=versions[domain])


def _names(graph: "onnx.GraphProto", input: str, output: str) -> dict[str, str]:
    """Return the new name of every tensor, in the order of the (sorted) nodes."""
    names = {graph.input[0].name: input, graph.output[0].name: output}
    counted: Counter[str] = Counter()
    for node in graph.node:
        counted[node.op_type] += 1
        stem = f"{node.op_type.lower()}_{counted[node.op_type]}"
        node.name = stem
        _clear(node, "doc_string", "metadata_props", *(["domain"] if node.domain in ("", "ai.onnx") else []))
        attributes = sorted(node.attribute, key=lambda one: str(one.name))
        copies = [copy_of(one) for one in attributes]
        del node.attribute[:]
        node.attribute.extend(copies)
        for one in node.attribute:
            _clear(one, "doc_string")
            for tensor in (*([one.t] if one.HasField("t") else []), *one.tensors):
                _clear(tensor, "name", "doc_string", "metadata_props", "data_location", "external_data")
        for place, name in enumerate(dict.fromkeys(_reads(node))):
            names.setdefault(name, f"{stem}.input_{place}")
        for place, name in enumerate(node.output):
            if name:
                names.setdefault(name, stem if place == 0 else f"{stem}.output_{place}")
    return names


def _rename(graph: "onnx.GraphProto", names: dict[str, str]) -> None:
    for node in graph.node:
        # Names inside a body may shadow outer ones: inner names stay, and only names from outside are renamed.
        node.input[:] = [names[name] if name else "" for name in node.input]
        node.output[:] = [names[name] if name else "" for name in node.output]
        for attribute in node.attribute:
            for body in subgraphs(attribute):
                own = {value.name for value in body.input} | {name for inner in body.node for name in inner.output}
                own |= {tensor.name for tensor in body.initializer}
                _rename_body(body, {name: new for name, new in names.items() if name not in own})
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, "")
        _clear(tensor, "doc_string", "metadata_props", "data_location", "external_data")
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, "")


def _rename_body(body: "onnx.GraphProto", names: dict[str, str]) -> None:
    for node in body.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for attribute in node.attribute:
            for inner in subgraphs(attribute):
                _rename_body(inner, names)
    for value in body.output:
        value.name = names.get(value.name, value.name)


def _sort_initializers(graph: "onnx.GraphProto") -> None:
    """Sort the constants in the order in which nodes read them, store them as raw bytes, and remove unused ones."""
    from onnx import numpy_helper

    place = {name: number for number, name in enumerate(dict.fromkeys(n for node in graph.node for n in _reads(node)))}
    used = sorted((one for one in graph.initializer if one.name in place), key=lambda one: place[one.name])
    copies = []
    for tensor in used:
        if not tensor.HasField("raw_data") and tensor.data_type != tensor.STRING:
            tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name)
        copies.append(copy_of(tensor))
    del graph.initializer[:]
    graph.initializer.extend(copies)
