"""Converts a foreign embedder's file to the form that a bundle holds: one file, one input, and the embedding as its one output.

Foreign files vary: weights in a second file, several outputs, a fixed batch, half precision, old operators, numbered names.
Each of these is converted if the conversion is certain, and refused by name otherwise.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kface.errors import ConfigError, ModelError
from kface.evaluation.foreign import external_data, onnx_form
from kface.evaluation.foreign.onnx_form import CANONICAL_OPSET, INPUT, OUTPUT
from kface.text import first_line

if TYPE_CHECKING:
    import onnx
    import onnxruntime

#: Side of the faces.
SIDE = 112
#: Words that identify the embedding in the name of an output.
TELLING = ("embed", "feat")
#: Largest difference between the embeddings of the file and of its converted form, relative to the largest element.
CLOSE = 5e-3


class ForeignFile(NamedTuple):
    """A foreign embedder as a bundle holds it.

    Attributes:
        data: An ONNX file's bytes.
        opset: Of its operators.
        layout: "NCHW" or "NHWC".
        changes: What was changed, for the user.
    """

    data: bytes
    opset: int
    layout: str
    changes: tuple[str, ...]


def read(path: Path, output: str | None = None) -> ForeignFile:
    """Read a foreign embedder's file.

    Args:
        path: An ONNX file that maps 112x112 faces to a vector.
        output: Name of the embedding's output, if there are several.

    Raises:
        ConfigError: The output must be named, or does not exist.
        ModelError: The file is not a network that maps faces to a vector.
    """
    model, changes = _load(path)
    original = _session(model, path)
    value = _input(model, path)
    layout = _layout(value, path)
    batch = value.type.tensor_type.shape.dim[0].dim_value or None
    chosen = _output(original, value, layout, batch, output, path)
    if len(model.graph.output) > 1:
        changes.append(f"of its {len(model.graph.output)} outputs, {chosen} was used")
    _end_in(model, chosen)
    _begin_with_float(model, value)
    if onnx_form.opset(model) < CANONICAL_OPSET:
        model, change = _converted(model)
        changes.append(change)
    version = onnx_form.opset(model)
    model.ir_version = 7 if version <= 14 else 8 if version <= 18 else max(model.ir_version, 9)
    onnx_form.canonical(model, INPUT, OUTPUT)
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    sides = (None, 3, SIDE, SIDE) if layout == "NCHW" else (None, SIDE, SIDE, 3)
    for dimension, side in zip(dimensions, sides, strict=True):
        if side is None:
            dimension.dim_param = "batch"
        else:
            dimension.dim_value = side
    if batch is not None:
        changes.append(f"its fixed batch of {batch} was changed to any")
    _compare(model, original, chosen, layout, batch, path)
    return ForeignFile(onnx_form.checked(model, path), version, layout, tuple(changes))


def _load(path: Path) -> tuple["onnx.ModelProto", list[str]]:
    """Read a file with its weights, and inline its functions."""
    import onnx

    changes = []
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})", path)
    # Protobuf's own exception shares no base class with others below Exception.
    except Exception:
        raise ModelError("is not an ONNX network", path, "export it again with its own framework")
    if not model.graph.node or not model.graph.output:
        raise ModelError("is not an ONNX network", path, "export it again with its own framework")
    if external_data.inline(model, path):
        changes.append("its weights were moved from a separate file into the model")
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:
            raise ModelError(
                f"has functions that cannot be inlined ({first_line(error)})",
                path,
                "export it with an older opset",
            )
    strange = sorted({node.domain for node in _nodes(model.graph)} - {"", "ai.onnx"})
    if strange:
        raise ModelError(
            f"has operators of {', '.join(strange)}, which only some runtimes support",
            path,
            "export it with standard ONNX operators, without runtime-specific optimisations",
        )
    return model, changes


def _nodes(graph: "onnx.GraphProto") -> Iterator["onnx.NodeProto"]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in onnx_form.subgraphs(attribute):
                yield from _nodes(body)


def _session(model: "onnx.ModelProto", path: Path) -> "onnxruntime.InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(onnx_form.serialised(model), options, providers=["CPUExecutionProvider"])
    # The runtime's own exceptions share no base class below Exception.
    except Exception as error:
        raise ModelError(f"cannot be read by ONNX Runtime ({first_line(error)})", path)


def _input(model: "onnx.ModelProto", path: Path) -> "onnx.ValueInfoProto":
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise ModelError(
            f"has {len(inputs)} inputs ({names}) instead of one, the image",
            path,
            "export it for inference, with the other inputs fixed",
        )
    return inputs[0]


def _layout(value: "onnx.ValueInfoProto", path: Path) -> str:
    from onnx import TensorProto

    kind = value.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16):
        name = TensorProto.DataType.Name(kind.elem_type).lower()
        raise ModelError(f"takes {name}, not floating-point pixels", path, "export it with float32 input")
    if not kind.HasField("shape") or len(kind.shape.dim) != 4:
        rank = len(kind.shape.dim) if kind.HasField("shape") else "un"
        raise ModelError(
            f"takes {rank}{'known' if rank == 'un' else ''}-dimensional input, not a batch of images", path
        )
    shape = [dimension.dim_value or None for dimension in kind.shape.dim]
    fits = {"NCHW": (shape[1], shape[2], shape[3]), "NHWC": (shape[3], shape[1], shape[2])}
    layouts = [name for name, sides in fits.items() if sides[0] == 3 and {sides[1], sides[2]} <= {SIDE, None}]
    if len(layouts) != 1:
        shown = "x".join("?" if size is None else str(size) for size in shape)
        raise ModelError(
            f"takes input of shape {shown}, not RGB faces of {SIDE}x{SIDE} pixels",
            path,
            "give a network for ArcFace crops",
        )
    return layouts[0]


def _faces(layout: str, count: int, seed: int = 0) -> np.ndarray:
    """Return float32 noise in the shape of faces."""
    shape = (count, 3, SIDE, SIDE) if layout == "NCHW" else (count, SIDE, SIDE, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def _run(session: "onnxruntime.InferenceSession", faces: np.ndarray, path: Path) -> dict[str, np.ndarray]:
    kinds = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
    given = session.get_inputs()[0]
    try:
        values = session.run(None, {given.name: faces.astype(kinds.get(given.type, np.float32))})
    except Exception as error:
        raise ModelError(f"cannot run on a batch of shape {faces.shape} ({first_line(error)})", path)
    return dict(zip((one.name for one in session.get_outputs()), values, strict=True))


def _output(
    session: "onnxruntime.InferenceSession",
    value: "onnx.ValueInfoProto",
    layout: str,
    batch: int | None,
    wanted: str | None,
    path: Path,
) -> str:
    """Return the name of the embedding's output, found by its shape and then by its name."""
    count = batch or 2
    found = _run(session, _faces(layout, count), path)
    shapes = {name: getattr(one, "shape", ()) for name, one in found.items()}
    shown = ", ".join(f"{name} {'x'.join(map(str, shape)) or 'a number'}" for name, shape in shapes.items())
    if wanted is not None and wanted not in shapes:
        raise ConfigError(f"{path} has no such output", f"output={wanted}", f"choose one of: {', '.join(shapes)}")
    names = [name for name, shape in shapes.items() if _is_embedding(shape, count)]
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(f"is not one vector per face (outputs for {count} faces: {shown})", f"output={wanted}")
        return wanted
    if len(names) > 1:
        telling = [name for word in TELLING for name in names if word in name.lower()]
        names = telling if len(telling) == 1 else names
    if not names:
        raise ModelError(
            f"has no output of one vector per face (for {count} faces: {shown})", path, "cut it off after the embedding"
        )
    if len(names) > 1:
        raise ConfigError(
            f"has several outputs that could be the embedding (for {count} faces: {shown})",
            f"embedder={path}",
            " or ".join(f"output={name}" for name in names),
        )
    return names[0]


def _is_embedding(shape: tuple[int, ...], count: int) -> bool:
    """Return whether an output is one vector per face: (n, d), possibly with axes of size 1."""
    return len(shape) >= 2 and shape[0] == count and max(shape[1:]) > 1 and int(np.prod(shape[1:])) == max(shape[1:])


def _end_in(model: "onnx.ModelProto", chosen: str) -> None:
    """Make an output the only one: float32 (n, d)."""
    import onnx

    graph = model.graph
    kind = next(value for value in graph.output if value.name == chosen).type.tensor_type.elem_type
    shape = [len(value.type.tensor_type.shape.dim) for value in graph.output if value.name == chosen]
    last = chosen
    if kind not in (onnx.TensorProto.FLOAT, onnx.TensorProto.UNDEFINED):
        graph.node.append(onnx.helper.make_node("Cast", [last], [f"{chosen}/float"], to=onnx.TensorProto.FLOAT))
        last = f"{chosen}/float"
    if shape != [2]:
        graph.node.append(onnx.helper.make_node("Flatten", [last], [f"{chosen}/flat"], axis=1))
        last = f"{chosen}/flat"
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, ["batch", "size"]))


def _begin_with_float(model: "onnx.ModelProto", value: "onnx.ValueInfoProto") -> None:
    """Make the input float32 if the network takes another precision."""
    import onnx

    kind = value.type.tensor_type
    if kind.elem_type == onnx.TensorProto.FLOAT:
        return
    graph = model.graph
    inside = f"{value.name}/cast"
    for node in graph.node:
        node.input[:] = [inside if name == value.name else name for name in node.input]
    graph.node.insert(0, onnx.helper.make_node("Cast", [value.name], [inside], to=kind.elem_type))
    kind.elem_type = onnx.TensorProto.FLOAT


def _converted(model: "onnx.ModelProto") -> tuple["onnx.ModelProto", str]:
    """Return a model with the operators of :data:`CANONICAL_OPSET`, for INT8 per channel and TensorRT, and a description.

    A model that cannot be converted is returned unchanged.
    """
    import onnx

    before = onnx_form.opset(model)
    older = onnx_form.copy_of(model)
    # Old files list their weights among the inputs.
    constants = {tensor.name for tensor in model.graph.initializer}
    kept = [onnx_form.copy_of(one) for one in model.graph.input if one.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, 7)
    try:
        made = onnx.version_converter.convert_version(model, CANONICAL_OPSET)
        onnx.checker.check_model(made)
    # The converter has its own exceptions, and leaves some operators half converted.
    except Exception as error:
        return older, f"its operators stay at opset {before}, too old for INT8 ({first_line(error)})"
    return made, f"its operators were converted from opset {before} to {CANONICAL_OPSET}"


def _compare(
    model: "onnx.ModelProto",
    original: "onnxruntime.InferenceSession",
    chosen: str,
    layout: str,
    batch: int | None,
    path: Path,
) -> None:
    """Verify that the converted form computes what the file computes, at the file's batch and at others."""
    # State the output's shape, so that no runtime has to infer it.
    count = batch or 2
    faces = _faces(layout, 2 * count, seed=1)
    parts = [faces[:count], faces[count:]]
    wanted = np.concatenate([_run(original, part, path)[chosen].reshape(count, -1) for part in parts]).astype(
        np.float32
    )
    size = model.graph.output[0].type.tensor_type.shape.dim[1]
    size.dim_value = wanted.shape[1]
    session = _session(model, path)
    scale = max(float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)), 1e-6)
    for some in (2 * count, 1, 3):
        some = min(some, len(faces))
        try:
            found = next(iter(_run(session, faces[:some], path).values()))
        except ModelError as error:
            found = None
            reason = error.what
        if found is not None and found.shape == (some, wanted.shape[1]):
            if np.allclose(found, wanted[:some], rtol=0, atol=CLOSE * scale, equal_nan=True):
                continue
            reason = f"at batch {some} its embeddings differ"
        elif found is not None:
            reason = f"it maps {some} faces to an output of shape {found.shape}"
        raise ModelError(
            f"takes batches of {count} only ({reason})" if batch else f"cannot be converted ({reason})",
            path,
            "export it with a dynamic batch, with its own framework",
        )
