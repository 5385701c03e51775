"""Compiles the kernels on this machine, once for each state of the sources and of the compiler. Never needed, only faster."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional

from kface.errors import ConfigError, KFaceError
from kface.native import loading
from kface.native.compiled import ABI

#: Compilers to try, the first found first; the environment's CXX goes before them.
COMPILERS = ("g++", "c++", "clang++")
#: Nothing that lets a compiler reorder or fuse floating-point operations, and nothing that only this processor has.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
    "-ffp-contract=off",
    "-fno-exceptions",
    "-fno-rtti",
    "-fvisibility=hidden",
    "-DKFACE_NATIVE_SHARED",
    "-Wall",
    "-Wextra",
)
#: Seconds that a compilation may take: it takes about three, and a minute on a board.
PATIENCE = 600
#: Run by a process of its own: a broken shared object ends that one, and is mapped into none that stays.
_TRY = "import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).kface_native_abi() != int(sys.argv[2]))"


def find_compiler() -> Optional[str]:
    """Return the C++ compiler that :func:`build` uses, or None where there is none."""
    for name in (os.environ.get("CXX", ""),) + COMPILERS:
        found = shutil.which(name) if name else None
        if found:
            return found
    return None


def build(folder: Optional[Path] = None) -> Path:
    """Compile the kernels, unless that has been done.

    Args:
        folder: Where they are kept; :func:`kface.native.loading.default_folder` where None.

    Returns:
        The shared object. Another process sees all of it or nothing.

    Raises:
        ConfigError: There is no compiler, or the package has no sources.
        KFaceError: The compiler refuses, or the folder cannot be written.
    """
    compiler = _compiler()
    remedy = "set XDG_CACHE_HOME" if folder is None else "give another folder"
    folder = Path(folder) if folder is not None else loading.default_folder()
    path = folder / (loading.file_prefix() + _compiler_hash(compiler) + loading.SUFFIX)
    if path.is_file() and loading.untrusted(str(path)) is None:
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(str(folder), 0o700)
    except OSError as error:
        raise KFaceError("cannot be written ({})".format(error.strerror or error), folder, remedy)
    _compile_to(compiler, path, remedy)
    loading.forget()
    return path


def compile_to(path: Path) -> None:
    """Compile the kernels into a file of any name, as a wheel has it; raises as :func:`build` does."""
    _compile_to(_compiler(), path, "give another folder")


def _compiler() -> str:
    if not loading.sources():
        raise ConfigError(
            "this package came without the kernels' sources", "native kernels", "install kface from its sources"
        )
    found = find_compiler()
    if found is None:
        raise ConfigError(
            "there is no C++ compiler (looked for {})".format(", ".join(COMPILERS)),
            "native kernels",
            "scripts/system-packages, or set CXX; without them kface computes the same in numpy",
        )
    return found


def _compile_to(compiler: str, path: Path, remedy: str) -> None:
    """Compile, try and only then name the file, so that another process sees all of it or nothing."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", suffix=loading.SUFFIX, dir=str(path.parent))
        os.close(handle)
    except OSError as error:
        raise KFaceError("cannot be written ({})".format(error.strerror or error), path.parent, remedy)
    try:
        _compile(compiler, temporary)
        tried = _run([sys.executable, "-c", _TRY, temporary, str(ABI)])
        if tried.returncode:
            raise KFaceError(
                "what it built cannot be loaded: {}".format(_last_line(tried)), compiler, "try another: CXX=..."
            )
        os.chmod(temporary, 0o755)
        os.replace(temporary, str(path))
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _compile(compiler: str, out: str) -> None:
    units = [str(path) for path in loading.sources() if path.suffix == ".cpp"]
    include = ["-I", str(loading.HERE / "include")]
    done = _run([compiler] + list(FLAGS) + include + units + ["-o", out, "-lm"])
    if done.returncode:
        raise KFaceError("does not compile the kernels: {}".format(_last_line(done)), compiler, "try another: CXX=...")


def _compiler_hash(compiler: str) -> str:
    """Return 8 characters that change with the compiler, its version and the flags."""
    version = _run([compiler, "--version"]).stdout
    return hashlib.sha256("\n".join((compiler, version) + FLAGS).encode("utf-8", "replace")).hexdigest()[:8]


def _run(command: List[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except OSError as error:
        raise KFaceError("cannot be run ({})".format(error.strerror or error), command[0])
    except subprocess.TimeoutExpired:
        raise KFaceError("has not ended after {} s".format(PATIENCE), command[0])


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the line that says what is wrong: the first with "error", or the last."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason given")
