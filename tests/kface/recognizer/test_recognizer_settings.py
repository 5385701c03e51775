"""The settings of streams, and ``deploy.yaml``."""

import pytest

from kface.errors import ConfigError
from kface.recognizer.settings import PipelineSettings, read_settings

DEPLOY = """
detector:
  min_face: 56.1
  thresholds: [0.6, 0.7, 0.8]
runtime:
  name: onnxruntime
match: {recognised: 0.8, unknown: 0.5}
gallery: {path: faces.db}
"""


@pytest.mark.parametrize("size", [(640,), (640, 0), (640, 11), (640.0, 360), (True, 360)])
def test_wrong_sizes(size):
    with pytest.raises(ConfigError, match="dnn_size"):
        PipelineSettings(dnn_size=size).check()


def test_deploy_yaml(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "deploy.yaml"
    path.write_text(DEPLOY, encoding="utf-8")
    assert read_settings(path) == {
        "runtime": "onnxruntime",
        "detector": {"min_face": 56.1, "thresholds": [0.6, 0.7, 0.8]},
        "match": {"recognised": 0.8, "unknown": 0.5},
    }
    path.write_text("", encoding="utf-8")
    assert read_settings(path) == {}
    # Of a bundle of today, and of one of before.
    for text in (
        "match:\nruntime: {name: auto}\nprecision: int8\n",
        "match:\nruntime: {name: auto, precision: int8}\n",
    ):
        path.write_text(text, encoding="utf-8")
        assert read_settings(path) == {"runtime": "auto", "precision": "int8"}
    path.write_text("runtime: openvino\n", encoding="utf-8")
    assert read_settings(path) == {"runtime": "openvino"}


@pytest.mark.parametrize(
    ("text", "ways"), [("[log]", ("log",)), ("none", ()), ("null", ()), ("[]", ()), ("gamma", ("gamma",))]
)
def test_ways_to_brighten(tmp_path, text, ways):
    pytest.importorskip("yaml")
    path = tmp_path / "deploy.yaml"
    path.write_text("detector: {brighten: " + text + "}", encoding="utf-8")
    assert read_settings(path) == {"detector": {"brighten": ways}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("match: {recognized: 0.5}", "match.recognized"),
        ("runtime: [openvino]", "runtime: must have settings of its own"),
        ("runtime: {precison: int8}", "runtime.precison: unknown setting; choose: precision"),
        ("precision: fp8", "precision: must be one of fp32, fp16, int8, not 'fp8'"),
        ("detector: {min_face: small}", "detector.min_face: must be a number, not 'small'"),
        ("- 1", "sections"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_deploy_yaml(tmp_path, text, message):
    pytest.importorskip("yaml")
    path = tmp_path / "deploy.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_settings(path)
    assert "deploy.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="absent.yaml: cannot be read"):
        read_settings(tmp_path / "absent.yaml")


def test_without_yaml_it_says_what_to_install(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match="install PyYAML"):
        read_settings(tmp_path / "deploy.yaml")
