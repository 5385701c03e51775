"""``python -m export.windows``: build the C++ library for Windows, try it under wine, and compare it with Linux."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from export.windows import comparing, dll, images, opencv, wine
from export.windows.running import check_programs, run
from kface import locks
from kface.errors import ConfigError, KFaceError, ModelError
from kface.files import write_json
from kface.library.finding import find
from kface.user_folders import user_folder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LIBRARY = ROOT / "src" / "export" / "library"
HEADER = LIBRARY / "include" / "kface.h"


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="python -m export.windows",
        description="The C++ library as a Windows DLL: OpenCV's sources through pip, MinGW-w64, wine. Takes an hour once.",
    )
    made.add_argument(
        "--bundle", type=Path, help="a bundle to try it with (default: none; it is built and looked into only)"
    )
    made.add_argument(
        "--images", type=Path, help="a folder of images to compare on (default: the synthetic sample's faces)"
    )
    made.add_argument(
        "--library", type=Path, help="the library on Linux to compare with (default: that of `make library`)"
    )
    made.add_argument(
        "--opencv", type=Path, help="the prefix of a static OpenCV for MinGW-w64 (default: built in the cache)"
    )
    made.add_argument("--cache", type=Path, help="where OpenCV is built and kept (default: the user's cache)")
    made.add_argument("--out", type=Path, default=ROOT / "build" / "library-mingw", help="where the DLL is built")
    made.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that compile")
    made.add_argument(
        "--stop-after", choices=["configure", "opencv", "build"], default="", help="do the first steps only"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    try:
        build(arguments)
    except KFaceError as error:
        print(f"kisa-windows: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kisa-windows: stopped; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def build(arguments: argparse.Namespace) -> None:
    """Do all steps."""
    check_programs()
    if not HEADER.is_file():
        raise ConfigError("the library's sources are not here", "make kisa-windows", "run it in a checkout of kface")
    for given in (arguments.bundle, arguments.images, arguments.opencv):
        if given is not None and not given.is_dir():
            raise ConfigError("does not exist, or is not a folder", given)
    cache: Path = arguments.cache or user_folder("cache") / "windows"
    toolchain = LIBRARY / "cmake" / "mingw-toolchain.cmake"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as held:
        if not locks.lock(held.fileno(), wait=False):
            raise ConfigError("another build is at work here", cache, "wait for it")
        prefix = arguments.opencv
        if prefix is None:
            prefix = opencv.prepare(cache, toolchain, arguments.jobs, arguments.stop_after)
            print(f"OpenCV {opencv.VERSION}: {prefix}")
    if arguments.stop_after in ("configure", "opencv"):
        return
    out: Path = arguments.out.resolve()
    bundle = arguments.bundle.resolve() if arguments.bundle else None
    made = dll.build(LIBRARY, prefix, bundle, out, arguments.jobs, out / "logs")
    folders = [ROOT, cache.resolve(), prefix.resolve(), Path.home()]
    functions = dll.declared(HEADER)
    found = dll.contents(made, folders)
    dll.check(made, found, functions, ())
    definition = made.with_name(made.stem + ".def")
    dll.write_definition(made, found.exports, definition)
    print(f"{made}: {found.size / 1e6:.1f} MB, needs {', '.join(found.imports)}, exports the {len(found.exports)} functions"
          f" of kface.h; {definition.name} beside it")  # fmt: skip
    for adapter in sorted(out.glob("adapter/*.dll")):
        names = dll.defined(LIBRARY / "adapter" / "kisa.def")
        dll.check(adapter, dll.contents(adapter, folders), names, functions)
        print(f"{adapter}: exports {', '.join(names)}")
    if arguments.stop_after == "build":
        return
    variables = wine.start(cache)
    print(f"under wine: {wine.run_tests(out, variables, out / 'logs')}")
    if bundle is None:
        print("not compared with Linux: name a bundle (BUNDLE=DIR)")
        return
    compare(arguments, out, made, bundle, variables)


def compare(arguments: argparse.Namespace, out: Path, made: Path, bundle: Path, variables: Mapping[str, str]) -> None:
    """Run compare.c with both libraries on the same images, and report how far they agree."""
    library = Path(find(arguments.library))
    work, logs = out / "compare", out / "logs"
    work.mkdir(exist_ok=True)
    paths = images.prepare(work, arguments.images)
    linked = work / images.FOLDER / "묶음"
    linked.symlink_to(bundle, target_is_directory=True)
    programs = work / "compare", work / "compare.exe"
    source = [str(HERE / "compare.c"), "-O2", "-std=gnu11", "-I", str(HEADER.parent)]
    run(
        ["gcc", *source, str(library), f"-Wl,-rpath,{library.parent}", "-o", str(programs[0])],
        logs / "compare-linux.log",
    )
    run(
        ["x86_64-w64-mingw32-gcc-posix", *source, str(made), "-static", "-o", str(programs[1])],
        logs / "compare-mingw.log",
    )
    (work / made.name).unlink(missing_ok=True)
    os.link(made, work / made.name)
    results = []
    for name, seen in (("linux", os.path.abspath), ("windows", wine.windows_path)):
        listed, result = work / f"{name}.txt", work / f"{name}.bin"
        result.unlink(missing_ok=True)
        listed.write_text("\n".join(seen(path) for path in (linked, *paths)) + "\n", encoding="utf-8")
        if name == "linux":
            run([str(programs[0]), str(listed), str(result)], logs / "run-linux.log", what="on Linux")
        else:
            wine.run_program(programs[1], [seen(listed), seen(result)], variables, logs / "run-wine.log", "under wine")
        results.append(comparing.read(result))
    linux, windows = results
    agreement = comparing.compare(linux, windows)
    write_json(out / "report.json", {
        **agreement._asdict(), "bundle": bundle.name, "self_check": [linux.cosine, windows.cosine],
        "milliseconds": {"enrol": [linux.enrolment, windows.enrolment], "match": [linux.match, windows.match]},
    })  # fmt: skip
    print(
        f"{agreement.images} images in a Korean folder, {agreement.enrolled} enrolled by both, {agreement.statuses} with"
        f" another status\nlandmarks: at most {agreement.landmark:.4f} px apart; embeddings: cosine at least"
        f" {agreement.cosine:.8f}\nsimilarities: at most {agreement.similarity:.1e} apart,"
        f" {agreement.pairs_further:.2%} of the pairs by more than {comparing.SIMILARITY:g}; one by one and many at once:"
        f" {agreement.many:.1e}\nself check: {linux.cosine:.8f} on Linux, {windows.cosine:.8f} on Windows"
        f"\nms an enrolment: {linux.enrolment:.0f} on Linux, {windows.enrolment:.0f} under wine"
    )
    if not agreement.good:
        raise ModelError("the DLL and the library on Linux disagree", out / "report.json", "see the figures above")


if __name__ == "__main__":
    sys.exit(main())
