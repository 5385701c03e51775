"""The C interface of kface.h through ctypes: functions and versions."""

import ctypes
import math
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from kface.errors import ConfigError, KFaceError, ModelError
from kface.library import values
from kface.library.engine import Engine
from kface.library.finding import find
from kface.library.structures import Face, Image, Options, TemplateInfo

PathLike = Union[str, "os.PathLike[str]"]

#: The version of the interface that this module speaks: KFACE_ABI_VERSION.
ABI = 1

_int32, _size, _double, _pointer, _text = (
    ctypes.c_int32,
    ctypes.c_size_t,
    ctypes.c_double,
    ctypes.c_void_p,
    ctypes.c_char_p,
)


#: Result and arguments of each function that is called.
_FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "kface_version": (_text, []),
    "kface_abi_version": (_int32, []),
    "kface_status_text": (_text, [_int32]),
    "kface_last_error": (_text, []),
    "kface_open": (_int32, [_text, ctypes.POINTER(Options), ctypes.POINTER(_pointer)]),
    "kface_close": (None, [_pointer]),
    "kface_template_size": (_int32, [_pointer]),
    "kface_embedding_size": (_int32, [_pointer]),
    "kface_fingerprint": (_text, [_pointer]),
    "kface_self_check": (_int32, [_pointer, ctypes.POINTER(_double)]),
    "kface_detect": (
        _int32,
        [_pointer, ctypes.POINTER(Image), ctypes.POINTER(Face), _int32, ctypes.POINTER(_int32)],
    ),
    "kface_align": (_int32, [_pointer, ctypes.POINTER(Image), _pointer, _pointer, _size]),
    "kface_embed": (_int32, [_pointer, _pointer, _pointer, _size]),
    "kface_enroll_image": (_int32, [_pointer, ctypes.POINTER(Image), _pointer, _size, ctypes.POINTER(Face)]),
    "kface_enroll_file": (_int32, [_pointer, _text, _pointer, _size, ctypes.POINTER(Face)]),
    "kface_match": (_int32, [_pointer, _text, _size, _text, _size, ctypes.POINTER(_double)]),
    "kface_match_many": (_int32, [_pointer, _text, _size, _text, _size, _size, _pointer]),
    "kface_template_read": (_int32, [_text, _size, ctypes.POINTER(TemplateInfo)]),
}


#: TensorFlow makes its protobuf visible to all libraries that are loaded after it; OpenCV's is of another version, and would
#: call into it. With this it prefers its own. Linux with glibc alone has it.
_MODE = ctypes.DEFAULT_MODE | getattr(os, "RTLD_DEEPBIND", 0)


class Library(object):
    """A loaded libkface; opens bundles. May be shared between threads.

    Args:
        path: Its file or folder; by default what KFACE_LIBRARY names, what `make library` built, or the file beside the
            package.

    Raises:
        ConfigError: What was named does not exist.
        ModelError: It is nowhere, cannot be loaded, or is of another version.
    """

    def __init__(self, path: Optional[PathLike] = None) -> None:
        self.path = find(path)
        try:
            self.functions = ctypes.CDLL(self.path, mode=_MODE)
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self.functions, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise ModelError(
                "is not kface's library, or lacks what it needs ({})".format(error), self.path, "make library"
            )
        found = int(self.functions.kface_abi_version())
        if found != ABI:
            raise ModelError("has interface version {}, and {} is needed".format(found, ABI), self.path, "make library")
        # A library whose structures are laid out otherwise writes past ours.
        info = TemplateInfo(size=ctypes.sizeof(TemplateInfo))
        if self.functions.kface_template_read(b"", 0, ctypes.byref(info)) != values.TEMPLATE:
            raise ModelError(
                "has structures of other sizes than {} expects".format(__name__), self.path, "make library"
            )

    @property
    def version(self) -> str:
        """The library's version, such as 0.1.0."""
        return str(self.functions.kface_version().decode("utf-8", "replace"))

    def open(
        self,
        bundle: PathLike,
        embedder: Optional[str] = None,
        min_face: Optional[float] = None,
        brighten: Optional[Sequence[str]] = None,
        threads: Optional[int] = None,
    ) -> Engine:
        """Open a bundle; what is None is as the bundle's deploy.yaml says.

        Args:
            bundle: Its directory.
            embedder: ``pb`` or ``onnx``: the file to read.
            min_face: Side of the smallest face in pixels, 20 to 10000.
            brighten: Ways to look again at an image without a face; empty for none.
            threads: Threads inside one call, of OpenCV and for the whole process.

        Raises:
            ConfigError: A setting is out of its range.
            ModelError: The bundle is not one, is damaged, or this library cannot run it.
        """
        options = Options(size=ctypes.sizeof(Options))
        if embedder is not None:
            options.embedder = _encoded(embedder, "embedder")
        if brighten is not None:
            options.brighten = _encoded(",".join(brighten) or "none", "brighten")
        if min_face is not None:
            if not math.isfinite(min_face) or min_face <= 0:
                raise ConfigError("must be a number of pixels, not {!r}".format(min_face), "min_face")
            options.min_face = float(min_face)
        if threads is not None:
            if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads < 1 << 31:
                raise ConfigError("must be a whole number of at least 1, not {!r}".format(threads), "threads")
            options.threads = threads
        handle = _pointer()
        status = self.functions.kface_open(
            _encoded(os.fspath(bundle), "bundle"), ctypes.byref(options), ctypes.byref(handle)
        )
        if status != values.OK:
            raise self.error(status)
        return Engine(self, handle)

    def error(self, status: int) -> KFaceError:
        """Return the error for what the last call of this thread returned."""
        line = self.functions.kface_last_error() or self.functions.kface_status_text(status) or b""
        return values.error_of(status, line.decode("utf-8", "replace"))


def _encoded(text: str, setting: str) -> bytes:
    """Return a text for the library; raises ConfigError where C would read another one."""
    if not isinstance(text, str) or "\0" in text:
        raise ConfigError("must be a text without zero bytes, not {!r}".format(text), setting)
    # A path of other bytes than UTF-8 holds lone surrogates: the system gets the very bytes back.
    return text.encode("utf-8", "surrogateescape")
