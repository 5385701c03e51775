"""MTCNN's networks in the compiled kernels against plain numpy, which is compared with the ONNX files on a runtime."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from native_tools import an_image
from tiny_bundle import models_or_skip

from kface.errors import ConfigError, ImageError, ModelError
from kface.mtcnn import native_weights, pyramid
from kface.native import loading
from kface.native.build import FLAGS, build
from kface.native.kernels import VARIANTS

EVERYTHING = -1e9


@pytest.fixture(scope="module")
def weights():
    folder = models_or_skip()
    return {
        name: native_weights.arrange(name, (folder / (name + ".onnx")).read_bytes())
        for name in ("pnet", "rnet", "onet")
    }


def some_boxes(count, seed=0):
    random = np.random.RandomState(seed)
    corner = random.uniform(-40, 150, (count, 2))
    return np.concatenate([corner, corner + random.uniform(4, 120, (count, 1))], axis=1)


@pytest.mark.parametrize("shape", [(12, 12), (13, 12), (12, 29), (40, 57), (111, 64)])
def test_plain_pnet_is_the_onnx_file(reference, weights, shape):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the second opinion")
    image = an_image(2 * shape[0], 2 * shape[1])
    session = onnxruntime.InferenceSession(str(models_or_skip() / "pnet.onnx"), providers=["CPUExecutionProvider"])
    level = reference.area_resize(image, *shape)
    offsets, logits = session.run(["offsets", "logits"], {"image": np.ascontiguousarray(level)[None]})
    places, found = reference.pnet(image, shape, weights["pnet"], EVERYTHING)
    assert places.tolist() == list(range(logits.size))
    np.testing.assert_allclose(found[:, 0], logits.ravel(), atol=3e-5)
    np.testing.assert_allclose(found[:, 1:], offsets[0].reshape(4, -1).T, atol=3e-6)


@pytest.mark.parametrize(("name", "size"), [("rnet", 24), ("onet", 48)])
def test_plain_rnet_and_onet_are_the_onnx_files(reference, weights, name, size):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the second opinion")
    image, boxes = an_image(120, 140), some_boxes(7)
    session = onnxruntime.InferenceSession(str(models_or_skip() / (name + ".onnx")), providers=["CPUExecutionProvider"])
    names = ["logits", "offsets"] + (["landmarks"] if name == "onet" else [])
    expected = np.concatenate(session.run(names, {"image": pyramid.crop_and_resize_each(image, boxes, size)}), axis=1)
    found = getattr(reference, name)(image, boxes, weights[name])
    assert found.shape == (7, 16)
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=3e-5)
    assert (found[:, expected.shape[1] :] == 0).all()


def test_every_variant_that_this_processor_has_is_tried(compiled, reference):
    assert compiled.variants()[:2] == ("auto", "base")
    assert reference.variants() == ("auto",)
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").is_file() else []
    if "avx2" in flags and "fma" in flags:
        assert "avx2" in compiled.variants()


@pytest.mark.parametrize("variant", VARIANTS)
def test_pnet_equals_plain_numpy(compiled, reference, weights, variant):
    if variant not in compiled.variants():
        with pytest.raises(ConfigError, match=variant + ": this processor cannot run it; choose one of: auto, base"):
            compiled.pnet(an_image(20, 20), (20, 20), weights["pnet"], 0.0, variant=variant)
        return
    random = np.random.RandomState(3)
    shapes = [(12, 12), (12, 13), (13, 12), (14, 200), (200, 15), (37, 38)]
    shapes += [tuple(int(side) for side in random.randint(12, 130, 2)) for _ in range(25)]
    for seed, (rows, columns) in enumerate(shapes):
        image = an_image(rows + int(random.randint(0, 90)), columns + int(random.randint(0, 90)), seed)
        expected = reference.pnet(image, (rows, columns), weights["pnet"], EVERYTHING)
        found = compiled.pnet(image, (rows, columns), weights["pnet"], EVERYTHING, variant=variant)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], atol=5e-5)


def test_strips_of_pnet_are_the_whole(compiled, weights):
    image = an_image(90, 120)
    places, found = compiled.pnet(image, (81, 77), weights["pnet"], EVERYTHING)
    parts = [
        compiled.pnet(image, (81, 77), weights["pnet"], EVERYTHING, rows)
        for rows in ((0, 3), (3, 6), (6, 18), (18, 18), (18, 36))
    ]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), places)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), found)
    for rows in ((1, 2), (2, 17), (34, 36)):
        some = compiled.pnet(image, (81, 77), weights["pnet"], EVERYTHING, rows)
        which = slice(rows[0] * 34, rows[1] * 34)
        np.testing.assert_array_equal(some[0], places[which])
        np.testing.assert_allclose(some[1], found[which], atol=3e-5)


def test_only_windows_above_the_logit_are_found(either, weights):
    image = an_image(70, 70)
    places, found = either.pnet(image, (70, 70), weights["pnet"], EVERYTHING)
    least = float(np.sort(found[:, 0])[-20])
    above, part = either.pnet(image, (70, 70), weights["pnet"], least)
    assert len(above) == 19
    np.testing.assert_array_equal(above, places[found[:, 0] > np.float32(least)])
    np.testing.assert_array_equal(part, found[found[:, 0] > np.float32(least)])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["rnet", "onet"])
def test_rnet_and_onet_equal_plain_numpy(compiled, reference, weights, name, variant):
    if variant not in compiled.variants():
        pytest.skip("another processor is installed here")
    image = an_image(120, 140)
    boxes = np.concatenate(
        [some_boxes(50), [[np.nan] * 4, [0, 0, np.inf, 9], [1e12] * 4, [30, 30, 30, 30], [9, 9, 2, 2]]]
    )
    for count in (0, 1, 2, 5, 27, 28, 29, len(boxes)):
        expected = getattr(reference, name)(image, boxes[:count], weights[name])
        found = getattr(compiled, name)(image, boxes[:count], weights[name], variant)
        assert found.shape == (count, 16)
        np.testing.assert_allclose(found, expected, atol=5e-5)


def test_images_may_be_views(compiled, weights):
    whole = an_image(80, 90)
    for view in (whole[5:70, 3:81], whole[..., ::-1], whole[::2], whole[:, ::-1]):
        solid, shape = np.array(view), (view.shape[0] - 3, view.shape[1] - 3)
        for one, other in zip(
            compiled.pnet(view, shape, weights["pnet"], EVERYTHING),
            compiled.pnet(solid, shape, weights["pnet"], EVERYTHING),
        ):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(
            compiled.onet(view, some_boxes(3), weights["onet"]), compiled.onet(solid, some_boxes(3), weights["onet"])
        )


def test_wrong_arguments_are_refused(either, weights):
    image, good = an_image(40, 50), weights["pnet"]
    for call, match in (
        (lambda: either.pnet(image, (11, 50), good, 0.0), "shape"),
        (lambda: either.pnet(image, (40, 51), good, 0.0), "shape"),
        (lambda: either.pnet(image, (40, 50), good[1:], 0.0), r"weights: must be \(19573,\)"),
        (lambda: either.pnet(image, (40, 50), good, 0.0, (0, 16)), "rows"),
        (lambda: either.pnet(image, (40, 50), good, 0.0, (5, 4)), "rows"),
        (lambda: either.pnet(image, (40, 50), good, 0.0, variant="sse9"), "sse9: unknown variant"),
        (lambda: either.rnet(image, [[0, 0, 1]], weights["rnet"]), "boxes"),
        (lambda: either.rnet(image, some_boxes(1), weights["onet"]), "weights"),
    ):
        with pytest.raises(ConfigError, match=match):
            call()
    with pytest.raises(ImageError, match="uint8"):
        either.onet(image.astype(np.float32), some_boxes(1), weights["onet"])


def test_another_file_is_not_a_network_of_the_cascade():
    folder = models_or_skip()
    for name, data in (
        ("onet", (folder / "rnet.onnx").read_bytes()),
        ("pnet", (folder / "rnet.onnx").read_bytes()),
        ("rnet", b"\x08\x08"),
        ("rnet", b"\xff\xff\xff"),
    ):
        with pytest.raises(ModelError, match="here: has not the constants of " + name):
            native_weights.arrange(name, data, "here")


#: Reads an image and weights, runs the kernels of the first variant ("base"), and writes what they return.
PROGRAM = r"""
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "kface_native.h"
template <typename T> std::vector<T> take(std::FILE *file, size_t count) {
    std::vector<T> values(count);
    if (std::fread(values.data(), sizeof(T), count, file) != count) std::exit(3);
    return values;
}
int main(int, char **names) {
    std::FILE *in = std::fopen(names[1], "rb"), *out = std::fopen(names[2], "wb");
    const std::vector<int32_t> sizes = take<int32_t>(in, 5);  // height, width, level's height and width, boxes
    const std::vector<uint8_t> image = take<uint8_t>(in, 3 * sizes[0] * sizes[1]);
    const std::vector<double> boxes = take<double>(in, 4 * sizes[4]);
    const std::vector<float> pnet = take<float>(in, KFACE_NATIVE_PNET_WEIGHTS);
    const std::vector<float> rnet = take<float>(in, KFACE_NATIVE_RNET_WEIGHTS);
    const std::vector<float> onet = take<float>(in, KFACE_NATIVE_ONET_WEIGHTS);
    const int height = sizes[0], width = sizes[1], rows = (sizes[2] - 1) / 2 - 4, columns = (sizes[3] - 1) / 2 - 4;
    std::vector<int32_t> places(rows * columns);
    std::vector<float> found(5 * rows * columns), outputs(16 * sizes[4]), planes(3 * sizes[2] * sizes[3]);
    std::vector<int64_t> stay(sizes[4]);
    int64_t count = 0;
    if (kface_native_pnet(image.data(), height, width, 3 * width, sizes[2], sizes[3], 0, rows, pnet.data(), pnet.size(), -1e9F,
                          places.data(), found.data(), rows * columns, &count, KFACE_NATIVE_BASE)) return 1;
    std::fwrite(found.data(), 4, found.size(), out);
    if (kface_native_rnet(image.data(), height, width, 3 * width, boxes.data(), sizes[4], rnet.data(), rnet.size(),
                          outputs.data(), KFACE_NATIVE_BASE)) return 1;
    std::fwrite(outputs.data(), 4, outputs.size(), out);
    if (kface_native_onet(image.data(), height, width, 3 * width, boxes.data(), sizes[4], onet.data(), onet.size(),
                          outputs.data(), KFACE_NATIVE_BASE)) return 1;
    std::fwrite(outputs.data(), 4, outputs.size(), out);
    if (kface_native_area_resize(image.data(), height, width, 3 * width, planes.data(), sizes[2], sizes[3])) return 1;
    std::fwrite(planes.data(), 4, planes.size(), out);
    if (kface_native_suppress(boxes.data(), sizes[4], .3, 0, stay.data(), &count)) return 1;
    for (int64_t index = 0; index < count; ++index) {
        const float value = static_cast<float>(stay[index]);
        std::fwrite(&value, 4, 1, out);
    }
    return std::fclose(out);
}
"""


@pytest.mark.slow
def test_arm_computes_the_same_under_qemu(reference, compiled, weights, tmp_path):
    """NEON, as on a Jetson: cross-compiled, and run by an emulator."""
    compiler, emulator = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
    if compiler is None or emulator is None:
        pytest.skip("there is no cross compiler or no emulator (apt-get install g++-aarch64-linux-gnu qemu-user)")
    image, boxes, shape = an_image(120, 140), some_boxes(30), (97, 110)
    (tmp_path / "program.cpp").write_text(PROGRAM)
    units = [str(path) for path in loading.sources() if path.suffix == ".cpp"]
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")] + [
        "-static",
        "-I",
        str(loading.HERE / "include"),
    ]
    subprocess.run(
        [compiler] + flags + [str(tmp_path / "program.cpp")] + units + ["-o", str(tmp_path / "program")], check=True
    )
    with open(str(tmp_path / "in"), "wb") as stream:
        stream.write(struct.pack("<5i", 120, 140, shape[0], shape[1], len(boxes)))
        for part in (image, boxes, weights["pnet"], weights["rnet"], weights["onet"]):
            stream.write(part.tobytes())
    subprocess.run([emulator, str(tmp_path / "program"), str(tmp_path / "in"), str(tmp_path / "out")], check=True)
    found = np.fromfile(str(tmp_path / "out"), "<f4")
    expected = [
        reference.pnet(image, shape, weights["pnet"], EVERYTHING)[1],
        reference.rnet(image, boxes, weights["rnet"]),
        reference.onet(image, boxes, weights["onet"]),
    ]
    for part in expected:
        values, found = found[: part.size], found[part.size :]
        np.testing.assert_allclose(values.reshape(part.shape), part, atol=5e-5)
    planes = compiled.area_resize(image, *shape)
    # The same bits on any machine.
    np.testing.assert_array_equal(found[: planes.size].reshape(planes.shape), planes)
    assert found[planes.size :].astype(int).tolist() == reference.suppress(boxes, 0.3).tolist()


@pytest.mark.slow
def test_another_compiler_makes_the_same(weights, compiled, tmp_path, monkeypatch):
    if shutil.which("clang++") is None:
        pytest.skip("there is no clang++ (apt-get install clang)")
    monkeypatch.setenv("CXX", "clang++")
    other = loading.CompiledKernels(os.fspath(build(tmp_path / "clang")))
    assert other.variants() == compiled.variants()
    image, boxes = an_image(120, 140), some_boxes(30)
    np.testing.assert_array_equal(other.area_resize(image, 67, 91), compiled.area_resize(image, 67, 91))
    np.testing.assert_array_equal(other.crop_and_resize(image, boxes, 24), compiled.crop_and_resize(image, boxes, 24))
    for variant in compiled.variants():
        np.testing.assert_allclose(
            other.pnet(image, (90, 80), weights["pnet"], EVERYTHING, variant=variant)[1],
            compiled.pnet(image, (90, 80), weights["pnet"], EVERYTHING, variant=variant)[1],
            atol=1e-5,
        )
        np.testing.assert_allclose(
            other.onet(image, boxes, weights["onet"], variant),
            compiled.onet(image, boxes, weights["onet"], variant),
            atol=1e-5,
        )
