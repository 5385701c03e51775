"""``python3 -m deploy.jetson.probe NAME``: print as JSON what one library of this machine can do.

Each is asked in a process of its own, because a library that was built for another machine may end it.
"""

import json
import os
import platform
import re
import sys
from typing import Any, Callable, Dict, List, Optional

from kface.text import first_line


def _python() -> Dict[str, Any]:
    return {"version": platform.python_version(), "machine": platform.machine()}


def _numpy() -> Dict[str, Any]:
    import numpy as np

    # A product, because OpenBLAS chooses its kernel then, and may choose one that this processor lacks.
    product = np.ones((64, 64), np.float32) @ np.ones((64, 64), np.float32)
    if product[0, 0] != 64:
        raise ValueError("numpy computes a wrong product")
    return {"version": np.__version__}


def _cv2() -> Dict[str, Any]:
    import cv2

    found = re.search(r"GStreamer:\s*(YES|NO)", cv2.getBuildInformation())
    return {
        "version": cv2.__version__,
        "gstreamer": bool(found and found.group(1) == "YES"),
        "path": os.path.dirname(cv2.__file__),
    }


def _yaml() -> Dict[str, Any]:
    import yaml

    return {"version": yaml.__version__}


def _cryptography() -> Dict[str, Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cryptography
    from kface.gallery.cipher import Cipher

    cipher = Cipher(bytes(32))
    nonce, sealed = cipher.seal(b"face", b"probe")
    if cipher.open(nonce, sealed, b"probe") != b"face":
        raise ValueError("cryptography cannot decrypt what it encrypted")
    return {"version": cryptography.__version__}


def _tensorrt() -> Dict[str, Any]:
    from kface.tensorrt.api import tensorrt

    return {"version": tensorrt().__version__}


def _gpu() -> Dict[str, Any]:
    from kface.tensorrt.memory import open_memory

    return {"version": open_memory().gpu}


def _runtimes(directory: str) -> Dict[str, Any]:
    from kface import bundle
    from kface.errors import KFaceError
    from kface.networks import RUNTIMES, open_network, runtimes

    opened = bundle.load(directory, "sizes")
    reason = "not installed"
    # On the GPU TensorRT would build an engine, which takes minutes; it is looked at by itself.
    for name in [name for name in runtimes() if not RUNTIMES[name].gpu]:
        try:
            open_network(opened.path(opened.embedder(name).path), name).close()
            return {"version": name}
        except KFaceError as error:
            reason = "{}: {}".format(name, error.what)
    raise ValueError("no runtime here reads the embedder ({})".format(reason[:100]))


def _settings(file: str) -> Dict[str, Any]:
    from deploy.configuration import read_file
    from deploy.settings import DeploySettings

    # The unit file says where the bundle is.
    settings = DeploySettings.from_mapping(dict(read_file(file), bundle="bundle"))
    web = settings.web
    kind = "the synthetic sample" if settings.stream is None else settings.stream.kind
    return {"web": web.enabled, "host": web.host, "port": web.port, "source": kind}


PROBES: Dict[str, Callable[..., Dict[str, Any]]] = {
    "python": _python,
    "numpy": _numpy,
    "cv2": _cv2,
    "yaml": _yaml,
    "cryptography": _cryptography,
    "tensorrt": _tensorrt,
    "gpu": _gpu,
    "runtimes": _runtimes,
    "settings": _settings,
}


def main(argv: Optional[List[str]] = None) -> int:
    """Print one line of JSON: what was found, or ``{"error": ...}``; the exit status is then 1."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        found = PROBES[arguments[0]](*arguments[1:])
    # Whatever a foreign library raises, importing it failed.
    except Exception as error:
        print(json.dumps({"error": first_line(error)}))
        return 1
    print(json.dumps(found, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
