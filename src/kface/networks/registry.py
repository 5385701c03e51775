"""Which runtimes there are, which are installed, and how a file is opened."""

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
        package: What has to be installed for it.
        formats: Endings of the files that it reads, the one that it reads best first.
        fixed: Whether it builds a network for sizes that have to be known before; its ``load`` then takes ``profiles``.
        precisions: Of the embedders that it computes rightly.
        computes: The precision in which it computes a file of full precision.
        gpu: Whether it runs on a GPU, for which it builds an engine in minutes. ``auto`` thinks of it on a Jetson alone: on
            other machines its package is often there without a GPU. What only tries runtimes leaves it out.
        reentrant: Whether several threads may run one of its networks at the same time.
        side_by_side: Whether threads of ours that work on pieces side by side make it faster; the others share out each
            piece better themselves.
        first_for: What ``auto`` takes it for before all others, since it was measured to be the fastest there
            (`make bench-networks`): "detector".
        detector_form: The form of the detector's networks that suits it: "plain"; "split", which writes PReLU otherwise
            (:mod:`kface.mtcnn.graphs`); or "canvas", where P-Net takes a whole pyramid (:mod:`kface.mtcnn.canvas`) and the
            others are plain.
        unreadable_forms: Forms of the detector's networks that some of its versions do not read.
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


#: What each runtime reads, prefers and can do, by its name: the one table of that. The fastest comes first where it was
#: measured (`make bench`); ``auto`` takes the first that is installed, or one that is first for the task.
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
    # Frozen graphs are right in all versions of OpenCV and read by the old ones too; quantised networks are read wrongly.
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
    """A network file that a runtime cannot read, or computes wrongly; another runtime may do better."""


def runtimes(ending: Optional[str] = None, gpu: bool = True) -> List[str]:
    """Return the names of the installed runtimes, the preferred one first.

    Args:
        ending: Only those that read such files, for instance ``.onnx``.
        gpu: Whether those are included that run on a GPU, for which they build an engine first.
    """
    return [
        name
        for name, runtime in RUNTIMES.items()
        if (ending is None or ending in runtime.formats) and (gpu or not runtime.gpu) and _is_installed(runtime.package)
    ]


def _is_installed(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    # A folder that merely has the name, somewhere on the path, is a package to Python, with nothing in it.
    return spec is not None and not (spec.submodule_search_locations and spec.origin in (None, "namespace"))


def on_jetson() -> bool:
    """Return whether this machine is taken for a Jetson, whose GPU is always there: only then ``auto`` uses it."""
    return platform.machine() == "aarch64"


def resolve(runtime: str, ending: str = ".onnx", task: str = "") -> str:
    """Return the name of an installed runtime: the one that is named, or the preferred one for ``auto``.

    Args:
        runtime: A name in :data:`RUNTIMES`, or ``auto``.
        ending: Of the file that it is to read.
        task: What the network is for, see :attr:`Runtime.first_for`; on a Jetson ``auto`` prefers the GPU whatever it is.

    Raises:
        ConfigError: There is no such runtime, it is not installed, or does not read such files.
    """
    installed = runtimes()
    if runtime == "auto":
        fitting = runtimes(ending, gpu=on_jetson())
        if not fitting:
            readers = [RUNTIMES[name].package for name in RUNTIMES if ending in RUNTIMES[name].formats]
            raise ConfigError(
                "no runtime that reads {} files is installed".format(ending), runtime, "install " + " or ".join(readers)
            )
        best = [name for name in fitting if task in RUNTIMES[name].first_for]
        return best[0] if best and not RUNTIMES[fitting[0]].gpu else fitting[0]
    if runtime not in RUNTIMES:
        raise ConfigError("there is no such runtime", runtime, "choose one of: auto, {}".format(", ".join(RUNTIMES)))
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
        threads: Threads a run may use; the runtime's own choice where None.
        sha256: The file's expected hash; it is checked on the very bytes that are then opened.
        shape: The one shape of input that it will be run on, where that is known; runtimes that build a network for its
            sizes need it where the file leaves more than the batch open.

    Raises:
        ConfigError: There is no such runtime, or it is not installed.
        ModelError: The file is absent, has another hash, or is no network that the runtime can read.
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
    # A package that is there and broken, such as one built for another numpy.
    except ImportError as error:
        raise UnsuitableRuntimeError(
            "cannot be opened: {} does not load ({})".format(name, error), path, "install it again"
        )
    return network


def read_network(path: PathLike, sha256: Optional[str] = None) -> bytes:
    """Return a network file's bytes once they have been checked: nothing else may be handed to a runtime.

    Args:
        path: The file: ONNX, a frozen graph (``.pb``) or an engine.
        sha256: Its expected hash.

    Raises:
        ModelError: It cannot be read, has another hash, or holds more than a network (:mod:`kface.networks.allowed`).
    """
    name = os.fspath(path)
    # An engine is no graph but code: its owner and its sidecar are looked at instead.
    engine = name.lower().endswith(".engine")
    data = _read_engine(name) if engine else _read(name)
    if sha256 is not None and sha256_bytes(data) != sha256:
        raise ModelError("is not the file it was (its SHA-256 differs)", path, "make it again")
    if not engine:
        allowed.check(data, name)
    return data


def _read_engine(name: str) -> bytes:
    from kface.tensorrt import trust

    return trust.read(name)


def _read(name: str) -> bytes:
    try:
        # Devices and pipes have no end.
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise ModelError("is not a file", name)
        with open(name, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), name)


def version(runtime: str) -> str:
    """Return the version of a runtime that has been opened in this process; "unknown" where it does not tell."""
    module = sys.modules.get(RUNTIMES[runtime].package)
    return str(getattr(module, "__version__", "unknown")).split("-")[0]


def candidates(runtime: str) -> List[str]:
    """Return the runtimes to try for a name in :data:`RUNTIMES` or for ``auto``, the preferred one first.

    Raises:
        ConfigError: There is no such runtime, or it is not installed.
    """
    if runtime != "auto":
        return [resolve(runtime, RUNTIMES[runtime].formats[0] if runtime in RUNTIMES else ".onnx")]
    # The first is the one that everything else with "auto" takes.
    first = resolve(runtime)
    return [first] + [name for name in runtimes(gpu=False) if name != first]
