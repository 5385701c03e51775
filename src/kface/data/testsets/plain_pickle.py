"""Reads pickles of plain values and NumPy arrays without running code.

Reading a pickle can run any code of its author's. Here every name that a pickle asks for is looked up in a short table of
stand-ins, which check their arguments and store them as data; any other name is refused before anything is called.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np


class RefusedError(Exception):
    """The pickle asks for something other than plain values."""


def loads(data: bytes) -> Any:
    """Return the content of a pickle of any protocol (0-5), from Python 2 or 3 and NumPy 1 or 2.

    Returns:
        Lists, tuples, dicts, bytes, numbers, truth values; NumPy arrays of numbers, truth values or bytes; arrays of objects
        as lists. Python 2's texts are bytes.

    Raises:
        RefusedError: It asks for anything else.
        Exception: Almost any other, where it is damaged.
    """
    return _plain(_Unpickler(io.BytesIO(data), encoding="bytes").load())


#: Truth values, whole numbers and floats of up to 8 bytes, bytes of a fixed length, objects.
_CODE = re.compile(r"[<>|=]?(?:\?|b1|[iuf][1248]|[bB]|S[0-9]{1,8}|O8?)")


def _text(value: Any) -> Any:
    return value.decode("latin1") if isinstance(value, bytes) else value


class _Dtype:
    """Stand-in for ``numpy.dtype``."""

    def __init__(self, code: Any, *flags: Any) -> None:
        code = _text(code)
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise RefusedError(f"numpy.dtype({code!r})")
        self.objects = code.lstrip("<>|=").startswith("O")
        self.dtype = np.dtype("O" if self.objects else code)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 3 or any(part is not None for part in state[2:5]):
            raise RefusedError("numpy.dtype with fields")
        order = _text(state[1])
        if order in ("<", ">") and not self.objects:
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stand-in for ``numpy.ndarray`` until its state is known."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedError("numpy.ndarray with another state")
        _, shape, dtype, fortran, data = state
        self.value = _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    if not isinstance(dtype, _Dtype) or order not in ("C", "F"):
        raise RefusedError("numpy.ndarray of another type")
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise RefusedError("numpy.ndarray of another shape")
    if dtype.objects:
        if not isinstance(data, list) or len(shape) != 1 or len(data) != shape[0]:
            raise RefusedError("numpy.ndarray of objects in another shape")
        return data
    if not isinstance(data, (bytes, bytearray)) or len(data) != math.prod(shape) * dtype.dtype.itemsize:
        raise RefusedError("numpy.ndarray with other data")
    return np.frombuffer(bytes(data), dtype.dtype).reshape(shape, order=order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Array:
        raise RefusedError("numpy's _reconstruct of another class")
    return _Array()


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, (), "C")[()]


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """Encode the text as which re-pickled files of Python 2 store bytes."""
    if not isinstance(text, str) or _text(encoding) not in ("latin1", "latin-1"):
        raise RefusedError("_codecs.encode with other arguments")
    return text.encode("latin1")


def _bytes(*given: Any) -> bytes:
    # A number would allocate that many bytes.
    if given and not isinstance(given[0], (bytes, bytearray, list)):
        raise RefusedError("bytes with other arguments")
    return bytes(given[0]) if given else b""


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}
for _module in ("builtins", "__builtin__"):
    _NAMES[_module, "bytes"] = _NAMES[_module, "bytearray"] = _bytes
# NumPy 1 and 2.
for _module in ("numpy.core", "numpy._core"):
    _NAMES[_module + ".multiarray", "_reconstruct"] = _reconstruct
    _NAMES[_module + ".multiarray", "scalar"] = _scalar
    _NAMES[_module + ".numeric", "_frombuffer"] = _array


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise RefusedError("a persistent object")


def _plain(value: Any) -> Any:
    """Replace the stand-ins by their values, two levels deep, which suffices for a test set."""
    if isinstance(value, (list, tuple)):
        return [_held(part) for part in value]
    return _held(value)


def _held(value: Any) -> Any:
    if isinstance(value, _Array):
        value = value.value
    if isinstance(value, (list, tuple)):
        return [part.value if isinstance(part, _Array) else part for part in value]
    return value
