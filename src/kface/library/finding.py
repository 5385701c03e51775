"""Where the library is."""

import os
import sys
from pathlib import Path
from typing import Iterator, List, Optional, Union

from kface.errors import ConfigError, ModelError

PathLike = Union[str, "os.PathLike[str]"]

#: Names the library, or the folder it lies in.
VARIABLE = "KFACE_LIBRARY"
#: Its file names, the most usual first.
NAMES = {"win32": ("kface.dll", "libkface.dll"), "darwin": ("libkface.dylib",)}.get(
    sys.platform, ("libkface.so", "libkface.so.1")
)
#: The folder of the package, and that of the repository where it is run from one.
PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parents[1]
#: Where `make library` builds it, and where CMake's presets do.
BUILT = ("build/library", "build/library-linux", "build/library-msvc/Release")


def find(path: Optional[PathLike] = None) -> str:
    """Return the library's file: `path`, what KFACE_LIBRARY names, the build folder's, or the one beside the package.

    Args:
        path: The file, or a folder that has it under its usual name.

    Raises:
        ConfigError: What was named does not exist.
        ModelError: It is nowhere.
    """
    if path is not None:
        return _named(os.fspath(path), "the library")
    named = os.environ.get(VARIABLE)
    if named:
        return _named(named, VARIABLE)
    for folder in _folders():
        for name in NAMES:
            if (folder / name).is_file():
                return str(folder / name)
    raise ModelError("kface's C++ library was not found", remedy="make library, or set {}".format(VARIABLE))


def _named(path: str, setting: str) -> str:
    candidates: List[str] = [path] + [os.path.join(path, name) for name in NAMES]
    for candidate in candidates:
        if os.path.isfile(candidate):
            return os.path.abspath(candidate)
    raise ConfigError("{} does not exist".format(path), setting, "name {} or its folder; make library".format(NAMES[0]))


def _folders() -> Iterator[Path]:
    # Without the sources beside it this is a site-packages folder, whose build/ is not the project's.
    if (REPOSITORY / "src" / "export" / "library" / "include" / "kface.h").is_file():
        for name in BUILT:
            yield REPOSITORY / name
    yield PACKAGE
