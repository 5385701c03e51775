"""The kernels as machine code: the shared object behind ``include/kface_native.h``, called through ctypes."""

import ctypes
from typing import Any, List, Optional, Tuple

import numpy as np

from kface.errors import ConfigError, KFaceError, ModelError
from kface.native.kernels import VARIANTS, Kernels, NearRows

#: The version of the interface that this module speaks: KFACE_NATIVE_ABI.
ABI = 2
_MEMORY = -3
#: Floats that R- and O-Net return for a box.
_OUTPUTS = 16
#: Rows that there is room for in a search for near ones: for any, and for each owner that is looked for.
NEAR_ROOM, NEAR_ROOM_EACH = 1 << 14, 128

_int32, _int64, _double, _pointer = ctypes.c_int32, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
_float = ctypes.c_float
_IMAGE = [_pointer, _int32, _int32, _int64]
#: The arguments of each function; every one returns int32.
_FUNCTIONS = {
    "kface_native_area_resize": _IMAGE + [_pointer, _int32, _int32],
    "kface_native_crop_and_resize": _IMAGE + [_pointer, _int64, _int32, _pointer],
    "kface_native_variant": [],
    "kface_native_pnet": _IMAGE
    + [_int32] * 4
    + [_pointer, _int64, _float, _pointer, _pointer, _int64, ctypes.POINTER(_int64), _int32],
    "kface_native_rnet": _IMAGE + [_pointer, _int64, _pointer, _int64, _pointer, _int32],
    "kface_native_onet": _IMAGE + [_pointer, _int64, _pointer, _int64, _pointer, _int32],
    "kface_native_suppress": [_pointer, _int64, _double, _int32, _pointer, ctypes.POINTER(_int64)],
    "kface_native_cosines": [_pointer, _int64, _pointer, _int64, _int32, _pointer],
    "kface_native_near_rows": [_pointer, _int64, _int32, _pointer, _int64, _pointer]
    + [_pointer, _pointer, _int32, _int32, _int32, _int64, _pointer, _pointer, _pointer, _pointer],
}


class CompiledKernels(Kernels):
    """The kernels of a shared object. No call holds Python's lock.

    Args:
        path: The shared object.

    Raises:
        ModelError: It cannot be loaded, or is of another version.
    """

    compiled = True

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._library = ctypes.CDLL(path)
            version = int(self._library.kface_native_abi())
        except (OSError, AttributeError) as error:
            raise ModelError("is not kface's kernels ({})".format(error), path, "remove it, and build it again")
        if version != ABI:
            raise ModelError(
                "has interface version {}, and {} is needed".format(version, ABI), path, "python -m kface.native build"
            )
        for name, arguments in _FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype = _int32
            function.argtypes = arguments
        self._variants = VARIANTS[: self._library.kface_native_variant() + 1]

    def _area_resize(self, rgb: np.ndarray, height: int, width: int) -> np.ndarray:
        rgb, image = _image(rgb)
        out = np.empty((3, height, width), np.float32)
        self._call("kface_native_area_resize", *(image + (out.ctypes.data, height, width)))
        return out

    def _crop_and_resize(self, rgb: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
        rgb, image = _image(rgb)
        boxes = np.ascontiguousarray(boxes)
        out = np.empty((len(boxes), 3, size, size), np.float32)
        self._call("kface_native_crop_and_resize", *(image + (boxes.ctypes.data, len(boxes), size, out.ctypes.data)))
        return out

    def variants(self) -> Tuple[str, ...]:
        """See :meth:`Kernels.variants`."""
        return self._variants

    def _pnet(
        self,
        rgb: np.ndarray,
        shape: Tuple[int, int],
        weights: np.ndarray,
        least: float,
        rows: Tuple[int, int],
        variant: int,
    ) -> Tuple[np.ndarray, np.ndarray]:
        rgb, image = _image(rgb)
        room = (rows[1] - rows[0]) * ((shape[1] - 1) // 2 - 4)
        places, found, count = np.empty((room,), np.int32), np.empty((room, 5), np.float32), _int64()
        outputs = (places.ctypes.data, found.ctypes.data, room, ctypes.byref(count))
        weighted = (weights.ctypes.data, len(weights), least)
        self._call_variant("kface_native_pnet", *(image + shape + rows + weighted + outputs + (variant,)))
        # Copies: most of the room is not used.
        return places[: count.value].copy(), found[: count.value].copy()

    def _refine(self, name: str, rgb: np.ndarray, boxes: np.ndarray, weights: np.ndarray, variant: int) -> np.ndarray:
        rgb, image = _image(rgb)
        boxes = np.ascontiguousarray(boxes)
        out = np.empty((len(boxes), _OUTPUTS), np.float32)
        given = (boxes.ctypes.data, len(boxes), weights.ctypes.data, len(weights))
        self._call_variant("kface_native_" + name, *(image + given + (out.ctypes.data, variant)))
        return out

    def _call_variant(self, name: str, *arguments: Any) -> None:
        chosen = VARIANTS[arguments[-1]]
        if chosen not in self._variants:
            raise ConfigError("this processor cannot run it", chosen, "choose one of: " + ", ".join(self.variants()))
        self._call(name, *arguments)

    def _suppress(self, boxes: np.ndarray, threshold: float, smaller: bool) -> np.ndarray:
        boxes = np.ascontiguousarray(boxes)
        stay = np.empty((len(boxes),), np.int64)
        count = _int64()
        self._call(
            "kface_native_suppress",
            boxes.ctypes.data,
            len(boxes),
            threshold,
            int(smaller),
            stay.ctypes.data,
            ctypes.byref(count),
        )
        return stay[: count.value]

    def _cosines(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
        out = np.empty((len(first), len(second)), np.float64)
        self._call(
            "kface_native_cosines",
            first.ctypes.data,
            len(first),
            second.ctypes.data,
            len(second),
            first.shape[1],
            out.ctypes.data,
        )
        return out

    def _near_rows(
        self,
        codes: np.ndarray,
        bounds: np.ndarray,
        owners: np.ndarray,
        probes: np.ndarray,
        probe_bounds: np.ndarray,
        k: int,
        plain: bool = False,
    ) -> List[Optional[NearRows]]:
        room = NEAR_ROOM + NEAR_ROOM_EACH * k
        bounds = bounds if bounds.strides[1] == 4 and bounds.strides[0] >= 4 * len(codes) else bounds.copy()
        codes, owners = np.ascontiguousarray(codes), np.ascontiguousarray(owners)
        probes, probe_bounds = np.ascontiguousarray(probes), np.ascontiguousarray(probe_bounds)
        found = np.empty((len(probes), room), np.int64)
        lower, upper = np.empty((2, len(probes), room), np.float32)
        counts = np.empty((len(probes),), np.int64)
        self._call(
            "kface_native_near_rows",
            codes.ctypes.data,
            len(codes),
            codes.shape[1],
            bounds.ctypes.data,
            bounds.strides[0] // 4,
            owners.ctypes.data,
            probes.ctypes.data,
            probe_bounds.ctypes.data,
            len(probes),
            k,
            int(plain),
            room,
            found.ctypes.data,
            lower.ctypes.data,
            upper.ctypes.data,
            counts.ctypes.data,
        )
        return [
            None if count < 0 else NearRows(found[i, :count], lower[i, :count], upper[i, :count])
            for i, count in enumerate(counts.tolist())
        ]

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code == _MEMORY:
            raise MemoryError("{}: not enough memory".format(name))
        if code:
            # What the base class checks, so that it cannot happen.
            raise KFaceError("refuses its arguments (code {})".format(code), name)


def _image(rgb: np.ndarray) -> Tuple[np.ndarray, Tuple[int, int, int, int]]:
    """Return an image whose rows are bytes side by side, and what a kernel takes of it; only others are copied."""
    height, width = rgb.shape[:2]
    if rgb.strides[1:] != (3, 1) or rgb.strides[0] < 3 * width:
        rgb = np.ascontiguousarray(rgb)
    # The stride of a single row may be any number.
    return rgb, (rgb.ctypes.data, height, width, rgb.strides[0] if height > 1 else 3 * width)
