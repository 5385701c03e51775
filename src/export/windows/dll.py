"""The DLL itself: built from the library's sources, its imports, exports and paths checked, its .def written."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from export.windows import opencv
from export.windows.running import output_of, run
from kface.errors import ConfigError, ModelError
from kface.files import write_atomic

#: Libraries that every Windows since 7 has.
SYSTEM = {
    "advapi32.dll", "bcrypt.dll", "gdi32.dll", "kernel32.dll", "msvcrt.dll", "ntdll.dll", "ole32.dll", "oleaut32.dll",
    "psapi.dll", "shell32.dll", "user32.dll", "ws2_32.dll",
}  # fmt: skip
#: Header-only and under /usr, whose other headers are Linux's: it is copied out of there.
JSON = (Path("/usr/include/nlohmann"), Path("/usr/share/cmake/nlohmann_json"))
#: Generated files have names of this kind, and only functions of kface.h are exported.
_DECLARED = re.compile(r"KFACE_API[^;]*?\b(kface_\w+)\s*\(", re.DOTALL)
_IMPORT = re.compile(r"^\s*DLL Name: (\S+)", re.MULTILINE)
_EXPORT = re.compile(r"^\s*\[\s*\d+\](?:\s+\+base\[\s*\d+\])?(?:\s+[0-9a-fA-F]{4,})?\s+(\S+)$", re.MULTILINE)


class Contents(NamedTuple):
    """What a DLL shows of itself.

    Attributes:
        size: Bytes of the file.
        imports: The DLLs that it needs, lower case, sorted.
        exports: The functions that it offers, sorted.
        leaks: Folders of this machine that are named in it.
    """

    size: int
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    leaks: tuple[str, ...]


def build(library: Path, prefix: Path, bundle: Path | None, out: Path, jobs: int, logs: Path) -> Path:
    """Build the library, its programs and its tests for Windows, and return the DLL.

    Args:
        library: The folder of its sources.
        prefix: Of a static OpenCV.
        bundle: For the tests that need one; None leaves those out.
        out: The build's folder.
        jobs: Processes that compile.
        logs: Where the logs go.
    """
    arguments = [
        f"-DCMAKE_TOOLCHAIN_FILE={library / 'cmake' / 'mingw-toolchain.cmake'}",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DOpenCV_DIR={opencv.config_folder(prefix)}",
        f"-Dnlohmann_json_DIR={stage_json(out / 'json')}",
        "-DCMAKE_CROSSCOMPILING_EMULATOR=wine",
        # Programs and tests would look for the compiler's DLLs.
        "-DCMAKE_EXE_LINKER_FLAGS=-static",
        *([f"-DKFACE_BUNDLE={bundle}"] if bundle else []),
        *opencv.codecs(prefix),
    ]
    run(["cmake", "-G", "Ninja", "-S", str(library), "-B", str(out), *arguments], logs / "library-configure.log",
        what="configuring the library")  # fmt: skip
    run(["ninja", "-C", str(out), f"-j{jobs}"], logs / "library-build.log", what="building the library")
    found = sorted(path for name in ("libkface.dll", "kface.dll") for path in out.glob(name))
    if not found:
        raise ModelError("has no kface.dll after the build", out, f"the log is {logs / 'library-build.log'}")
    return found[0]


def stage_json(folder: Path) -> Path:
    """Copy nlohmann-json to a folder of its own, and return the folder of its CMake files."""
    if not all(path.is_dir() for path in JSON):
        raise ConfigError(
            "nlohmann-json: not found", "make kisa-windows", "scripts/system-packages windows (Debian, Ubuntu)"
        )
    for source, target in zip(
        JSON, (folder / "include" / "nlohmann", folder / "share/cmake/nlohmann_json"), strict=True
    ):
        shutil.copytree(source, target, dirs_exist_ok=True)
    return folder / "share/cmake/nlohmann_json"


def declared(header: Path) -> tuple[str, ...]:
    """Return the functions that kface.h declares, sorted."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    # Macros have the same words.
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return tuple(sorted(set(_DECLARED.findall(text))))


def contents(dll: Path, folders: Sequence[Path]) -> Contents:
    """Look into a DLL; `folders` are those whose names must not be in it."""
    printed = output_of(["x86_64-w64-mingw32-objdump", "-p", str(dll)])
    table = printed.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    data = dll.read_bytes()
    return Contents(
        len(data),
        tuple(sorted(name.lower() for name in _IMPORT.findall(printed))),
        tuple(sorted(_EXPORT.findall(table))),
        tuple(str(folder) for folder in folders if str(folder).encode() in data),
    )


def check(dll: Path, found: Contents, least: Sequence[str], most: Sequence[str]) -> None:
    """Refuse a DLL that needs more than Windows, offers other functions than it should, or names folders of this machine.

    Args:
        dll: The file, for the error.
        found: What it shows.
        least: Functions that it has to export.
        most: Functions that it may export besides.

    Raises:
        ModelError: It does.
    """
    foreign = sorted(set(found.imports) - SYSTEM)
    if foreign:
        raise ModelError(f"needs {', '.join(foreign)}, which Windows does not have", dll, "link it statically")
    extra, lacking = sorted(set(found.exports) - {*least, *most}), sorted(set(least) - set(found.exports))
    if extra or lacking:
        raise ModelError(f"exports {extra}, which it should not, and lacks {lacking}", dll, "check cmake/exports.cmake")
    if found.leaks:
        raise ModelError(f"names folders of this machine: {', '.join(found.leaks)}", dll, "map them: -ffile-prefix-map")


def defined(definition: Path) -> tuple[str, ...]:
    """Return the functions that a module definition file exports, sorted."""
    words = definition.read_text(encoding="utf-8").partition("EXPORTS")[2].splitlines()
    return tuple(sorted(word.strip() for word in words if word.strip() and not word.strip().startswith(";")))


def write_definition(dll: Path, names: Sequence[str], path: Path) -> None:
    """Write a module definition file, of which Visual Studio makes an import library: lib /def:kface.def /machine:x64."""
    lines = [f"LIBRARY {dll.name}", "EXPORTS", *(f"    {name}" for name in names)]
    write_atomic(path, ("\r\n".join(lines) + "\r\n").encode("ascii"))
