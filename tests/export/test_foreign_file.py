"""Foreign embedders' files are converted to one file with one input and one output, or refused with one line."""

import os

import foreign_fakes as fakes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from kface.errors import ConfigError, KFaceError, ModelError
from kface.evaluation.foreign import file as foreign_file


def run(data, faces):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["image"]
    assert [one.name for one in session.get_outputs()] == ["embedding"]
    return session.run(None, {"image": faces})[0]


def faces(count=5, layout="NCHW"):
    images = np.random.default_rng(4).uniform(-1, 1, (count, 3, 112, 112)).astype(np.float32)
    return images if layout == "NCHW" else np.ascontiguousarray(images.transpose(0, 2, 3, 1))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return foreign_file.read(fakes.write(tmp_path_factory.mktemp("plain") / "net.onnx"))


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({"batch": 1}, 1e-5),
        ({"batch": 4}, 1e-5),
        ({"layout": "NHWC"}, 1e-5),
        ({"kind": TensorProto.FLOAT16}, 2e-2),
        ({"opset": 11}, 1e-5),
        ({"opset": 9}, 1e-5),
        ({"opset": 17}, 1e-5),
        ({"tail": "map"}, 1e-5),
        ({"side": "s"}, 1e-5),
        ({"outputs": ("norm", "embedding")}, 1e-5),
        ({"outputs": ("embedding", "norm")}, 1e-5),
        ({"outputs": ("map", "embedding")}, 1e-5),
        ({"outputs": ("other", "embedding")}, 1e-5),
    ],
)
def test_every_dress_is_the_same_network(plain, tmp_path, settings, tolerance):
    file = foreign_file.read(fakes.write(tmp_path / "net.onnx", **settings))
    onnx.checker.check_model(onnx.load_model_from_string(file.data), full_check=True)
    assert file.opset >= 13
    wanted = run(plain.data, faces())
    assert wanted.shape == (5, fakes.SIZE)
    found = run(file.data, faces(layout=file.layout))
    assert found.shape == wanted.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("outputs", [("norm", "embedding"), ("embedding", "norm"), ("map", "embedding")])
def test_outputs_beside_the_embedding_leave_no_trace(plain, tmp_path, outputs):
    assert foreign_file.read(fakes.write(tmp_path / "net.onnx", outputs=outputs)).data == plain.data


def test_an_output_can_be_named(tmp_path):
    path = fakes.write(tmp_path / "net.onnx", outputs=("other", "embedding"))
    other = run(foreign_file.read(path, "other").data, faces())
    assert other.min() == 0
    with pytest.raises(ConfigError, match=r"output=nothing: .* has no such output; choose one of: other, embedding"):
        foreign_file.read(path, "nothing")


def test_outputs_that_shape_and_name_leave_open_are_named(tmp_path):
    made = fakes.model(outputs=("other", "embedding"))
    for node in made.graph.node:
        node.output[:] = ["683" if name == "embedding" else name for name in node.output]
        node.input[:] = ["683" if name == "embedding" else name for name in node.input]
    made.graph.output[1].name = "683"
    onnx.save_model(made, str(tmp_path / "net.onnx"))
    with pytest.raises(ConfigError, match=r"other 2x16, 683 2x16\); output=other or output=683"):
        foreign_file.read(tmp_path / "net.onnx")
    assert foreign_file.read(tmp_path / "net.onnx", "683").data


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": ("norm",)}, r"has no output of one vector per face \(for 2 faces: norm 2x1\)"),
        ({"outputs": ("map",)}, "map 2x3x7x7"),
        ({"second_input": True}, r"2 inputs \(input\.1, phase_train\)"),
        ({"batch": 2, "fixed_reshape": True}, "takes batches of 2 only"),
    ],
)
def test_what_is_no_embedder_is_refused(tmp_path, settings, message):
    with pytest.raises(ModelError, match=message) as caught:
        foreign_file.read(fakes.write(tmp_path / "net.onnx", **settings))
    assert "net.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_operators_of_a_runtime_are_refused(tmp_path):
    made = fakes.model()
    made.graph.node[-1].domain = "com.example"
    made.opset_import.add(domain="com.example", version=1)
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match=r"has operators of com\.example"):
        foreign_file.read(tmp_path / "net.onnx")


class TestExternalData:
    @pytest.mark.parametrize("location", ["net.onnx.data", "weights/w.bin", "가중치.bin"])
    def test_weights_are_taken_in(self, plain, tmp_path, monkeypatch, location):
        path, data = fakes.write_external(tmp_path / "net.onnx", location)
        (tmp_path / location).parent.mkdir(exist_ok=True)
        (tmp_path / location).write_bytes(data)
        assert foreign_file.read(path).data == plain.data
        monkeypatch.chdir(tmp_path)
        assert foreign_file.read(type(path)("net.onnx")).data == plain.data

    @pytest.mark.parametrize(
        "location", ["../outside.bin", "a/../../outside.bin", "/dev/zero", "{folder}/outside.bin", ""]
    )
    def test_weights_elsewhere_are_refused(self, tmp_path, location):
        folder = tmp_path / "in"
        folder.mkdir()
        path, data = fakes.write_external(folder / "net.onnx", location.format(folder=tmp_path))
        (tmp_path / "outside.bin").write_bytes(data)
        with pytest.raises(ModelError, match=r"net\.onnx: refers to weights in .* outside its own folder"):
            foreign_file.read(path)

    def test_a_link_that_leads_out_is_refused(self, tmp_path):
        folder = tmp_path / "in"
        folder.mkdir()
        path, data = fakes.write_external(folder / "net.onnx")
        (tmp_path / "outside.bin").write_bytes(data)
        os.symlink(tmp_path / "outside.bin", folder / "net.onnx.data")
        with pytest.raises(ModelError, match="outside its own folder"):
            foreign_file.read(path)

    def test_missing_and_cut_off(self, tmp_path):
        path, data = fakes.write_external(tmp_path / "net.onnx")
        with pytest.raises(ModelError, match=r"refers to weights in net\.onnx\.data, which does not exist; copy"):
            foreign_file.read(path)
        (tmp_path / "net.onnx.data").write_bytes(data[:-1])
        with pytest.raises(
            ModelError,
            match=r"needs 9408 bytes from offset 0 of net\.onnx\.data for the weights w, and the file has 9407 bytes",
        ):
            foreign_file.read(path)

    def test_more_than_a_file_holds(self, tmp_path):
        path, _ = fakes.write_external(tmp_path / "net.onnx")
        made = onnx.load_model(str(path), load_external_data=False)
        tensor = next(one for one in made.graph.initializer if one.name == "w")
        tensor.dims[:] = [147, 1 << 22]
        next(one for one in tensor.external_data if one.key == "length").value = str(147 * (1 << 22) * 4)
        path.write_bytes(made.SerializeToString())
        with (tmp_path / "net.onnx.data").open("wb") as stream:
            stream.truncate(147 * (1 << 22) * 4)
        with pytest.raises(ModelError, match=r"has 2\.5 GB with its external weights"):
            foreign_file.read(path)


@pytest.mark.parametrize("data", [b"hello", b"", bytes(range(256)), b"\x08\x07"])
def test_what_is_not_onnx(tmp_path, data):
    (tmp_path / "text.onnx").write_bytes(data)
    with pytest.raises(KFaceError, match=r"text\.onnx: is not an ONNX network"):
        foreign_file.read(tmp_path / "text.onnx")


def test_int8_of_old_operators(plain, tmp_path):
    from export import precision

    path = fakes.write(tmp_path / "net.onnx", opset=11)
    file = foreign_file.read(path)
    assert any("from opset 11 to 13" in change for change in file.changes)
    data = precision.to_int8(file.data, faces(32))
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    wanted, found = run(plain.data, faces()), run(data, faces())
    assert np.sum(wanted * found) / np.linalg.norm(wanted) / np.linalg.norm(found) > 0.99
    # Where the operators stay old, it is said rather than tried.
    with pytest.raises(ModelError, match="has opset 11, and quantisation per channel needs 13"):
        precision.to_int8(path.read_bytes(), faces(32))


def test_operators_that_cannot_be_converted_stay(tmp_path, monkeypatch):
    def fails(model, version):
        raise RuntimeError("no adapter for Upsample")

    monkeypatch.setattr(onnx.version_converter, "convert_version", fails)
    file = foreign_file.read(fakes.write(tmp_path / "net.onnx", opset=11))
    assert file.opset == 11
    assert any("stay at opset 11, too old for INT8 (no adapter for Upsample)" in change for change in file.changes)
