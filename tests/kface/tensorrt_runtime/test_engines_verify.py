"""``kface engines verify``."""

import sys

import numpy as np
import pytest

from kface.errors import ModelError
from kface.tensorrt import verify as verify_module
from kface.tensorrt.__main__ import main


def bundle(models, directory):
    (directory / "detector").mkdir(parents=True)
    for name in ("pnet", "rnet", "onet"):
        for form in (".onnx", ".split.onnx"):
            (directory / "detector" / (name + form)).write_bytes((models / (name + form)).read_bytes())
    (directory / "embedder.onnx").write_bytes((models / "onet.onnx").read_bytes())
    (directory / "embedder.int8.onnx").write_bytes(b"")
    return directory


def test_a_bundle(board, models, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verify_module, "CANVAS", (60, 90))
    folder = bundle(models, tmp_path / "bundle")
    assert main(["verify", "--bundle", str(folder), "--precision", "fp32", "--runs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["onet.onnx", "fp32", "4x3x48x48"],
        ["pnet.onnx", "fp32", "1x3x60x90"],
        ["rnet.onnx", "fp32", "8x3x24x24"],
        ["embedder.onnx", "fp32", "4x3x48x48"],
    ]
    for line in lines[1:]:
        difference, cosine, engine, reference = (float(word) for word in line.split()[3:7])
        assert difference < 1e-4
        assert cosine > 0.9999
        assert engine > 0
        assert reference > 0
        assert line.split()[7] == "agrees"
    assert board.gpu.blocks == {}


def test_both_precisions(bare, models, capsys):
    bare.fit("8.2.1.9")
    assert main(["verify", str(models / "rnet.onnx"), "--runs", "1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[1] for row in rows] == ["fp32", "fp16"]
    assert float(rows[1][3]) > float(rows[0][3])


def test_an_engine_that_differs(bare, models, capsys):
    bare.fit("10.7.0")

    def skewed(self, plan, deserialise=bare.trt.Runtime.deserialize_cuda_engine):
        engine = deserialise(self, plan)
        run = engine._session.run
        engine._session = type(
            "Skewed",
            (),
            {
                "run": staticmethod(lambda names, fed: [value[::-1] for value in run(names, fed)]),
                "get_outputs": staticmethod(engine._session.get_outputs),
            },
        )
        return engine

    bare.trt.Runtime.deserialize_cuda_engine = skewed
    assert main(["verify", str(models / "rnet.onnx"), "--precision", "fp32", "--runs", "1"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize("absent", ["tensorrt", "cuda.cudart"])
def test_what_is_not_there_is_one_line(bare, models, monkeypatch, capsys, absent):
    bare.fit("8.6.1")
    monkeypatch.setitem(sys.modules, absent, None)
    assert main(["verify", str(models / "rnet.onnx")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith("engines: ")


def test_wrong_arguments(bare, tmp_path, capsys):
    bare.fit("8.6.1")
    for arguments, text in (
        (["verify"], "give --bundle DIR or FILE.onnx"),
        (["verify", "--bundle", str(tmp_path)], "give a bundle's directory"),
        (["verify", str(tmp_path / "x.onnx"), "--runs", "0"], "--runs"),
        (["verify", str(tmp_path / "x.onnx")], "cannot be read"),
    ):
        assert main(arguments) == 2
        assert text in capsys.readouterr().err


def test_comparison():
    one = {"a": np.array([[1.0, 2.0]], np.float32), "b": np.zeros((1, 3), np.float32)}
    assert verify_module.compare(one, dict(one), "x") == (0.0, pytest.approx(1.0))
    other = dict(one, a=np.array([[1.0, -2.0]], np.float32))
    difference, cosine = verify_module.compare(one, other, "x")
    assert (difference, cosine) == (4.0, pytest.approx(-0.6))
    broken = dict(one, a=np.array([[np.nan, 2.0]], np.float32))
    assert not verify_module.compare(one, broken, "x")[1] > 0.5
    with pytest.raises(ModelError, match="gives"):
        verify_module.compare(one, {"a": one["a"]}, "x")
