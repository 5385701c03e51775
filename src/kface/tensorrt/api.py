"""One interface to the generations of TensorRT's Python API: 8.0 to 8.2 (Jetson Nano), 8.5 and 8.6, 10, and 11.

Calls that were added or removed between them are wrapped here, and chosen by whether they exist.
"""

import importlib
import logging
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from kface.errors import ConfigError, ModelError
from kface.text import first_line

#: Sizes of one input in a profile: the least, the usual and the most.
Profile = Tuple[Tuple[int, ...], Tuple[int, ...], Tuple[int, ...]]

LOGGER = logging.getLogger(__name__)


class Tensor(NamedTuple):
    """An input or output of an engine; a size that varies is -1."""

    name: str
    is_input: bool
    dtype: Any
    shape: Tuple[int, ...]


def tensorrt() -> Any:
    """Return the ``tensorrt`` module.

    Raises:
        ConfigError: It is not installed, or its libraries are not.
    """
    remedy = "install TensorRT from JetPack or from NVIDIA, for this machine's CUDA"
    try:
        trt = importlib.import_module("tensorrt")
    # The package may be installed without NVIDIA's libraries, which fails in several ways.
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfigError("is not installed here ({})".format(first_line(error)), "tensorrt", remedy)
    if not hasattr(trt, "Builder"):
        raise ConfigError("is installed without its libraries", "tensorrt", remedy)
    return trt


_MESSAGES: Dict[Any, Any] = {}


def messages(trt: Any) -> Any:
    """Return the logger that all TensorRT objects of this process share.

    It is an ``ILogger`` that passes warnings to the ``logging`` module and keeps errors, which TensorRT reports nowhere
    else: ``take()`` returns the first error since the last ``take()``, or None.
    """
    if trt not in _MESSAGES:
        _MESSAGES[trt] = _messages(trt)
    return _MESSAGES[trt]


def _messages(trt: Any) -> Any:
    class Messages(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: List[str] = []
            self.target = LOGGER

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.Logger.ERROR, trt.Logger.INTERNAL_ERROR):
                self._errors.append(message)
            elif severity == trt.Logger.WARNING:
                self.target.warning("%s", message)

        def take(self) -> Optional[str]:
            errors, self._errors = self._errors, []
            return first_line(errors[0]) if errors else None

    return Messages()


def network_flags(trt: Any) -> int:
    """Return the flags of ``create_network`` for an ONNX file; from TensorRT 10 on there is only that kind."""
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if explicit is None else 1 << int(explicit)


def set_workspace(trt: Any, config: Any, size: int) -> None:
    """Limit the scratch memory, in bytes."""
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size


def set_flag(trt: Any, config: Any, name: str) -> bool:
    """Set a builder flag if this TensorRT has it, and return whether it does."""
    flag = getattr(trt.BuilderFlag, name, None)
    if flag is not None:
        config.set_flag(flag)
    return flag is not None


def numpy_type(trt: Any, tensor: Tensor, where: str) -> Any:
    """Return NumPy's type for a tensor's.

    ``trt.nptype`` is not used: in TensorRT 8 it fails with newer NumPys, which have no ``np.bool``.

    Raises:
        ModelError: The tensor holds something other than floating-point numbers.
    """
    if tensor.dtype == trt.DataType.FLOAT:
        return np.float32
    if tensor.dtype == trt.DataType.HALF:
        return np.float16
    raise ModelError("has a tensor {} of {}, not of floating-point numbers".format(tensor.name, tensor.dtype), where)


class Calls(object):
    """The calls that inspect and run an engine; see :func:`calls`."""

    def __init__(self, trt: Any, engine: Any) -> None:
        self._trt = trt
        self._engine = engine

    def tensors(self) -> List[Tensor]:
        """Return the engine's inputs and outputs in its order."""
        raise NotImplementedError  # pragma: no cover - both generations have their own

    def profile(self, tensor: Tensor) -> Profile:
        """Return the sizes that an input may have."""
        raise NotImplementedError  # pragma: no cover - both generations have their own

    def set_shape(self, context: Any, name: str, shape: Tuple[int, ...]) -> bool:
        """Set an input's size for the next run and return whether it is allowed."""
        raise NotImplementedError  # pragma: no cover - both generations have their own

    def shape(self, context: Any, name: str) -> Tuple[int, ...]:
        """Return an output's size for the input sizes that are set."""
        raise NotImplementedError  # pragma: no cover - both generations have their own

    def enqueue(self, context: Any, addresses: Dict[str, int], stream: int) -> bool:
        """Enqueue a run on a stream, with the device address of every tensor, and return whether it was accepted."""
        raise NotImplementedError  # pragma: no cover - both generations have their own


class TensorCalls(Calls):
    """TensorRT 8.5 and later: tensors are known by name."""

    def tensors(self) -> List[Tensor]:
        """See :meth:`Calls.tensors`."""
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return [
            Tensor(
                name,
                engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT,
                engine.get_tensor_dtype(name),
                tuple(engine.get_tensor_shape(name)),
            )
            for name in names
        ]

    def profile(self, tensor: Tensor) -> Profile:
        """See :meth:`Calls.profile`."""
        if -1 not in tensor.shape:
            return (tensor.shape,) * 3
        least, usual, most = self._engine.get_tensor_profile_shape(tensor.name, 0)
        return tuple(least), tuple(usual), tuple(most)

    def set_shape(self, context: Any, name: str, shape: Tuple[int, ...]) -> bool:
        """See :meth:`Calls.set_shape`."""
        return bool(context.set_input_shape(name, shape))

    def shape(self, context: Any, name: str) -> Tuple[int, ...]:
        """See :meth:`Calls.shape`."""
        return tuple(context.get_tensor_shape(name))

    def enqueue(self, context: Any, addresses: Dict[str, int], stream: int) -> bool:
        """See :meth:`Calls.enqueue`."""
        for name, address in addresses.items():
            if not context.set_tensor_address(name, address):
                return False
        return bool(context.execute_async_v3(stream))


class BindingCalls(Calls):
    """TensorRT before 8.5: tensors are bindings, known by their number."""

    def tensors(self) -> List[Tensor]:
        """See :meth:`Calls.tensors`."""
        engine = self._engine
        return [
            Tensor(
                engine.get_binding_name(index),
                bool(engine.binding_is_input(index)),
                engine.get_binding_dtype(index),
                tuple(engine.get_binding_shape(index)),
            )
            for index in range(engine.num_bindings)
        ]

    def profile(self, tensor: Tensor) -> Profile:
        """See :meth:`Calls.profile`."""
        if -1 not in tensor.shape:
            return (tensor.shape,) * 3
        least, usual, most = self._engine.get_profile_shape(0, self._engine.get_binding_index(tensor.name))
        return tuple(least), tuple(usual), tuple(most)

    def set_shape(self, context: Any, name: str, shape: Tuple[int, ...]) -> bool:
        """See :meth:`Calls.set_shape`."""
        return bool(context.set_binding_shape(self._engine.get_binding_index(name), shape))

    def shape(self, context: Any, name: str) -> Tuple[int, ...]:
        """See :meth:`Calls.shape`."""
        return tuple(context.get_binding_shape(self._engine.get_binding_index(name)))

    def enqueue(self, context: Any, addresses: Dict[str, int], stream: int) -> bool:
        """See :meth:`Calls.enqueue`."""
        names = [self._engine.get_binding_name(index) for index in range(self._engine.num_bindings)]
        return bool(context.execute_async_v2([addresses[name] for name in names], stream))


def calls(trt: Any, engine: Any) -> Calls:
    """Return the calls that an engine understands; the newer ones where it has both."""
    return (TensorCalls if hasattr(engine, "num_io_tensors") else BindingCalls)(trt, engine)
