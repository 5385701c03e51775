"""Where the compiled kernels are looked for, and which kernels a process uses."""

import glob
import hashlib
import os
import platform
import stat
import sys
import threading
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from kface.errors import ModelError
from kface.native.compiled import CompiledKernels
from kface.native.kernels import Kernels
from kface.native.reference import ReferenceKernels
from kface.user_folders import user_folder

#: Names the shared object to use; `off` for none.
VARIABLE = "KFACE_NATIVE"
#: The folder of the sources.
HERE = Path(__file__).resolve().parent
SUFFIX = ".dll" if sys.platform == "win32" else ".so"
#: The name of the file beside this module, in a wheel.
BESIDE = "kface_native" + SUFFIX

_lock = threading.Lock()
_chosen: "Optional[Choice]" = None


class Choice(NamedTuple):
    """The kernels that a process uses.

    Attributes:
        kernels: They.
        why: Where they are, or why they are not compiled ones; one line.
    """

    kernels: Kernels
    why: str


def kernels() -> Kernels:
    """Return the process's kernels: compiled ones where they have been built and fit, else those in numpy and OpenCV.

    Raises:
        ModelError: The variable KFACE_NATIVE names a file that is not there, or is not the kernels.
    """
    return _choice().kernels


def status() -> str:
    """Return where :func:`kernels` come from, or why they are not compiled ones; raises what that raises."""
    return _choice().why


def load(path: Optional[str] = None) -> CompiledKernels:
    """Open compiled kernels: a file, or those that :func:`kernels` would find.

    Raises:
        ModelError: They are not there, or cannot be used.
    """
    if path is not None:
        return CompiledKernels(os.path.abspath(path))
    found = kernels()
    if not isinstance(found, CompiledKernels):
        raise ModelError(status(), "compiled kernels", "python -m kface.native build")
    return found


def forget() -> None:
    """Let the next call look again, as after a build."""
    global _chosen  # noqa: PLW0603  # a process has one choice
    with _lock:
        _chosen = None


def sources() -> List[Path]:
    """Return the kernels' sources, sorted, the header first; empty where a package came without them."""
    return (
        sorted((HERE / "include").glob("*.h"))
        + sorted((HERE / "src").glob("*.h"))
        + sorted((HERE / "src").glob("*.inl"))
        + sorted((HERE / "src").glob("*.cpp"))
    )


def source_hash() -> str:
    """Return 16 characters that change whenever a source does."""
    digest = hashlib.sha256()
    for path in sources():
        data = path.read_bytes()
        digest.update("{} {}\n".format(path.name, len(data)).encode("ascii"))
        digest.update(data)
    return digest.hexdigest()[:16]


def default_folder() -> Path:
    """Return where built kernels are kept: a folder in the user's cache."""
    return user_folder("cache") / "native"


def file_prefix() -> str:
    """Return how the file name of these sources' kernels begins on this kind of machine; a hash of the compiler follows."""
    return "kernels-{}-{}-{}-".format(sys.platform, platform.machine() or "unknown", source_hash())


def _choice() -> Choice:
    global _chosen  # noqa: PLW0603
    with _lock:
        if _chosen is None:
            _chosen = _choose()
        return _chosen


def _choose() -> Choice:
    named = os.environ.get(VARIABLE, "")
    if named == "off":
        return Choice(ReferenceKernels(), "{}=off".format(VARIABLE))
    if named:
        if not os.path.isfile(named):
            raise ModelError("does not exist", named, "set {} to a shared object, or to off".format(VARIABLE))
        return Choice(CompiledKernels(os.path.abspath(named)), named)
    paths, why = _find()
    for path in paths:
        try:
            return Choice(CompiledKernels(path), path)
        except ModelError as error:
            why = str(error)
    return Choice(ReferenceKernels(), why)


def _find() -> Tuple[List[str], str]:
    """Return the kernels to try, beside the package and in the user's cache; and why there are none in the cache."""
    beside = [str(HERE / BESIDE)] if (HERE / BESIDE).is_file() else []
    if not sources():
        return beside, "this package came without the kernels' sources"
    pattern = os.path.join(glob.escape(str(default_folder())), glob.escape(file_prefix()) + "*" + SUFFIX)
    refused = ""
    for path in sorted(glob.glob(pattern), key=os.path.getmtime, reverse=True):
        refused = untrusted(path) or ""
        if not refused:
            return beside + [path], ""
    return beside, refused or "not built (python -m kface.native build)"


def untrusted(path: str) -> Optional[str]:
    """Return why a shared object must not be loaded, as another user could have put it there; None where none could."""
    # Windows has neither owners nor modes of this kind; folders in a user's profile are the user's alone.
    if not hasattr(os, "geteuid"):
        return None
    for name in (os.path.dirname(path), path):
        try:
            found = os.stat(name)
        except OSError as error:
            return "{}: cannot be read ({})".format(name, error.strerror or error)
        if found.st_uid not in (0, os.geteuid()):
            return "{}: belongs to another user (uid {}); remove it".format(name, found.st_uid)
        if found.st_mode & 0o022:
            mode = stat.S_IMODE(found.st_mode)
            return "{}: can be written by other users (mode {:04o}); chmod go-w {}".format(name, mode, name)
    return None
