"""Invalid settings are refused before anything is done, and every setting that a message names exists."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

import export
from export import settings
from kface import stage
from kface.errors import ConfigError, KFaceError

SOURCES = sorted(Path(export.__file__).parent.rglob("*.py"))
#: Words in messages that look like settings of the stage: a key, "=", and what it can be.
KEY = re.compile(r"\b([a-z_]+(?:\.[a-z0-9_]+)*)=(?=[A-Z\[a-z0-9{])")


def named_settings():
    """Yield every setting that a text of the package names, with its file."""
    import ast

    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if not name.endswith("Error") and name not in ("print", "log", "append", "get", "_whole", "check_opset"):
                continue
            for argument in [*node.args, *(word.value for word in node.keywords)]:
                for part in ast.walk(argument):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield from ((key, path.name) for key in KEY.findall(part.value))


def test_every_setting_that_a_message_names_exists(defaults):
    found = set(named_settings())
    assert {"preprocessing.colour", "preprocessing.normalisation", "evaluate.lfw", "out"} <= {key for key, _ in found}
    missing = object()
    strange = [(key, file) for key, file in found if OmegaConf.select(defaults, key, default=missing) is missing]
    assert strange == []


@pytest.fixture(scope="module")
def defaults():
    return stage.compose("export")


def changed(defaults, *overrides):
    """The settings with some others, as the command line has them."""
    config = copy.deepcopy(defaults)
    for override in overrides:
        key, _, value = override.partition("=")
        OmegaConf.update(config, key, yaml.safe_load(value), force_add=False)
    return config


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("formats.opsets=[12]", "formats.opsets"),
        ("formats.opsets=[13,18]", "formats.opsets"),
        ("formats.opsets=13", "formats.opsets"),
        ("formats.opsets=[]", "formats.opsets"),
        ("formats.opsets=[true]", "formats.opsets"),
        ("formats.opsets=[13.5]", "formats.opsets"),
        ("formats.opsets=null", "formats.opsets"),
        ("formats.fixed_batches=[0]", "formats.fixed_batches"),
        ("formats.fixed_batches=[1,-2]", "formats.fixed_batches"),
        ("formats.fixed_batches=[null]", "formats.fixed_batches"),
        ("formats.fixed_batches=[many]", "formats.fixed_batches"),
        ("formats.fixed_batches=8", "formats.fixed_batches"),
        ("formats.uff=maybe", "formats.uff"),
        ("formats.engines=1", "formats.engines"),
        ("formats.engine_precisions=[fp8]", "formats.engine_precisions"),
        ("formats.engine_precisions=fp16", "formats.engine_precisions"),
        ("precision.int8=perhaps", "precision.int8"),
        ("precision.fp16=1", "precision.fp16"),
        ("precision.calibration_faces=10", "precision.calibration_faces"),
        ("precision.allowed_loss=-1", "precision.allowed_loss"),
        ("precision.allowed_loss=much", "precision.allowed_loss"),
        ("precision.allowed_loss=.nan", "precision.allowed_loss"),
        ("precision.seconds=long", "precision.seconds"),
        ("parity.faces=7", "parity.faces"),
        ("parity.faces=true", "parity.faces"),
        ("thresholds.impostors=0", "thresholds.impostors"),
        ("thresholds.replicates=-1", "thresholds.replicates"),
        ("thresholds.replicates=1.5", "thresholds.replicates"),
        ("preprocessing.colour=yuv", "preprocessing.colour"),
        ("preprocessing.normalisation=[127.5]", "preprocessing.normalisation"),
        ("preprocessing.normalisation=[127.5,0]", "preprocessing.normalisation"),
        ("preprocessing.normalisation=[a,b]", "preprocessing.normalisation"),
        ("preprocessing.normalisation=127.5", "preprocessing.normalisation"),
        ("seed=-1", "seed"),
        ("licence=null", "licence"),
        ("output=embedding", "output"),
    ],
)
def test_what_cannot_work_is_refused_by_name(defaults, override, key):
    with pytest.raises(ConfigError, match=re.escape(key)) as caught:
        settings.ExportJob.of(changed(defaults, override))
    assert "\n" not in str(caught.value)


def test_the_defaults_can_work(defaults):
    settings.ExportJob.of(defaults)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.h5", r"embedder=.*model\.h5: ends in \.h5, and only \.onnx is read; export it to ONNX"),
        ("model.pb", r"model\.pb: ends in \.pb, and only \.onnx is read"),
        ("model.keras", r"ends in \.keras"),
        ("model.pt", r"ends in \.pt"),
        ("model.tflite", r"ends in \.tflite"),
        ("모델.pth", r"모델\.pth: ends in \.pth"),
        ("model", "has no ending"),
        ("saved_model/", "is a directory"),
        ("model.onnx/", "is a directory"),
        ("nothing.onnx!", "does not exist"),
    ],
)
def test_files_that_are_not_onnx(tmp_path, name, message):
    path = tmp_path / name.strip("/!")
    if name.endswith("/"):
        path.mkdir()
    elif not name.endswith("!"):
        path.write_bytes(b"weights")
    with pytest.raises(ConfigError, match=message) as caught:
        settings.check_embedder(path)
    # Neither another ending nor a runtime is advised.
    assert not re.search(r"\.pb is|opencv|tensorflow", str(caught.value))


def test_an_ending_in_capitals_a_korean_name_and_an_empty_file(tmp_path):
    for name in ("MODEL.ONNX", "얼굴 모델.onnx"):
        (tmp_path / name).write_bytes(b"weights")
        settings.check_embedder(tmp_path / name)
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(ConfigError, match="is empty"):
        settings.check_embedder(tmp_path / "empty.onnx")


def test_a_foreign_embedder_and_a_run_exclude_each_other(defaults):
    with pytest.raises(KFaceError, match="embedder and run: exclude each other"):
        settings.ExportJob.of(changed(defaults, "embedder=net.onnx", "run=outputs/x"))


def test_the_check_imports_nothing_heavy():
    heavy = "('tensorflow', 'keras', 'onnx', 'onnxruntime', 'hydra')"
    code = f"import sys; import export.settings; print([m for m in {heavy} if m in sys.modules])"
    path = {"PYTHONPATH": ":".join(one for one in sys.path if one)}
    ran = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("override", ["formats.uff=true", "formats.opsets=[13,15]", "formats.opsets=[14]"])
def test_forms_that_only_our_networks_have(defaults, override):
    key = override.partition("=")[0]
    settings.ExportJob.of(changed(defaults, override))
    with pytest.raises(ConfigError, match=f"{key}: is not available for a network that was trained elsewhere; "):
        settings.ExportJob.of(changed(defaults, override, "embedder=pretrained"))
    settings.ExportJob.of(changed(defaults, "embedder=pretrained", "formats.fixed_batches=[1]", "formats.uff=false"))
