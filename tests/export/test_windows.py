"""The Windows build's own parts: what it fetches, what it refuses in a DLL, and how it compares two libraries."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from export.windows import __main__ as command
from export.windows import comparing, dll, images, opencv, running, wine
from kface.errors import ConfigError, KFaceError, ModelError

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "src" / "export" / "library" / "include" / "kface.h"
#: As objdump prints it, in its older and its newer form.
OBJDUMP = """
\tDLL Name: KERNEL32.dll
\tvma:  Hint/Ord Member-Name Bound-To
\t1f52c\t  285  DeleteCriticalSection

\tDLL Name: msvcrt.dll
\tvma:  Hint/Ord Member-Name Bound-To

Export Address Table -- Ordinal Base 1
\t[   0] +base[   1] 1370 Export RVA

[Ordinal/Name Pointer] Table
{}

PE File Base Relocations
\t[   7] kface_not_one
"""
OLD, NEW = "\t[{:4}] {}", "\t[{:4}] +base[{:4}]  00{:02x} {}"


def test_the_functions_of_the_header():
    found = dll.declared(HEADER)
    assert {"kface_open", "kface_close", "kface_match_many", "kface_template_embedding", "kface_version"} <= set(found)
    assert all(name.startswith("kface_") for name in found)
    # Types and functions that are only spoken of are none.
    assert not {"kface_handle", "kface_status", "kface_image", "kface_face"} & set(found)
    exported = (ROOT / "src" / "export" / "library" / "cmake" / "exports.map").read_text()
    assert set(found) == {word.strip(" ;") for word in exported.replace(";", " ").split() if word.startswith("kface_")}


@pytest.mark.parametrize("newer", [False, True])
def test_a_dll_is_looked_into(monkeypatch, tmp_path, newer):
    names = dll.declared(HEADER)
    rows = [NEW.format(i, i + 1, i, name) if newer else OLD.format(i, name) for i, name in enumerate(names)]
    monkeypatch.setattr(dll, "output_of", lambda command: OBJDUMP.format("\n".join(rows)))
    made = tmp_path / "kface.dll"
    made.write_bytes(b"MZ" + bytes(100))
    found = dll.contents(made, [tmp_path])
    assert found == dll.Contents(102, ("kernel32.dll", "msvcrt.dll"), names, ())
    dll.check(made, found, names, ())
    made.write_bytes(b"MZ in " + str(tmp_path).encode() + b"/x.cpp")
    with pytest.raises(ModelError, match="names folders of this machine"):
        dll.check(made, dll.contents(made, [tmp_path]), names, ())


def test_what_a_dll_must_not_be():
    good = dll.Contents(1, ("kernel32.dll", "msvcrt.dll"), dll.declared(HEADER), ())
    for changed, message in (
        (good._replace(imports=("kernel32.dll", "libstdc++-6.dll")), "needs libstdc"),
        (good._replace(exports=(*good.exports, "cv_imread")), r"exports \['cv_imread'\], which it should not"),
        (good._replace(exports=good.exports[1:]), "lacks"),
        (good._replace(exports=()), "lacks"),
    ):
        with pytest.raises(ModelError, match=message):
            dll.check(Path("kface.dll"), changed, good.exports, ())
    # An adapter has names of its own, and may have those of kface.h.
    dll.check(Path("kisa.dll"), good._replace(exports=("KISA_Init", "kface_open")), ["KISA_Init"], good.exports)
    with pytest.raises(ModelError, match=r"lacks \['KISA_Init'\]"):
        dll.check(Path("kisa.dll"), good, ["KISA_Init"], good.exports)


def test_the_definition_file(tmp_path):
    dll.write_definition(tmp_path / "libkface.dll", ["kface_close", "kface_open"], tmp_path / "kface.def")
    text = (tmp_path / "kface.def").read_bytes()
    assert dll.defined(tmp_path / "kface.def") == ("kface_close", "kface_open")
    assert text == b"LIBRARY libkface.dll\r\nEXPORTS\r\n    kface_close\r\n    kface_open\r\n"


def test_a_program_that_fails_is_quoted(tmp_path):
    log = tmp_path / "logs" / "x.log"
    code = "print('one'); print('x.cpp:3: error: no such thing'); print('ninja: stopped'); raise SystemExit(3)"
    with pytest.raises(KFaceError, match=r"ended with status 3: x\.cpp:3: error: no such thing; the log is"):
        running.run([sys.executable, "-c", code], log)
    assert log.read_text().splitlines() == ["one", "x.cpp:3: error: no such thing", "ninja: stopped"]
    with pytest.raises(KFaceError, match="cannot be run"):
        running.run([str(tmp_path / "absent")], log)


def test_progress_counts_a_builds_steps(tmp_path, monkeypatch):
    made = []

    class Recorded(running.Progress):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(running, "Progress", Recorded)
    running.run(
        [sys.executable, "-c", "print('[1/20] a'); print('[7/20] b'); print('c')"], tmp_path / "log", what="building"
    )
    assert [(each.done, each.total) for each in made] == [(7, 20)]


def test_programs_that_are_absent_are_all_named(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert command.main([]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert all(name in printed for name in running.PROGRAMS)
    assert "scripts/system-packages windows" in printed


def archive(path, names):
    """Write an archive with such members, each holding its own name."""
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return path


def test_only_opencv_is_unpacked(tmp_path):
    top = f"{opencv.PACKAGE}-{opencv.VERSION}"
    made = archive(tmp_path / "a.tar.gz", [f"{top}/setup.py", f"{top}/opencv/CMakeLists.txt", f"{top}/opencv/a/b.h"])
    folder = opencv.unpack(made, tmp_path / "cache")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "CMakeLists.txt",
        "a/b.h",
    ]
    assert opencv.unpack(tmp_path / "gone.tar.gz", tmp_path / "cache") == folder


@pytest.mark.parametrize("names", [[], ["other/opencv/x"], ["{top}/opencv/../../../../escaped"]])
def test_other_archives_are_refused(tmp_path, names):
    top = f"{opencv.PACKAGE}-{opencv.VERSION}"
    made = archive(tmp_path / "a.tar.gz", [name.format(top=top) for name in names])
    with pytest.raises(KFaceError, match=r"a\.tar\.gz"):
        opencv.unpack(made, tmp_path / "cache")
    assert not (tmp_path / "escaped").exists()
    made.write_bytes(b"\x1f\x8b not a tar")
    with pytest.raises(KFaceError, match="cannot be unpacked"):
        opencv.unpack(made, tmp_path / "cache")


def test_what_was_fetched_is_not_fetched_again(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("pip was called")

    monkeypatch.setattr(opencv, "run", refuse)
    kept = tmp_path / "source" / opencv.ARCHIVE
    kept.parent.mkdir()
    kept.write_bytes(b"sources")
    monkeypatch.setattr(opencv, "SHA256", opencv.sha256_file(kept))
    assert opencv.fetch(tmp_path) == kept
    kept.write_bytes(b"other sources")
    with pytest.raises(AssertionError, match="pip was called"):
        opencv.fetch(tmp_path)


def test_another_file_from_pip_is_refused(tmp_path, monkeypatch):
    commands = []

    def download(command, log, **_):
        commands.append(command)
        target = tmp_path / "source" / opencv.ARCHIVE
        (tmp_path / "pip").mkdir(exist_ok=True)
        if "download" in command:
            target.write_bytes(b"something else")

    monkeypatch.setattr(opencv, "run", download)
    with pytest.raises(ModelError, match=f"not {opencv.SHA256}"):
        opencv.fetch(tmp_path)
    assert "--require-hashes" in commands[-1]
    assert opencv.SHA256 in (tmp_path / "source" / "requirement.txt").read_text()


def test_everything_that_opencv_could_use_is_off(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        'OCV_OPTION(WITH_CUDA "x" ON)\nOCV_OPTION(WITH_IPP "y" ON)\nOCV_OPTION(BUILD_X "z" ON)'
    )
    found = opencv.options(tmp_path, Path("t.cmake"), Path("prefix"))
    assert found[:2] == ["-DWITH_CUDA=OFF", "-DWITH_IPP=OFF"]
    # What is wanted after all comes later, and the last word counts.
    assert found.index("-DWITH_JPEG=ON") > 1
    assert f"-DCMAKE_CXX_FLAGS=-ffile-prefix-map={tmp_path}=opencv -ffile-prefix-map=build=build" in found


def test_a_configured_build_forgets_where_it_is(tmp_path):
    (tmp_path / "modules" / "core").mkdir(parents=True)
    (tmp_path / "modules" / "core" / "version_string.inc").write_text(f'"built in {tmp_path}\\n"')
    data = tmp_path / "opencv_data_config.hpp"
    data.write_text(
        f'#define OPENCV_INSTALL_PREFIX "{tmp_path}/p"\n#define OPENCV_BUILD_DIR "{tmp_path}"\n#define OTHER "x"\n'
    )
    opencv.hide_paths(tmp_path)
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) == 2
    assert not any(str(tmp_path) in text for text in texts)
    assert (
        data.read_text()
        == '#define OPENCV_INSTALL_PREFIX "opencv"\n#define OPENCV_BUILD_DIR "opencv"\n#define OTHER "x"\n'
    )


def test_a_prefix_without_opencv_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"has no OpenCVConfig\.cmake"):
        opencv.config_folder(tmp_path)
    for folder in ("x64/mingw/staticlib", "."):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "OpenCVConfig.cmake").touch()
    assert opencv.config_folder(tmp_path) == tmp_path
    assert opencv.codecs(tmp_path) == []


def test_paths_under_wine(tmp_path):
    assert wine.windows_path(Path("/a/얼굴/b.png")) == "Z:/a/얼굴/b.png"
    variables = wine.environment(tmp_path)
    assert (variables["WINEPREFIX"], variables["LC_ALL"]) == (str(tmp_path / "wine"), "C.UTF-8")


def test_images_for_the_comparison(tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    for name in ("b.jpg", "a.PNG", "c.txt"):
        (given / name).write_bytes(name.encode())
    found = images.prepare(tmp_path / "out", given)
    assert [path.read_bytes() for path in found[:-2]] == [b"a.PNG", b"b.jpg"]
    assert all(path.parent.name == images.FOLDER for path in found)
    assert [path.suffix for path in found[:2]] == [".PNG", ".jpg"]
    with pytest.raises(ConfigError, match="has no images"):
        images.prepare(tmp_path / "out", tmp_path / "out" / "nothing")


@pytest.fixture(scope="module")
def run_compare(tmp_path_factory):
    """Return a function that runs compare.c with the wrapper tests' arithmetic library on images of given first bytes."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("compare")
    fake = ROOT / "tests" / "kface" / "library" / "fake_kface.c"
    flags = ["-I", str(HEADER.parent), "-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        [compiler, *flags, "-shared", "-fPIC", str(fake), "-o", str(folder / "libkface.so"), "-lm"], check=True
    )
    source = Path(command.HERE) / "compare.c"
    program = folder / "compare"
    linked = [str(folder / "libkface.so"), f"-Wl,-rpath,{folder}"]
    subprocess.run([compiler, *flags, "-std=gnu11", str(source), *linked, "-o", str(program)], check=True)
    (folder / "묶음").mkdir()
    (folder / "묶음" / "model").write_text("5")

    def run(*contents):
        lines = [str(folder / "묶음")]
        for number, content in enumerate(contents):
            path = folder / f"얼굴 {number}"
            path.write_bytes(content)
            lines.append(str(path))
        (folder / "list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        subprocess.run([str(program), str(folder / "list"), str(folder / "out")], check=True)
        return folder / "out"

    run.program = program
    return run


CONTENTS = (b"\x01ab", b"\x05\x02\x90", b"\x70\x01\x03", b"\x00no", b"status-2  not an image")


def test_what_two_libraries_said_is_compared(run_compare):
    first = comparing.read(run_compare(*CONTENTS))
    assert first.status.tolist() == [0, 0, 0, 1, -2]
    assert first.cosine == pytest.approx(0.9999)
    assert (first.embeddings.shape, first.landmarks.shape) == ((5, 4), (5, 5, 2))
    np.testing.assert_allclose(first.matches[:3, :3], first.embeddings[:3] @ first.embeddings[:3].T, atol=1e-6)
    assert (first.matches[3:] == -1).all()
    same = comparing.compare(first, first)
    assert same == (5, 3, 0, 0.0, 0.0, pytest.approx(1, abs=1e-6), 0.0, 0.0, pytest.approx(0, abs=1e-6))
    assert same.good


def test_disagreements_are_seen(run_compare):
    first = comparing.read(run_compare(*CONTENTS))
    other = comparing.read(run_compare(CONTENTS[0], b"\x05\x03\x90", *CONTENTS[2:]))
    assert comparing.compare(first, other).similarity > 1e-4
    assert not comparing.compare(first, other).good
    failed = comparing.read(run_compare(CONTENTS[0], b"\x00\x02\x90", *CONTENTS[2:]))
    assert comparing.compare(first, failed).statuses == 1
    assert not comparing.compare(first, failed).good
    moved = first._replace(landmarks=first.landmarks + np.float32(0.1))
    assert comparing.compare(first, moved).further == 1
    assert not comparing.compare(first, moved).good
    # A pair of many may lie a little apart, but not far.
    for size, count, good in ((5e-4, 1, True), (5e-4, 40, False), (2e-3, 1, False)):
        matches = np.zeros((20, 20))
        some = first._replace(
            status=np.zeros(20, np.int32), landmarks=np.zeros((20, 5, 2)), embeddings=np.zeros((20, 4)), matches=matches,
            many=matches.astype(np.float32),
        )  # fmt: skip
        changed = matches.copy()
        changed.flat[:count] = size
        assert comparing.compare(some, some._replace(matches=changed, many=changed.astype(np.float32))).good is good
    # Both fail everywhere: that is no agreement.
    nothing = comparing.read(run_compare(b"\x00", b"\x00"))
    assert not comparing.compare(nothing, nothing).good
    with pytest.raises(ModelError, match="cannot be compared"):
        comparing.compare(first, nothing)


def test_a_truncated_result_is_refused(run_compare):
    path = run_compare(*CONTENTS)
    data = path.read_bytes()
    for wrong in (data[:-1], data[:20], b"", b"x" + data[1:]):
        path.write_bytes(wrong)
        with pytest.raises(ModelError):
            comparing.read(path)


def test_the_program_says_what_is_wrong(run_compare, tmp_path):
    (tmp_path / "list").write_text("nowhere\nimage\n")
    done = subprocess.run(
        [str(run_compare.program), str(tmp_path / "list"), os.devnull], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "kface_open: nowhere: is not a bundle; give one that kface export wrote\n"
