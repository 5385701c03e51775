"""A foreign embedder's file, brought into the form that a bundle holds: one file, one input, one output, the embedding.

What was trained elsewhere comes in many dresses: weights in a second file, several outputs, a fixed batch, half precision,
old operators, names by counters. Each is undone where that is certain, and refused by name where it is not.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kface.errors import ConfigError, ModelError
from kface.evaluation.foreign import external_data, onnx_form
from kface.evaluation.foreign.onnx_form import CANONICAL_OPSET, INPUT, OUTPUT
from kface.text import first_line

#: Side of the faces.
SIDE = 112
#: Words in the name of an output that is the embedding.
TELLING = ("embed", "feat")
#: Largest difference, relative to the largest element, between what the file and its form in the bundle compute.
CLOSE = 5e-3


class ForeignFile(NamedTuple):
    """A foreign embedder as a bundle holds it.

    Attributes:
        data: An ONNX file's bytes.
        opset: Of its operators.
        layout: "NCHW" or "NHWC".
        changes: What was done to it, for the reader.
    """

    data: bytes
    opset: int
    layout: str
    changes: tuple[str, ...]


def read(path: Path, output: str | None = None) -> ForeignFile:
    """Read a foreign embedder's file.

    Args:
        path: An ONNX file that maps 112x112 faces to a vector.
        output: Name of the output that is the embedding, where there are several.

    Raises:
        ConfigError: The output has to be named, or does not exist.
        ModelError: It is no network, or not one that maps faces to a vector.
    """
    import onnx

    model, changes = _load(path)
    original = _session(model, path)
    value = _input(model, path)
    layout = _layout(value, path)
    batch = value.type.tensor_type.shape.dim[0].dim_value or None
    chosen = _output(original, value, layout, batch, output, path)
    if len(model.graph.output) > 1:
        changes.append(f"of its {len(model.graph.output)} outputs {chosen} was taken")
    _end_in(model, chosen, onnx)
    _begin_with_float(model, value, onnx)
    if onnx_form.opset(model) < CANONICAL_OPSET:
        model, change = _converted(model, onnx)
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
        changes.append(f"its batch of {batch} was opened to any")
    _compare(model, original, chosen, layout, batch, path)
    return ForeignFile(onnx_form.checked(model, path), version, layout, tuple(changes))


def _load(path: Path) -> tuple[Any, list[str]]:
    """Read a file with its weights, its functions written out."""
    import onnx

    changes = []
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})", path)
    # Protobuf's own exception shares no base class with others below Exception.
    except Exception:
        raise ModelError("is not a network in ONNX's format", path, "export it again by its own framework")
    if not model.graph.node or not model.graph.output:
        raise ModelError("is not a network in ONNX's format", path, "export it again by its own framework")
    if external_data.inline(model, path):
        changes.append("its weights, which lay in a file of their own, were taken in")
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:
            raise ModelError(
                f"its functions cannot be written out ({first_line(error)})",
                path,
                "export it with an older opset",
            )
    strange = sorted({node.domain for node in _nodes(model.graph)} - {"", "ai.onnx"})
    if strange:
        raise ModelError(
            f"has operators of {', '.join(strange)}, which only some runtimes know",
            path,
            "export it with ONNX's own operators, without a runtime's optimisations",
        )
    return model, changes


def _nodes(graph: Any) -> Any:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _nodes(body)


def _session(model: Any, path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(onnx_form.serialised(model), options, providers=["CPUExecutionProvider"])
    # The runtime's own exceptions share no base class below Exception.
    except Exception as error:
        raise ModelError(f"is not a network that ONNX Runtime can read ({first_line(error)})", path)


def _input(model: Any, path: Path) -> Any:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise ModelError(
            f"has {len(inputs)} inputs ({names}) instead of one, the image",
            path,
            "export it with the others fixed, for inference",
        )
    return inputs[0]


def _layout(value: Any, path: Path) -> str:
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
            f"takes input of shape {shown}, not {SIDE}x{SIDE} faces of three colours",
            path,
            "give a network for ArcFace's crop",
        )
    return layouts[0]


def _faces(layout: str, count: int, seed: int = 0) -> np.ndarray:
    """Return float32 noise in the shape of faces."""
    shape = (count, 3, SIDE, SIDE) if layout == "NCHW" else (count, SIDE, SIDE, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def _run(session: Any, faces: np.ndarray, path: Path) -> dict[str, Any]:
    kinds = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
    given = session.get_inputs()[0]
    try:
        values = session.run(None, {given.name: faces.astype(kinds.get(given.type, np.float32))})
    except Exception as error:
        raise ModelError(f"cannot run on a batch of shape {faces.shape} ({first_line(error)})", path)
    return dict(zip((one.name for one in session.get_outputs()), values, strict=True))


def _output(session: Any, value: Any, layout: str, batch: int | None, wanted: str | None, path: Path) -> str:
    """Return the name of the output that is the embedding, by its shape and then by its name."""
    count = batch or 2
    found = _run(session, _faces(layout, count), path)
    shapes = {name: getattr(one, "shape", ()) for name, one in found.items()}
    shown = ", ".join(f"{name} {'x'.join(map(str, shape)) or 'a number'}" for name, shape in shapes.items())
    if wanted is not None and wanted not in shapes:
        raise ConfigError(
            f"there is no such output in {path}", f"output={wanted}", f"choose one of: {', '.join(shapes)}"
        )
    names = [name for name, shape in shapes.items() if _is_embedding(shape, count)]
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(f"is not a vector a face (outputs for {count} faces: {shown})", f"output={wanted}")
        return wanted
    if len(names) > 1:
        telling = [name for word in TELLING for name in names if word in name.lower()]
        names = telling if len(telling) == 1 else names
    if not names:
        raise ModelError(
            f"none of its outputs is a vector a face (for {count} faces: {shown})", path, "cut it behind its embedding"
        )
    if len(names) > 1:
        raise ConfigError(
            f"several of its outputs could be the embedding (for {count} faces: {shown})",
            f"embedder={path}",
            " or ".join(f"output={name}" for name in names),
        )
    return names[0]


def _is_embedding(shape: tuple[int, ...], count: int) -> bool:
    """Whether an output is one vector for each face: (n, d), with sides of 1 around it or not."""
    return len(shape) >= 2 and shape[0] == count and max(shape[1:]) > 1 and int(np.prod(shape[1:])) == max(shape[1:])


def _end_in(model: Any, chosen: str, onnx: Any) -> None:
    """Make an output the only one: float32 (n, d)."""
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


def _begin_with_float(model: Any, value: Any, onnx: Any) -> None:
    """Make the input float32 where the network wants another precision."""
    kind = value.type.tensor_type
    if kind.elem_type == onnx.TensorProto.FLOAT:
        return
    graph = model.graph
    inside = f"{value.name}/cast"
    for node in graph.node:
        node.input[:] = [inside if name == value.name else name for name in node.input]
    graph.node.insert(0, onnx.helper.make_node("Cast", [value.name], [inside], to=kind.elem_type))
    kind.elem_type = onnx.TensorProto.FLOAT


def _converted(model: Any, onnx: Any) -> tuple[Any, str]:
    """Return a model with the operators of :data:`CANONICAL_OPSET`, as INT8 by channel and TensorRT want them.

    Where that is not possible it stays as it is; what was done comes as text.
    """
    before = onnx_form.opset(model)
    older = type(model).FromString(model.SerializeToString())
    # Old files list their weights among the inputs.
    constants = {tensor.name for tensor in model.graph.initializer}
    kept = [type(one).FromString(one.SerializeToString()) for one in model.graph.input if one.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, 7)
    try:
        made = onnx.version_converter.convert_version(model, CANONICAL_OPSET)
        onnx.checker.check_model(made)
    # The converter has exceptions of its own, and leaves some operators half converted.
    except Exception as error:
        return older, f"its operators stay at opset {before}, too old for INT8 ({first_line(error)})"
    return made, f"its operators were converted from opset {before} to {CANONICAL_OPSET}"


def _compare(model: Any, original: Any, chosen: str, layout: str, batch: int | None, path: Path) -> None:
    """Find out whether the new form computes what the file does, at the file's batch and at others."""
    # With the shape of what comes out, which no runtime then has to guess.
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
            reason = f"at batch {some} its embeddings are others"
        elif found is not None:
            reason = f"it maps {some} faces to an output of shape {found.shape}"
        raise ModelError(
            f"takes batches of {count} only ({reason})" if batch else f"cannot be brought into one form ({reason})",
            path,
            "export it with a dynamic batch, by its own framework",
        )
