"""Builds a TensorRT engine from an ONNX file, on the device that will run it."""

import logging
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from kface.errors import ConfigError, ModelError
from kface.files import sha256_bytes
from kface.networks.registry import read_network
from kface.tensorrt import api, half, sidecar
from kface.tensorrt.calibrator import Calibrator
from kface.tensorrt.memory import Memory, open_memory
from kface.text import first_line

PathLike = Union[str, "os.PathLike[str]"]
#: Sizes of each input by its name; :data:`BY_SIDE` for the house's; None where the file fixes them all.
Profiles = Union[None, str, Dict[str, api.Profile]]

PRECISIONS = ("fp32", "fp16", "int8")
#: The batches of :func:`by_side` for every input of which only the batch varies.
BY_SIDE = "by side"


class Batches(NamedTuple):
    """Batch sizes of a network: the one it is tuned for, and the largest."""

    usual: int
    most: int


#: By the side of the input in pixels: R-Net, O-Net, and the embedder with all that is larger.
_SIDES = ((24, Batches(8, 64)), (48, Batches(4, 32)))
_LARGER = Batches(1, 8)


class Source(NamedTuple):
    """An ONNX file's bytes, with its path for errors."""

    data: bytes
    path: str
    sha256: str


def read_source(path: PathLike, sha256: Optional[str] = None) -> Source:
    """Read an ONNX file and check it, and its hash where one is given.

    Raises:
        ModelError: The file cannot be read, has another hash, or holds anything but a network.
    """
    data = read_network(path, sha256)
    return Source(data, os.fspath(path), sha256_bytes(data))


def build_engine(
    onnx_path: PathLike,
    out_path: PathLike,
    precision: str = "fp16",
    profiles: Profiles = None,
    calibrator: Optional[Calibrator] = None,
    workspace_mib: int = 256,
    logger: Optional[logging.Logger] = None,
    memory: Optional[Memory] = None,
) -> Dict[str, Any]:
    """Build an engine and write it, with a sidecar that holds its description and its hash.

    Args:
        onnx_path: The network; opset 13 at most for TensorRT 8.2.
        out_path: The engine's file; the sidecar is written to the same folder.
        precision: One of :data:`PRECISIONS`. ``int8`` needs a calibrator or a file with quantisation nodes.
        profiles: See :data:`Profiles`. If the three sizes are equal, the engine has that fixed size.
        calibrator: Batches for ``int8``.
        workspace_mib: Scratch memory that a layer may use, in MiB.
        logger: Receives TensorRT's warnings; the module's own logger if None.
        memory: The GPU; the first one if None.

    Returns:
        The content of the sidecar.

    Raises:
        ConfigError: TensorRT or the GPU is not available, or a setting does not fit them.
        ModelError: The file cannot be read, or TensorRT refuses it or its sizes.
    """
    return build_from(
        read_source(onnx_path),
        out_path,
        precision,
        profiles,
        calibrator,
        workspace_mib,
        logger,
        memory or open_memory(),
    )


def build_from(
    source: Source,
    out_path: PathLike,
    precision: str,
    profiles: Profiles,
    calibrator: Optional[Calibrator],
    workspace_mib: int,
    logger: Optional[logging.Logger],
    memory: Memory,
) -> Dict[str, Any]:
    """Like :func:`build_engine`, for a file that has already been read."""
    check_settings(precision, workspace_mib)
    trt = api.tensorrt()
    messages = api.messages(trt)
    messages.target = logger or api.LOGGER
    with memory.active():
        plan = _plan(trt, messages, source, precision, profiles, calibrator, workspace_mib, memory)
    return sidecar.write(
        out_path, plan, sidecar.description(trt, memory, source.sha256, precision, profiles, calibrator)
    )


def check_settings(precision: str, workspace_mib: int) -> None:
    """Refuse settings that no TensorRT supports.

    Raises:
        ConfigError: A setting is out of its range.
    """
    if precision not in PRECISIONS:
        raise ConfigError("unknown precision", precision, "choose one of: {}".format(", ".join(PRECISIONS)))
    if workspace_mib < 1:
        raise ConfigError("must be at least 1, not {}".format(workspace_mib), "workspace_mib")


def input_shapes(source: Source, memory: Memory) -> Dict[str, Tuple[int, ...]]:
    """Return the sizes of a file's inputs by name, as TensorRT reads them; -1 for sizes that vary.

    Raises:
        ConfigError: TensorRT is not available.
        ModelError: TensorRT cannot read the file.
    """
    trt = api.tensorrt()
    messages = api.messages(trt)
    with memory.active():
        network, _ = _parse(trt, trt.Builder(messages), messages, source, source.data)
        return {tensor.name: tuple(tensor.shape) for tensor in _inputs(network)}


def by_side(name: str, shape: Tuple[int, ...], where: str) -> api.Profile:
    """Return the profile of an input of which only the batch varies: one, the usual batch, and the largest.

    Raises:
        ModelError: Something else varies too.
    """
    if len(shape) < 2 or -1 in shape[1:]:
        raise ModelError(
            "has an input {} of varying sizes {}".format(name, shape),
            where,
            "give its sizes as a profile",
        )
    side = max(shape[2:] or (0,))
    batches = next((batches for limit, batches in _SIDES if side <= limit), _LARGER)
    rest = tuple(shape[1:])
    return (1,) + rest, (batches.usual,) + rest, (batches.most,) + rest


def _plan(
    trt: Any,
    messages: Any,
    source: Source,
    precision: str,
    profiles: Profiles,
    calibrator: Optional[Calibrator],
    workspace_mib: int,
    memory: Memory,
) -> bytes:
    builder = trt.Builder(messages)
    network, parser = _parse(trt, builder, messages, source, source.data)
    config = builder.create_builder_config()
    api.set_workspace(trt, config, workspace_mib << 20)

    if precision == "fp16" and not api.set_flag(trt, config, "FP16") and not _holds_halves(trt, network):
        # Strongly typed: the network's own types decide, so it must be in half precision already.
        network, parser = _parse(trt, builder, messages, source, half.to_half(source.data, source.path))
    _set_sizes(builder, network, config, profiles, source.path)
    bound = _set_int8(trt, builder, network, config, source, calibrator, memory) if precision == "int8" else None

    messages.take()
    try:
        plan = builder.build_serialized_network(network, config)
    finally:
        if bound is not None:
            bound.release()
    if bound is not None and bound.error is not None:
        raise bound.error
    if plan is None:
        raise ModelError(
            "cannot be built into an engine ({})".format(messages.take() or "TensorRT gives no reason"),
            source.path,
            "give TensorRT more memory or another precision",
        )
    # The parser owns the network's weights until the engine is built.
    del parser
    return bytes(plan)


def _parse(trt: Any, builder: Any, messages: Any, source: Source, data: bytes) -> Tuple[Any, Any]:
    network = builder.create_network(api.network_flags(trt))
    parser = trt.OnnxParser(network, messages)
    messages.take()
    if not parser.parse(data):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        text = _describe(errors[0]) if errors else messages.take() or "TensorRT gives no reason"
        raise ModelError("cannot be read by TensorRT ({})".format(text), source.path)
    return network, parser


def _describe(error: Any) -> str:
    """Return a parser's error as one line, with the node's name if this TensorRT reports it."""
    text = first_line(error.desc())
    name = error.node_name() if hasattr(error, "node_name") else ""
    if name:
        return "{}; node {}, {}".format(text, name, error.node_operator())
    return "{}; node {}".format(text, error.node()) if error.node() >= 0 else text


def _inputs(network: Any) -> List[Any]:
    return [network.get_input(index) for index in range(network.num_inputs)]


def _layers(network: Any) -> List[Any]:
    return [network.get_layer(index) for index in range(network.num_layers)]


def _holds_halves(trt: Any, network: Any) -> bool:
    return any(layer.get_output(0).dtype == trt.DataType.HALF for layer in _layers(network))


def _set_sizes(builder: Any, network: Any, config: Any, profiles: Profiles, where: str) -> None:
    """Fix the sizes of the inputs, or set a profile for those that vary."""
    inputs = {tensor.name: tensor for tensor in _inputs(network)}
    if isinstance(profiles, str):
        wanted = {name: by_side(name, tuple(t.shape), where) for name, t in inputs.items() if -1 in tuple(t.shape)}
    else:
        wanted = dict(profiles or {})
    profile = None
    for name, tensor in inputs.items():
        shape = tuple(tensor.shape)
        sizes = wanted.pop(name, None)
        if sizes is None:
            if -1 in shape:
                raise ModelError(
                    "has an input {} of varying sizes {}".format(name, shape), where, "give a profile for it"
                )
            continue
        least, usual, most = _check_sizes(name, shape, sizes, where)
        if least == most:
            tensor.shape = usual
            continue
        profile = profile or builder.create_optimization_profile()
        profile.set_shape(name, least, usual, most)
    if wanted:
        raise ModelError(
            "has no input {}".format(", ".join(sorted(wanted))), where, "its inputs are: {}".format(", ".join(inputs))
        )
    if profile is not None and config.add_optimization_profile(profile) < 0:
        raise ModelError("refuses its profile", where)


def _check_sizes(name: str, shape: Tuple[int, ...], sizes: api.Profile, where: str) -> api.Profile:
    least, usual, most = (tuple(int(side) for side in size) for size in sizes)
    for size in (least, usual, most):
        if len(size) != len(shape) or any(fixed not in (-1, side) for fixed, side in zip(shape, size)):
            raise ModelError("has an input {} of sizes {}, which {} does not fit".format(name, shape, size), where)
    if not all(1 <= low <= middle <= high for low, middle, high in zip(least, usual, most)):
        raise ModelError(
            "has a profile for {} whose sizes are not in ascending order: {}".format(name, (least, usual, most)), where
        )
    return least, usual, most


def _set_int8(
    trt: Any,
    builder: Any,
    network: Any,
    config: Any,
    source: Source,
    calibrator: Optional[Calibrator],
    memory: Memory,
) -> Any:
    """Allow INT8 and return the calibrator bound to this build; None if the file is already quantised."""
    quantised = any(layer.type == trt.LayerType.QUANTIZE for layer in _layers(network))
    if getattr(builder, "platform_has_fast_int8", True) is False:
        raise ConfigError("has no INT8", memory.gpu, "use fp16")
    if not api.set_flag(trt, config, "INT8"):
        if not quantised:
            raise ConfigError(
                "is not quantised, and this TensorRT cannot calibrate",
                source.path,
                "use the quantised file (embedder.int8.onnx)",
            )
        return None
    # Layers without an INT8 kernel are faster in half precision than in full.
    api.set_flag(trt, config, "FP16")
    if quantised:
        return None
    if calibrator is None:
        raise ConfigError(
            "needs a calibrator", "precision=int8", "give one, or the quantised file (embedder.int8.onnx)"
        )
    inputs = _inputs(network)
    if len(inputs) != 1:
        raise ModelError("has {} inputs; only one can be calibrated".format(len(inputs)), source.path)
    bound = calibrator.bind(trt, memory, source.sha256)
    shape = tuple(inputs[0].shape)
    if len(bound.shape) != len(shape) or any(fixed not in (-1, side) for fixed, side in zip(shape, bound.shape)):
        bound.release()
        raise ModelError("takes {}, not calibration batches of {}".format(shape, bound.shape), source.path)
    config.int8_calibrator = bound.trt
    if -1 in shape:
        profile = builder.create_optimization_profile()
        profile.set_shape(inputs[0].name, bound.shape, bound.shape, bound.shape)
        config.set_calibration_profile(profile)
    return bound
