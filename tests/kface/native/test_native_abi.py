"""The C interface itself: NULL, sizes out of range, memory beyond the arrays; and which symbols are its own."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

from kface.native import loading
from kface.native.build import FLAGS, find_compiler
from kface.native.compiled import ABI

NULL, RANGE, MEMORY = -1, -2, -3
BIG = 1 << 40


@pytest.fixture(scope="module")
def library(compiled_and_path):
    return ctypes.CDLL(str(compiled_and_path[1]))


def at(array):
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def wide(number):
    return ctypes.c_int64(number)


def test_the_versions_are_one(library):
    header = (loading.HERE / "include" / "kface_native.h").read_text()
    assert library.kface_native_abi() == ABI == int(re.search(r"#define KFACE_NATIVE_ABI (\d+)", header).group(1))


def test_area_resize_refuses(library):
    image, out = np.zeros((4, 5, 3), np.uint8), np.zeros((3, 4, 5), np.float32)

    def call(pixels=image, height=4, width=5, stride=15, planes=out, rows=2, columns=2):
        return library.kface_native_area_resize(at(pixels), height, width, wide(stride), at(planes), rows, columns)

    assert call() == 0
    assert call(pixels=None) == call(planes=None) == NULL
    for wrong in (
        {"height": 0}, {"height": -4}, {"width": 0}, {"width": (1 << 20) + 1, "stride": BIG}, {"height": (1 << 20) + 1},
        {"stride": 14}, {"stride": 0}, {"stride": -15}, {"stride": BIG + 1}, {"rows": 5}, {"columns": 6}, {"rows": 0},
        {"columns": -1},
    ):  # fmt: skip
        assert call(**wrong) == RANGE, wrong


def test_crop_and_resize_refuses(library):
    image, boxes, out = np.zeros((4, 5, 3), np.uint8), np.zeros((2, 4)), np.zeros((2, 3, 6, 6), np.float32)

    def call(pixels=image, height=4, width=5, stride=15, some=boxes, count=2, size=6, planes=out):
        return library.kface_native_crop_and_resize(
            at(pixels), height, width, wide(stride), at(some), wide(count), size, at(planes)
        )

    assert call() == 0
    assert call(pixels=None) == call(some=None) == call(planes=None) == NULL
    assert call(some=None, planes=None, count=0) == 0
    for wrong in (
        {"count": -1},
        {"count": BIG},
        {"size": 1},
        {"size": 4097},
        {"size": -6},
        {"stride": 3},
        {"width": -1},
    ):
        assert call(**wrong) == RANGE, wrong


def test_suppress_refuses(library):
    boxes, stay, count = np.zeros((3, 4)), np.zeros((3,), np.int64), ctypes.c_int64(-7)
    its_address = ctypes.byref(count)

    def call(some=boxes, number=3, threshold=0.5, out=stay, stayed=its_address):
        return library.kface_native_suppress(at(some), wide(number), ctypes.c_double(threshold), 0, at(out), stayed)

    assert (call(), count.value) == (0, 3)
    assert call(some=None) == call(out=None) == call(stayed=None) == NULL
    assert (call(some=None, out=None, number=0), count.value) == (0, 0)
    assert call(number=-1) == call(number=BIG) == call(threshold=float("nan")) == RANGE


def test_similarity_refuses(library):
    rows, out = np.ones((3, 4), np.float32), np.zeros((3, 3))
    for function in (library.kface_native_dot, library.kface_native_cosine):
        assert function(at(rows), at(rows), 4, at(out)) == 0
        assert function(None, at(rows), 4, at(out)) == NULL
        assert function(at(rows), None, 4, at(out)) == NULL
        assert function(at(rows), at(rows), 4, None) == NULL
        for length in (0, -1, (1 << 20) + 1):
            assert function(at(rows), at(rows), length, at(out)) == RANGE
    cosines = library.kface_native_cosines
    assert cosines(at(rows), wide(3), at(rows), wide(3), 4, at(out)) == 0
    assert cosines(None, wide(3), at(rows), wide(3), 4, at(out)) == NULL
    assert cosines(at(rows), wide(3), None, wide(3), 4, at(out)) == NULL
    assert cosines(at(rows), wide(3), at(rows), wide(3), 4, None) == NULL
    assert cosines(None, wide(0), at(rows), wide(3), 4, None) == 0
    assert cosines(at(rows), wide(-1), at(rows), wide(3), 4, at(out)) == RANGE
    assert cosines(at(rows), wide(3), at(rows), wide(BIG), 4, at(out)) == RANGE
    assert cosines(at(rows), wide(3), at(rows), wide(3), 0, at(out)) == RANGE


def test_the_dot_product_is_summed_in_double_precision(library):
    first, second = np.array([1e7, 1, -1e7], np.float32), np.array([1e7, 1, 1e7], np.float32)
    found = ctypes.c_double()
    assert library.kface_native_dot(at(first), at(second), 3, ctypes.byref(found)) == 0
    # In floats the 1 is lost.
    assert found.value == 1


def test_nothing_but_the_interface_is_exported(compiled_and_path):
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("there is no nm (apt-get install binutils)")
    printed = subprocess.run(
        [nm, "-D", "--defined-only", str(compiled_and_path[1])], stdout=subprocess.PIPE, check=True
    )
    exported = {line.split()[-1] for line in printed.stdout.decode().splitlines()}
    declared = set(re.findall(r"\b(kface_native_\w+)\(", (loading.HERE / "include" / "kface_native.h").read_text()))
    assert exported - {"_init", "_fini", "_edata", "_end", "__bss_start"} == declared
    assert b"/src/" not in compiled_and_path[1].read_bytes()


DRIVER = r"""
#include <cstdio>
#include <cstdlib>
#include <cmath>
#include <vector>
#include "kface_native.h"
// Arrays of exactly the size that the header asks for: what reads or writes beyond them is seen by the sanitizers.
static double uniform(double low, double high) { return low + (high - low) * std::rand() / RAND_MAX; }
int main() {
    std::srand(1);
    for (int turn = 0; turn < 400; ++turn) {
        const int height = 1 + std::rand() % 40, width = 1 + std::rand() % 40, pad = std::rand() % 3;
        const int stride = 3 * width + pad, rows = 1 + std::rand() % height, columns = 1 + std::rand() % width;
        std::vector<uint8_t> pixels(static_cast<size_t>(height - 1) * stride + 3 * width);
        for (auto &pixel : pixels) pixel = static_cast<uint8_t>(std::rand());
        std::vector<float> planes(3 * rows * columns);
        if (kface_native_area_resize(pixels.data(), height, width, stride, planes.data(), rows, columns)) return 1;
        for (float value : planes) if (!(std::fabs(value) <= 1.01F)) return 2;
        const int count = std::rand() % 80, size = 2 + std::rand() % 9;
        std::vector<double> boxes(4 * count);
        for (auto &corner : boxes) corner = std::rand() % 40 ? uniform(-60, 100) : std::rand() % 2 ? NAN : 1e300;
        std::vector<float> crops(3 * size * size * count);
        if (kface_native_crop_and_resize(pixels.data(), height, width, stride, boxes.data(), count, size, crops.data()))
            return 3;
        for (float value : crops) if (!(std::fabs(value) <= 1.0F)) return 4;
        std::vector<int64_t> stay(count);
        int64_t stayed = -1;
        if (kface_native_suppress(boxes.data(), count, .5, turn % 2, stay.data(), &stayed)) return 5;
        if (stayed < 0 || stayed > count) return 6;
        const int length = 1 + std::rand() % 20, first = std::rand() % 12, second = std::rand() % 90;
        std::vector<float> a(first * length), b(second * length);
        for (auto &value : a) value = static_cast<float>(uniform(-1, 1));
        for (auto &value : b) value = static_cast<float>(uniform(-1, 1));
        std::vector<double> cosines(first * second);
        if (kface_native_cosines(a.data(), first, b.data(), second, length, cosines.data())) return 7;
    }
    // The networks of every variant, with weights of exactly their sizes.
    std::vector<float> pnet(KFACE_NATIVE_PNET_WEIGHTS), rnet(KFACE_NATIVE_RNET_WEIGHTS), onet(KFACE_NATIVE_ONET_WEIGHTS);
    for (auto *weights : {&pnet, &rnet, &onet})
        for (auto &value : *weights) value = static_cast<float>(uniform(-.1, .1));
    for (int variant = KFACE_NATIVE_AUTO; variant <= kface_native_variant(); ++variant)
        for (int turn = 0; turn < 12; ++turn) {
            const int rows = 12 + std::rand() % 40, columns = 12 + std::rand() % 60;
            const int height = rows + std::rand() % 30, width = columns + std::rand() % 30;
            std::vector<uint8_t> pixels(3 * height * width);
            for (auto &pixel : pixels) pixel = static_cast<uint8_t>(std::rand());
            const int most = (rows - 1) / 2 - 4, wide = (columns - 1) / 2 - 4, end = 1 + std::rand() % most;
            const int begin = std::rand() % end, room = (end - begin) * wide;
            std::vector<int32_t> places(room);
            std::vector<float> found(5 * room);
            int64_t count = -1;
            if (kface_native_pnet(pixels.data(), height, width, 3 * width, rows, columns, begin, end, pnet.data(), pnet.size(),
                                  -1e9F, places.data(), found.data(), room, &count, variant)) return 8;
            if (count != room) return 9;
            const int some = std::rand() % 30;
            std::vector<double> boxes(4 * some);
            for (auto &corner : boxes) corner = std::rand() % 40 ? uniform(-60, 100) : std::rand() % 2 ? NAN : 1e300;
            std::vector<float> outputs(16 * some);
            if (kface_native_rnet(pixels.data(), height, width, 3 * width, boxes.data(), some, rnet.data(), rnet.size(),
                                  outputs.data(), variant)) return 10;
            if (kface_native_onet(pixels.data(), height, width, 3 * width, boxes.data(), some, onet.data(), onet.size(),
                                  outputs.data(), variant)) return 11;
        }
    std::puts("done");
    return 0;
}
"""


def test_sanitizers_find_nothing(tmp_path):
    compiler = find_compiler()
    if compiler is None:
        pytest.skip("there is no C++ compiler (apt-get install g++)")
    (tmp_path / "driver.cpp").write_text(DRIVER)
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC", "-O3", "-DKFACE_NATIVE_SHARED")]
    sanitizers = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    units = [str(path) for path in loading.sources() if path.suffix == ".cpp"]
    command = (
        [compiler] + flags + sanitizers + ["-I", str(loading.HERE / "include"), str(tmp_path / "driver.cpp")] + units
    )
    made = subprocess.run(command + ["-o", str(tmp_path / "driver")], stderr=subprocess.PIPE)
    if made.returncode and b"san" in made.stderr and b"cannot find" in made.stderr:
        pytest.skip("the sanitizers' libraries are not here (apt-get install libasan8 libubsan1)")
    assert made.returncode == 0, made.stderr.decode()
    done = subprocess.run([str(tmp_path / "driver")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr.decode()[-2000:]
