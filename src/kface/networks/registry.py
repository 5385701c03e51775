"""Which runtimes there are, which are installed, and how a file is opened."""

import importlib
import importlib.util
import os
from typing import Dict, List, NamedTuple, Optional, Union

from kface.errors import ConfigError, ModelError
from kface.files import sha256_bytes
from kface.networks.base import Network

PathLike = Union[str, "os.PathLike[str]"]


class Runtime(NamedTuple):
    """Where a runtime's adapter is, and the package that has to be installed for it."""

    adapter: str
    package: str


#: By name, in the order in which ``auto`` tries them.
RUNTIMES: Dict[str, Runtime] = {
    "onnxruntime": Runtime("kface.networks.onnxruntime_adapter", "onnxruntime"),
    "opencv": Runtime("kface.networks.opencv_adapter", "cv2"),
}


def runtimes() -> List[str]:
    """Return the names of the installed runtimes, the preferred one first."""
    return [name for name, runtime in RUNTIMES.items() if importlib.util.find_spec(runtime.package) is not None]


def resolve(runtime: str) -> str:
    """Return the name of an installed runtime: the one that is named, or the preferred one for ``auto``.

    Raises:
        ConfigError: There is no such runtime, or it is not installed.
    """
    installed = runtimes()
    name = (installed[0] if installed else "auto") if runtime == "auto" else runtime
    if name not in RUNTIMES:
        raise ConfigError("there is no such runtime", runtime, "choose one of: auto, {}".format(", ".join(RUNTIMES)))
    if name not in installed:
        raise ConfigError("is not installed here", runtime, "install {}".format(RUNTIMES[name].package))
    return name


def open_network(
    path: PathLike, runtime: str = "auto", threads: Optional[int] = None, sha256: Optional[str] = None
) -> Network:
    """Open a network file.

    Args:
        path: The file, such as ``pnet.onnx``.
        runtime: A name in :data:`RUNTIMES`, or ``auto`` for the first that is installed.
        threads: Threads a run may use; the runtime's own choice where None.
        sha256: The file's expected hash; it is checked on the very bytes that are then opened.

    Raises:
        ConfigError: There is no such runtime, or it is not installed.
        ModelError: The file is absent, has another hash, or is no network that the runtime can read.
    """
    name = resolve(runtime)
    if threads is not None and threads < 1:
        raise ConfigError("must be at least 1, not {}".format(threads), "threads")
    try:
        with open(os.fspath(path), "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), path)
    if sha256 is not None and sha256_bytes(data) != sha256:
        raise ModelError("is not the file it was (its SHA-256 differs)", path, "make it again")
    adapter = importlib.import_module(RUNTIMES[name].adapter)
    network: Network = adapter.load(data, os.fspath(path), threads)
    return network
