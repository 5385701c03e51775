"""OpenCV for Windows, built statically once and kept in the user's cache."""

import hashlib
import json
import re
import shutil
import sys
import tarfile
from pathlib import Path

from export.windows.running import output_of, run
from kface.errors import ConfigError, KFaceError, ModelError
from kface.files import sha256_file, write_json

#: The source distribution that OpenCV's sources come from, and its hash: they are what was tried, or nothing.
PACKAGE = "opencv-python-headless"
VERSION = "4.10.0.84"
SHA256 = "f2017c6101d7c2ef8d7bc3b414c37ff7f54d64413a1847d89970b6b7069b4e1a"
ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"
#: What pip runs of the package to read its name and version needs these.
NEEDED_BY_PIP = ("setuptools<81", "wheel", "scikit-build", "cmake", "numpy")
#: Everything else that OpenCV could use is switched off: the DLL is to need Windows alone.
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DWITH_PROTOBUF=ON",
    "-DWITH_JPEG=ON",
    "-DWITH_PNG=ON",
    # The library reads PNM files itself; its tests write some with OpenCV.
    "-DWITH_IMGCODEC_PXM=ON",
    "-DBUILD_LIST=core,imgproc,imgcodecs,dnn",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DBUILD_PROTOBUF=ON",
    "-DBUILD_JPEG=ON",
    "-DBUILD_PNG=ON",
    "-DBUILD_ZLIB=ON",
    "-DCPU_BASELINE=SSE4_2",
    "-DCPU_DISPATCH=AVX2",
    "-DBUILD_TESTS=OFF",
    "-DBUILD_PERF_TESTS=OFF",
    "-DBUILD_EXAMPLES=OFF",
    "-DBUILD_opencv_apps=OFF",
    "-DBUILD_JAVA=OFF",
)
#: What a prefix must have to be one.
CONFIG = "OpenCVConfig.cmake"
_STAMP = "kface-windows.json"
#: Headers of the codecs that OpenCV brings, which its installation leaves out: the library decodes with them itself.
CODEC_HEADERS = {
    "source": (
        "3rdparty/libjpeg-turbo/src/jpeglib.h",
        "3rdparty/libjpeg-turbo/src/jmorecfg.h",
        "3rdparty/libjpeg-turbo/src/jerror.h",
        "3rdparty/libpng/png.h",
        "3rdparty/libpng/pngconf.h",
        "3rdparty/libpng/pnglibconf.h",
        "3rdparty/zlib/zlib.h",
    ),
    "build": ("3rdparty/libjpeg-turbo/jconfig.h", "3rdparty/zlib/zconf.h"),
}


def fetch(cache: Path) -> Path:
    """Return OpenCV's source distribution, downloaded through pip unless it is there.

    Raises:
        KFaceError: pip fails.
        ModelError: What it brought is not the file that was tried.
    """
    archive = cache / "source" / ARCHIVE
    if archive.is_file() and sha256_file(archive) == SHA256:
        return archive
    python = cache / "pip" / "bin" / "python"
    ready = cache / "pip" / ".ready"
    if not ready.is_file():
        shutil.rmtree(cache / "pip", ignore_errors=True)
        run([sys.executable, "-m", "venv", str(cache / "pip")], cache / "logs" / "venv.log")
        run(
            [str(python), "-m", "pip", "install", "--disable-pip-version-check", *NEEDED_BY_PIP],
            cache / "logs" / "pip.log",
            what="what pip needs to fetch OpenCV",
        )
        ready.touch()
    requirement = cache / "source" / "requirement.txt"
    requirement.parent.mkdir(parents=True, exist_ok=True)
    requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
    run(
        [str(python), "-m", "pip", "download", "--disable-pip-version-check", "--no-binary", ":all:", "--no-deps",
         "--no-build-isolation", "--require-hashes", "-d", str(archive.parent), "-r", str(requirement)],
        cache / "logs" / "download.log",
        what=f"fetching {ARCHIVE} (95 MB)",
    )  # fmt: skip
    found = sha256_file(archive) if archive.is_file() else "nothing"
    if found != SHA256:
        raise ModelError(f"has SHA-256 {found}, not {SHA256}", archive, "remove it and run again")
    return archive


def unpack(archive: Path, cache: Path) -> Path:
    """Return the folder of OpenCV's sources, unpacked from the archive unless it is there."""
    folder = cache / "source" / f"opencv-{VERSION}"
    if folder.is_dir():
        return folder
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    inside = f"{PACKAGE}-{VERSION}/opencv/"
    try:
        with tarfile.open(archive) as tar:
            some = [member for member in tar if member.name.startswith(inside)]
            if not some:
                raise ModelError("has no folder opencv/", archive, "remove it and run again")
            tar.extractall(part, members=some, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise KFaceError(f"cannot be unpacked ({error})", archive, "remove it and run again")
    (part / inside).rename(folder)
    shutil.rmtree(part)
    return folder


def options(source: Path, toolchain: Path, prefix: Path) -> list[str]:
    """Return CMake's arguments: all of OpenCV's WITH_ switches off, then :data:`OPTIONS`."""
    text = (source / "CMakeLists.txt").read_text(encoding="utf-8")
    switches = sorted(set(re.findall(r"OCV_OPTION\((WITH_[A-Z0-9_]+)", text)))
    # Without it the paths of this machine stand in the DLL's messages.
    hide = f"-ffile-prefix-map={source}=opencv -ffile-prefix-map={prefix.parent / 'build'}=build"
    return [
        *(f"-D{name}=OFF" for name in switches),
        *OPTIONS,
        f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        f"-DCMAKE_C_FLAGS={hide}",
        f"-DCMAKE_CXX_FLAGS={hide}",
    ]


def key(toolchain: Path) -> str:
    """Return 12 characters that change with everything that a build of OpenCV depends on."""
    compiler = output_of(["x86_64-w64-mingw32-g++-posix", "--version"]).splitlines()[0]
    text = json.dumps([VERSION, SHA256, OPTIONS, compiler, toolchain.read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def prepare(cache: Path, toolchain: Path, jobs: int, stop_after: str = "") -> Path:
    """Return the prefix of a static OpenCV for Windows, fetched and built unless that has been done.

    Args:
        cache: The folder for all of it; about 1.5 GB.
        toolchain: CMake's toolchain file.
        jobs: Processes that compile.
        stop_after: ``configure`` leaves the build out.

    Raises:
        KFaceError: A step fails; the next run begins with that step.
    """
    folder = cache / f"opencv-{VERSION}-{key(toolchain)}"
    prefix, build, logs = folder / "prefix", folder / "build", cache / "logs"
    if (prefix / _STAMP).is_file():
        return prefix
    source = unpack(fetch(cache), cache)
    configured = build / ".configured"
    if not configured.is_file():
        shutil.rmtree(build, ignore_errors=True)
        run(
            ["cmake", "-G", "Ninja", "-S", str(source), "-B", str(build), *options(source, toolchain, prefix)],
            logs / "opencv-configure.log",
            what="configuring OpenCV",
        )
        hide_paths(build)
        configured.touch()
    if stop_after == "configure":
        return prefix
    # Ninja takes up what was interrupted.
    run(["ninja", "-C", str(build), f"-j{jobs}", "install"], logs / "opencv-build.log", what="building OpenCV")
    stage_codecs(source, build, prefix)
    write_json(prefix / _STAMP, {"version": VERSION, "sha256": SHA256})
    return prefix


def hide_paths(build: Path) -> None:
    """Take this machine's folders, name and time out of what a configured build is about to compile in.

    OpenCV keeps a description of its build, which cv::getBuildInformation returns, and looks for data where it was built.
    """
    description = build / "modules" / "core" / "version_string.inc"
    description.write_text(f'"OpenCV {VERSION}, static, for Windows x64, built for kface\\n"\n')
    data = build / "opencv_data_config.hpp"
    text = data.read_text(encoding="utf-8")
    for name in ("OPENCV_INSTALL_PREFIX", "OPENCV_BUILD_DIR"):
        text = re.sub(rf'(#define {name}) ".*"', r'\1 "opencv"', text)
    data.write_text(text, encoding="utf-8")


def stage_codecs(source: Path, build: Path, prefix: Path) -> None:
    """Copy the headers of OpenCV's own libjpeg and libpng into a prefix, where they fit the static libraries beside them."""
    target = prefix / "codecs" / "include"
    target.mkdir(parents=True, exist_ok=True)
    for root, names in ((source, CODEC_HEADERS["source"]), (build, CODEC_HEADERS["build"])):
        for name in names:
            shutil.copyfile(root / name, target / Path(name).name)


def config_folder(prefix: Path) -> Path:
    """Return the folder of a prefix's OpenCVConfig.cmake, for OpenCV_DIR.

    Raises:
        ConfigError: There is none: the prefix is not one of OpenCV.
    """
    found = sorted(prefix.rglob(CONFIG), key=lambda path: len(path.parts))
    if not found:
        raise ConfigError(f"has no {CONFIG}", prefix, "give the prefix of an installed, static OpenCV for MinGW-w64")
    return found[0].parent


def codecs(prefix: Path) -> list[str]:
    """Return CMake's arguments for a prefix's libjpeg and libpng; none where their headers are not there."""
    include = prefix / "codecs" / "include"
    libraries = {path.name: path for path in sorted(prefix.rglob("*.a"))}
    jpeg = next((path for name, path in libraries.items() if "jpeg" in name), None)
    png = next((path for name, path in libraries.items() if "png" in name), None)
    zlib = next((path for name, path in libraries.items() if name in ("libzlib.a", "libz.a")), None)
    if not include.is_dir() or jpeg is None or png is None or zlib is None:
        return []
    return [
        f"-DJPEG_INCLUDE_DIR={include}",
        f"-DJPEG_LIBRARY={jpeg}",
        f"-DPNG_PNG_INCLUDE_DIR={include}",
        f"-DPNG_LIBRARY={png}",
        f"-DZLIB_INCLUDE_DIR={include}",
        f"-DZLIB_LIBRARY={zlib}",
    ]
