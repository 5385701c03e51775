"""Building engines and keeping them, on every generation of TensorRT's Python API."""

import json
import logging
import shutil
import threading

import numpy as np
import pytest
from trt_fakes import with_note

from kface.errors import ConfigError, KFaceError, ModelError
from kface.files import sha256_file
from kface.tensorrt import Calibrator, build_engine, get_engine
from kface.tensorrt import builder as builder_module

RNET = {"image": ((1, 3, 24, 24), (4, 3, 24, 24), (16, 3, 24, 24))}


def engine_header(path):
    return json.loads(path.read_bytes().partition(b"\0")[0].decode())


def refused(kind, match, call, *arguments, **settings):
    with pytest.raises(kind, match=match) as caught:
        call(*arguments, **settings)
    assert "\n" not in str(caught.value)


def test_an_engine_and_its_sidecar(board, models, tmp_path):
    out = tmp_path / "rnet.engine"
    told = build_engine(models / "rnet.onnx", out, "fp32", RNET)
    assert json.loads((tmp_path / "rnet.engine.json").read_text()) == told
    assert told["sha256"] == sha256_file(out)
    assert told["onnx"] == sha256_file(models / "rnet.onnx")
    assert (told["tensorrt"], told["gpu"]) == (board.trt.__version__, "NVIDIA Tegra X1 sm_53")
    header = engine_header(out)
    assert header["profiles"] == {"image": [list(size) for size in RNET["image"]]}
    assert header["half"] is False
    assert board.gpu.blocks == {}


def test_half_precision(board, models, tmp_path):
    if board.trt.__version__ == "11.4.0":
        pytest.importorskip("onnx", reason="a strongly typed network is converted by onnx")
    out = tmp_path / "rnet.engine"
    build_engine(models / "rnet.onnx", out, "fp16", RNET)
    assert engine_header(out)["half"] is True
    # Only a strongly typed TensorRT is given another file.
    assert (b"Cast" in out.read_bytes()) is (board.trt.__version__ == "11.4.0")


def test_a_file_that_is_half_already_is_taken_as_it_is(bare, tmp_path, models, monkeypatch):
    bare.fit("11.4.0")
    path = tmp_path / "rnet.onnx"
    path.write_bytes(with_note((models / "rnet.onnx").read_bytes(), "Cast"))
    monkeypatch.setattr(builder_module.half, "to_half", lambda *_: pytest.fail("converted twice"))
    build_engine(path, tmp_path / "rnet.engine", "fp16", RNET)


def test_half_precision_without_a_converter(bare, models, tmp_path, monkeypatch):
    bare.fit("11.4.0")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    refused(ModelError, "onnxconverter-common", build_engine, models / "rnet.onnx", tmp_path / "e", "fp16", RNET)
    build_engine(models / "rnet.onnx", tmp_path / "e", "fp32", RNET)


def test_sizes_that_are_one_make_a_fixed_engine(board, models, tmp_path):
    size = (1, 3, 60, 90)
    out = tmp_path / "pnet.engine"
    build_engine(models / "pnet.onnx", out, "fp32", {"image": (size,) * 3})
    assert engine_header(out)["inputs"] == {"image": list(size)}


@pytest.mark.parametrize(
    ("network", "profiles", "match"),
    [
        ("rnet", None, "input image of varying sizes .* give a profile"),
        ("pnet", "by side", "pnet.onnx: has an input image of varying sizes"),
        ("rnet", {"image": RNET["image"], "mask": RNET["image"]}, "no input mask; its inputs are: image"),
        ("rnet", {"image": RNET["image"][::-1]}, "sizes are not in ascending order"),
        ("rnet", {"image": ((1, 3, 12, 12),) * 3}, "does not fit"),
        ("rnet", {"image": ((1, 3, 24),) * 3}, "does not fit"),
    ],
)
def test_profiles_that_do_not_fit(board, models, tmp_path, network, profiles, match):
    path = models / (network + ".onnx")
    refused(ModelError, match, build_engine, path, tmp_path / "x.engine", "fp32", profiles)
    assert list(tmp_path.glob("x.engine*")) == []


def test_the_houses_batches(board, models):
    for name, usual, most in (("rnet", 8, 64), ("onet", 4, 32)):
        sizes = engine_header(get_engine(models / (name + ".onnx"), precision="fp32"))["profiles"]["image"]
        assert [size[0] for size in sizes] == [1, usual, most]
    assert builder_module.by_side("image", (-1, 3, 112, 112), "")[2] == (8, 3, 112, 112)


def test_what_tensorrt_refuses_is_one_line(board, models, tmp_path):
    damaged = tmp_path / "rnet.onnx"
    damaged.write_bytes(b"not a network")
    refused(ModelError, "rnet.onnx: is not a readable network", build_engine, damaged, tmp_path / "e", "fp32", RNET)

    # A message that is whole, and holds no graph.
    damaged.write_bytes(b"\x08\x07")
    node = "node dense/MatMul, MatMul" if int(board.trt.__version__.split(".")[0]) >= 10 else "node 3"
    match = r"rnet.onnx: cannot be read by TensorRT .*Assertion failed.*; {}\)".format(node)
    refused(ModelError, match, build_engine, damaged, tmp_path / "e", "fp32", RNET)

    damaged.write_bytes(with_note((models / "rnet.onnx").read_bytes(), "HUNGRY"))
    refused(
        ModelError,
        r"cannot be built into an engine \(\[builder\] Could not",
        build_engine,
        damaged,
        tmp_path / "e",
        "fp32",
        RNET,
    )
    build_engine(damaged, tmp_path / "e", "fp32", RNET, workspace_mib=512)
    refused(ModelError, "cannot be read", build_engine, tmp_path / "absent.onnx", tmp_path / "e", "fp32", RNET)


def test_settings_that_do_not_exist(board, models, tmp_path):
    refused(ConfigError, "fp32, fp16, int8", build_engine, models / "rnet.onnx", tmp_path / "e", "fp8", RNET)
    refused(ConfigError, "workspace_mib", get_engine, models / "rnet.onnx", workspace_mib=0)


def test_warnings_go_where_they_are_wanted(board, models, tmp_path, caplog):
    def warn(self, network, config, build=board.trt.Builder.build_serialized_network):
        self._logger.log(board.trt.Logger.WARNING, "weights were cut")
        return build(self, network, config)

    board.trt.Builder.build_serialized_network = warn
    with caplog.at_level(logging.WARNING, "there"):
        build_engine(models / "rnet.onnx", tmp_path / "e", "fp32", RNET, logger=logging.getLogger("there"))
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("there", "weights were cut")]


def test_an_engine_is_built_once(board, models, tmp_path):
    path = get_engine(models / "rnet.onnx", precision="fp32")
    assert path.parent == tmp_path / "engines"
    before = path.stat().st_mtime_ns
    assert get_engine(models / "rnet.onnx", sha256_file(models / "rnet.onnx"), "fp32") == path
    assert path.stat().st_mtime_ns == before
    assert board.trt.builds == 1


def test_what_makes_another_engine(bare, models, tmp_path):
    bare.fit("8.6.1")
    copy = tmp_path / "rnet.onnx"
    shutil.copy(str(models / "rnet.onnx"), str(copy))
    paths = [get_engine(copy, precision="fp32"), get_engine(copy, precision="fp16")]
    paths.append(get_engine(copy, precision="fp32", profiles=RNET))
    copy.write_bytes(with_note(copy.read_bytes(), "another"))
    paths.append(get_engine(copy, precision="fp32"))
    assert bare.trt.builds == 4
    for version, gpu in (("8.6.1", "NVIDIA Orin"), ("10.7.0", "NVIDIA Tegra X1")):
        bare.fit(version, gpu)
        paths.append(get_engine(copy, precision="fp32"))
        assert bare.trt.builds == 1
    assert len(set(paths)) == 6
    # The first board's engines are still good for it.
    bare.fit("8.6.1")
    assert get_engine(copy, precision="fp32") == paths[3]
    assert bare.trt.builds == 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.unlink(), lambda path: path.write_bytes(b"{}")])
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_a_damaged_engine_is_built_again(bare, models, damage, suffix):
    bare.fit("8.6.1")
    path = get_engine(models / "rnet.onnx", precision="fp32")
    good = path.read_bytes()
    damage(path.with_name(path.name + suffix))
    assert get_engine(models / "rnet.onnx", precision="fp32") == path
    assert bare.trt.builds == 2
    assert path.read_bytes() == good


def test_another_engine_in_its_place_is_built_again(bare, models):
    bare.fit("8.6.1")
    one, other = (get_engine(models / name, precision="fp32") for name in ("rnet.onnx", "onet.onnx"))
    for suffix in ("", ".json"):
        shutil.copy(str(other) + suffix, str(one) + suffix)
    get_engine(models / "rnet.onnx", precision="fp32")
    assert bare.trt.builds == 3
    assert engine_header(one)["inputs"]["image"][2:] == [24, 24]


def test_a_file_with_another_hash_is_not_built(bare, models):
    bare.fit("8.6.1")
    refused(ModelError, "SHA-256 differs", get_engine, models / "rnet.onnx", "0" * 64)
    assert bare.trt.builds == 0


def test_two_builders_build_one_engine(bare, models):
    bare.fit("8.6.1")
    found = []
    second = threading.Thread(target=lambda: found.append(get_engine(models / "rnet.onnx", precision="fp32")))

    def slow(self, network, config, build=bare.trt.Builder.build_serialized_network):
        if not second.is_alive():
            second.start()
            # Long enough for it to start a build of its own, if nothing held it back.
            second.join(0.5)
        return build(self, network, config)

    bare.trt.Builder.build_serialized_network = slow
    path = get_engine(models / "rnet.onnx", precision="fp32")
    second.join()
    assert found == [path]
    assert bare.trt.builds == 1


def test_a_directory_that_cannot_be_written(bare, models, tmp_path):
    bare.fit("8.6.1")
    (tmp_path / "file").write_text("")
    refused(ModelError, "set KFACE_ENGINES", get_engine, models / "rnet.onnx", directory=tmp_path / "file" / "e")


# INT8


def faces(count, last=4, shape=(4, 3, 24, 24), scale=1.0):
    def batches():
        random = np.random.RandomState(0)
        for number in range(count):
            size = (last if number == count - 1 else shape[0],) + shape[1:]
            yield random.uniform(-scale, scale, size).astype(np.float32)

    return batches


@pytest.mark.parametrize("version", ["8.2.1.9", "8.6.1", "10.7.0"])
def test_int8_is_calibrated_once(bare, models, tmp_path, version):
    bare.fit(version)
    calibrator = Calibrator(faces(5, last=2), tmp_path / "calibration", "faces")
    path = get_engine(models / "rnet.onnx", precision="int8", calibrator=calibrator)
    # The last batch is short, and TensorRT takes one size.
    assert (bare.trt.calibrated, bare.trt.fed) == (1, 4)
    seen = max(float(np.abs(batch).max()) for batch in list(faces(5)())[:4])
    assert engine_header(path)["range"] == pytest.approx(seen)
    assert engine_header(path)["half"] is True
    assert bare.gpu.blocks == {}

    get_engine(models / "rnet.onnx", precision="int8", calibrator=calibrator, directory=tmp_path / "others")
    assert (bare.trt.builds, bare.trt.calibrated, bare.trt.fed) == (2, 1, 4)
    other = tmp_path / "rnet.onnx"
    other.write_bytes(with_note((models / "rnet.onnx").read_bytes(), "another"))
    get_engine(other, precision="int8", calibrator=calibrator)
    assert bare.trt.calibrated == 2
    named = Calibrator(faces(3, scale=2.0), tmp_path / "calibration", "others")
    assert engine_header(get_engine(other, precision="int8", calibrator=named))["range"] > 1.5
    assert len(list((tmp_path / "calibration").iterdir())) == 3


def test_int8_needs_batches_that_fit(bare, models, tmp_path):
    bare.fit("10.7.0")
    mixed = [np.zeros((4, 3, 24, 24), np.float32), np.zeros((4, 3, 24, 20), np.float32)]
    for batches, match in (
        (lambda: [], "has no batches"),
        (lambda: [np.zeros((4, 3, 24, 24))], "float32"),
        (lambda: mixed, "differ in shape or type"),
        (faces(2, shape=(4, 3, 48, 48)), "not calibration batches of"),
    ):
        calibrator = Calibrator(batches, tmp_path / "calibration", "faces")
        refused(KFaceError, match, get_engine, models / "rnet.onnx", precision="int8", calibrator=calibrator)
        assert bare.gpu.blocks == {}
    assert list(tmp_path.rglob("*.engine")) == []
    refused(ConfigError, "needs a calibrator", get_engine, models / "rnet.onnx", precision="int8")
    refused(ConfigError, "plain name", Calibrator, faces(1), tmp_path, "../faces")


def test_a_calibration_that_cannot_be_kept_is_told(bare, models, tmp_path):
    bare.fit("10.7.0")
    (tmp_path / "file").write_text("")
    calibrator = Calibrator(faces(2), tmp_path / "file" / "calibration", "faces")
    refused(ModelError, "cannot be written", get_engine, models / "rnet.onnx", precision="int8", calibrator=calibrator)


def test_int8_of_a_quantised_file_needs_no_calibrator(board, models, tmp_path):
    path = tmp_path / "rnet.int8.onnx"
    path.write_bytes(with_note((models / "rnet.onnx").read_bytes(), "QuantizeLinear"))
    assert engine_header(get_engine(path, precision="int8"))["range"] is None


def test_int8_where_it_is_not(bare, models, tmp_path):
    bare.fit("8.2.1.9", fast_int8=False)
    calibrator = Calibrator(faces(2), tmp_path / "calibration", "faces")
    refused(ConfigError, "no INT8; use fp16", get_engine, models / "rnet.onnx", precision="int8", calibrator=calibrator)
    bare.fit("11.4.0")
    refused(ConfigError, "embedder.int8", get_engine, models / "rnet.onnx", precision="int8", calibrator=calibrator)
