"""The table of runtimes, which of them are installed, and how a network file is opened."""

import importlib
import importlib.util
import os
import platform
import stat
import sys
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

from kface.errors import ConfigError, ModelError
from kface.files import sha256_bytes
from kface.networks import allowed
from kface.networks.base import Network

PathLike = Union[str, "os.PathLike[str]"]


class Runtime(NamedTuple):
    """A runtime.

    Attributes:
        adapter: The module that adapts it.
        package: The package it needs.
        formats: Endings of the files that it reads, the preferred one first.
        fixed: Whether it builds a network for input sizes that must be known beforehand; its ``load`` then takes
            ``profiles``.
        precisions: The precisions of embedders that it computes correctly.
        computes: The precision in which it computes a file of full precision.
        gpu: Whether it runs on a GPU, for which it takes minutes to build an engine. ``auto`` considers it on a Jetson only:
            elsewhere its package is often installed without a GPU.
        reentrant: Whether several threads may run one of its networks at the same time.
        side_by_side: Whether running parts of a batch in our own threads makes it faster; the other runtimes distribute
            each batch better themselves.
        first_for: The task for which ``auto`` prefers it to all others, because it was measured to be the fastest
            (`make bench-networks`): "detector".
        detector_form: The form of the detector's networks that suits it: "plain"; "split", with PReLU in other operations
            (:mod:`kface.mtcnn.graphs`); or "canvas", where P-Net takes a complete pyramid (:mod:`kface.mtcnn.canvas`) and
            the other networks are plain.
        unreadable_forms: Forms of the detector's networks that some of its versions cannot read.
    """

    adapter: str
    package: str
    formats: Tuple[str, ...]
    fixed: bool = False
    precisions: Tuple[str, ...] = ("fp32", "fp16", "int8")
    computes: str = "fp32"
    gpu: bool = False
    reentrant: bool = False
    side_by_side: bool = False
    first_for: Tuple[str, ...] = ()
    detector_form: str = "plain"
    unreadable_forms: Tuple[str, ...] = ()


#: The one table of what each runtime reads, prefers and can do, by its name; the fastest first, as measured by
#: `make bench`. ``auto`` takes the first that is installed, or one that is first for the task.
RUNTIMES: Dict[str, Runtime] = {
    "tensorrt": Runtime(
        "kface.tensorrt.adapter",
        "tensorrt",
        (".onnx", ".engine"),
        fixed=True,
        computes="fp16",
        gpu=True,
        detector_form="canvas",
    ),
    "openvino": Runtime("kface.networks.openvino_adapter", "openvino", (".onnx",), reentrant=True),
    "onnxruntime": Runtime(
        "kface.networks.onnxruntime_adapter",
        "onnxruntime",
        (".onnx",),
        reentrant=True,
        side_by_side=True,
        first_for=("detector",),
        detector_form="split",
    ),
    # All versions of OpenCV read frozen graphs correctly, but quantised networks wrongly.
    # OpenCV 5 fuses the canvas form's Add into a convolution and then refuses it.
    "opencv": Runtime(
        "kface.networks.opencv_adapter",
        "cv2",
        (".pb", ".onnx"),
        precisions=("fp32", "fp16"),
        unreadable_forms=("canvas",),
    ),
    "tensorflow": Runtime(
        "kface.networks.tensorflow_adapter", "tensorflow", (".pb",), precisions=("fp32",), reentrant=True
    ),
}


class UnsuitableRuntimeError(ModelError):
    """A network file that a runtime cannot read, or computes wrongly; another runtime may succeed."""


def runtimes(ending: Optional[str] = None, gpu: bool = True) -> List[str]:
    """Return the names of the installed runtimes, the preferred one first.

    Args:
        ending: Only those that read such files, for instance ``.onnx``.
        gpu: Whether to include those that run on a GPU, for which they build an engine first.
    """
    return [
        name
        for name, runtime in RUNTIMES.items()
        if (ending is None or ending in runtime.formats) and (gpu or not runtime.gpu) and _is_installed(runtime.package)
    ]


def _is_installed(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    # To Python, any folder of that name on the path is an (empty) package.
    return spec is not None and not (spec.submodule_search_locations and spec.origin in (None, "namespace"))


def on_jetson() -> bool:
    """Return whether this machine looks like a Jetson, which always has a GPU: only then ``auto`` uses the GPU."""
    return platform.machine() == "aarch64"


def resolve(runtime: str, ending: str = ".onnx", task: str = "") -> str:
    """Return the name of an installed runtime: the named one, or the preferred one for ``auto``.

    Args:
        runtime: A name in :data:`RUNTIMES`, or ``auto``.
        ending: Of the file to be read.
        task: The network's task, see :attr:`Runtime.first_for`; on a Jetson ``auto`` prefers the GPU for every task.

    Raises:
        ConfigError: The runtime is unknown, not installed, or does not read such files.
    """
    installed = runtimes()
    if runtime == "auto":
        fitting = runtimes(ending, gpu=on_jetson())
        if not fitting:
            readers = [RUNTIMES[name].package for name in RUNTIMES if ending in RUNTIMES[name].formats]
            raise ConfigError(
                "no installed runtime reads {} files".format(ending), runtime, "install " + " or ".join(readers)
            )
        best = [name for name in fitting if task in RUNTIMES[name].first_for]
        return best[0] if best and not RUNTIMES[fitting[0]].gpu else fitting[0]
    if runtime not in RUNTIMES:
        raise ConfigError("unknown runtime", runtime, "choose one of: auto, {}".format(", ".join(RUNTIMES)))
    if runtime not in installed:
        raise ConfigError("is not installed here", runtime, "install {}".format(RUNTIMES[runtime].package))
    if ending not in RUNTIMES[runtime].formats:
        readers = runtimes(ending)
        raise ConfigError(
            "does not read {} files".format(ending or "such"),
            runtime,
            "choose one of: " + ", ".join(readers) if readers else "give a file that ends in .onnx or .pb",
        )
    return runtime


def open_network(
    path: PathLike,
    runtime: str = "auto",
    threads: Optional[int] = None,
    sha256: Optional[str] = None,
    shape: Optional[Tuple[int, ...]] = None,
) -> Network:
    """Open a network file.

    Args:
        path: The file, such as ``pnet.onnx``.
        runtime: A name in :data:`RUNTIMES`, or ``auto`` for the first that is installed.
        threads: Threads that a run may use; the runtime's own choice if None.
        sha256: The file's expected hash, checked on the bytes that are then opened.
        shape: The only input shape that will be used, if known; runtimes that build a network for its sizes need it if the
            file leaves more than the batch open.

    Raises:
        ConfigError: The runtime is unknown or not installed.
        ModelError: The file is missing, has another hash, or is not a network that the runtime can read.
    """
    name = resolve(runtime, os.path.splitext(os.fspath(path))[1].lower())
    if threads is not None and threads < 1:
        raise ConfigError("must be at least 1, not {}".format(threads), "threads")
    data = read_network(path, sha256)
    options = {"profiles": {"image": (shape, shape, shape)}} if RUNTIMES[name].fixed and shape is not None else {}
    try:
        adapter = importlib.import_module(RUNTIMES[name].adapter)
        network: Network = adapter.load(data, os.fspath(path), threads, **options)
    except ModelError as error:
        raise UnsuitableRuntimeError(error.what, error.where, error.remedy)
    # An installed package may be broken, for instance built for another numpy.
    except ImportError as error:
        raise UnsuitableRuntimeError(
            "cannot be opened: {} cannot be imported ({})".format(name, error), path, "install it again"
        )
    return network


def read_network(path: PathLike, sha256: Optional[str] = None) -> bytes:
    """Return a network file's bytes after checking them; nothing else may be passed to a runtime.

    Args:
        path: The file: ONNX, a frozen graph (``.pb``) or an engine.
        sha256: Its expected hash.

    Raises:
        ModelError: It cannot be read, has another hash, or holds anything but a network (:mod:`kface.networks.allowed`).
    """
    name = os.fspath(path)
    # An engine is code, not a graph: its owner and its sidecar are checked instead.
    engine = name.lower().endswith(".engine")
    data = _read_engine(name) if engine else _read(name)
    if sha256 is not None and sha256_bytes(data) != sha256:
        raise ModelError("has been changed (its SHA-256 differs)", path, "make it again")
    if not engine:
        allowed.check(data, name)
    return data


def _read_engine(name: str) -> bytes:
    from kface.tensorrt import trust

    return trust.read(name)


def _read(name: str) -> bytes:
    try:
        # Devices and pipes do not end.
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise ModelError("is not a file", name)
        with open(name, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), name)


def version(runtime: str) -> str:
    """Return the version of a runtime that has been opened in this process; "unknown" if it reports none."""
    module = sys.modules.get(RUNTIMES[runtime].package)
    return str(getattr(module, "__version__", "unknown")).split("-")[0]


def candidates(runtime: str) -> List[str]:
    """Return the runtimes to try for a name in :data:`RUNTIMES`, or for ``auto``, the preferred one first.

    Raises:
        ConfigError: The runtime is unknown or not installed.
    """
    if runtime != "auto":
        return [resolve(runtime, RUNTIMES[runtime].formats[0] if runtime in RUNTIMES else ".onnx")]
    # First the one that "auto" means everywhere else.
    first = resolve(runtime)
    return [first] + [name for name in runtimes(gpu=False) if name != first]
