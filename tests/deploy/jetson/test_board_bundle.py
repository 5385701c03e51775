"""What of a bundle goes to a board: enough for its runtimes, no more, and whole in its own right."""

import importlib.util
import json
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("yaml")

from deploy.jetson import pack_command
from deploy.jetson.archive import pack
from kface import bundle
from kface.errors import ModelError

HERE = Path(__file__).resolve().parent
_SPEC = importlib.util.spec_from_file_location(
    "bundle_fakes_for_boards", str(HERE.parents[1] / "kface" / "bundle" / "bundle_fakes.py")
)
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)

SETTINGS = {"source": "csi://0"}
FULL = dict(fakes.NETWORK, opset=13, normalised=True)


def make(folder, monkeypatch, **networks):
    """Write a bundle with further embedders; each of 40 bytes."""
    files = dict(fakes.FILES)
    for name, facts in networks.items():
        files["embedder.{}".format(name.replace("_", "."))] = ("embedder", dict(FULL, **facts))
    monkeypatch.setattr(fakes, "FILES", {name: kind for name, kind in files.items() if kind[1].get("batch") != "none"})
    fakes.write_bundle(folder)
    return folder


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A bundle with all that export can write."""
    return make(
        tmp_path / "bundle", monkeypatch, opset17_onnx={"opset": 17}, batch1_onnx={"batch": 1},
        fp16_onnx={"precision": "fp16"}, raw_onnx={"normalised": False}, engine={"precision": "fp16", "batch": 8},
    )  # fmt: skip


def unpacked(packed, folder):
    with tarfile.open(str(packed.path)) as archive:
        archive.extractall(str(folder))
    (top,) = folder.iterdir()
    return top / "bundle"


def embedders(directory):
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("embedder"))


def test_a_board_gets_one_onnx_file_and_the_frozen_graph(full, tmp_path):
    packed = pack(full, SETTINGS, tmp_path / "out")
    there = unpacked(packed, tmp_path / "there")
    assert embedders(there) == ["embedder.onnx", "embedder.pb"]
    # Whole in its own right: hashes, digest, fingerprint, nothing that is not listed.
    opened, before = bundle.load(there), bundle.load(full)
    assert opened.manifest.fingerprint == before.manifest.fingerprint
    assert opened.embedder("tensorrt").path == "embedder.onnx"
    assert opened.embedder("tensorflow").path == "embedder.pb"
    assert opened.manifest.thresholds == before.manifest.thresholds
    assert opened.manifest.training == before.manifest.training
    assert {file.path for file in before.manifest.files} - {file.path for file in opened.manifest.files} == {
        "embedder.uff", "embedder.int8.onnx", "embedder.opset17.onnx", "embedder.batch1.onnx", "embedder.fp16.onnx",
        "embedder.raw.onnx", "embedder.engine",
    }  # fmt: skip
    card = (there / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "embedder.pb" in card
    assert "opset17" not in card
    assert "opset17" in (full / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_equal_bundles_make_equal_archives(full, tmp_path):
    one, other = (pack(full, SETTINGS, tmp_path / name) for name in ("one.tar.gz", "other.tar.gz"))
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.release == other.release


def test_who_wants_all_gets_all_as_it_was_exported(full, tmp_path):
    there = unpacked(pack(full, SETTINGS, tmp_path / "out", whole=True), tmp_path / "there")
    assert embedders(there) == embedders(full)
    assert (there / "manifest.json").read_bytes() == (full / "manifest.json").read_bytes()


def test_where_there_is_nothing_to_leave_out_the_manifest_stays(tmp_path, monkeypatch):
    absent = {"batch": "none"}
    folder = make(tmp_path / "bundle", monkeypatch, uff=absent, int8_onnx=absent)
    packed = pack(folder, SETTINGS, tmp_path / "out")
    assert packed.bundle.dropped == ()
    assert (unpacked(packed, tmp_path / "there") / "manifest.json").read_bytes() == (
        folder / "manifest.json"
    ).read_bytes()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_precision_that_the_settings_ask_for_goes_along(full, precision, tmp_path):
    there = unpacked(pack(full, dict(SETTINGS, precision=precision), tmp_path / "out"), tmp_path / "there")
    assert embedders(there) == ["embedder.{}.onnx".format(precision), "embedder.onnx", "embedder.pb"]
    assert bundle.load(there).embedder("onnxruntime", precision).precision == precision
    there = unpacked(pack(full, dict(SETTINGS, runtime={"precision": precision}), tmp_path / "o2"), tmp_path / "t2")
    assert "embedder.{}.onnx".format(precision) in embedders(there)


def test_the_canonical_file_stays_although_another_one_suits_a_nano_better(tmp_path, monkeypatch):
    # As `formats.opsets=[17, 13]` makes it: templates are of the first one.
    folder = make(tmp_path / "bundle", monkeypatch, onnx={"opset": 17}, opset13_onnx={}, opset15_onnx={"opset": 15})
    there = unpacked(pack(folder, SETTINGS, tmp_path / "out"), tmp_path / "there")
    assert embedders(there) == ["embedder.onnx", "embedder.opset13.onnx", "embedder.pb"]
    assert bundle.load(there).embedder("tensorrt").opset == 13


def test_a_fixed_batch_is_better_than_none(tmp_path, monkeypatch):
    folder = make(tmp_path / "bundle", monkeypatch, onnx={"batch": 1}, batch8_onnx={"batch": 8})
    there = unpacked(pack(folder, SETTINGS, tmp_path / "out"), tmp_path / "there")
    assert embedders(there) == ["embedder.batch8.onnx", "embedder.onnx", "embedder.pb"]


def test_what_is_packed_and_what_is_not_is_said_with_sizes(full, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pack_command, "resolve", lambda overrides: dict(SETTINGS))
    argv = ["--bundle", str(full), "--out", str(tmp_path / "a.tar.gz")]
    assert pack_command.main(argv) == 0
    said = capsys.readouterr().out
    assert "  embedder.onnx                         0.0 MB\n" in said
    assert "embedder.opset17.onnx                 0.0 MB left out: the same network in a newer opset" in said
    assert "embedder.engine                       0.0 MB left out: built for another machine" in said
    assert "--whole-bundle packs these too" in said
    assert pack_command.main(argv + ["--whole-bundle"]) == 0
    said = capsys.readouterr().out
    assert "embedder.opset17.onnx                 0.0 MB\n" in said
    assert "left out" not in said


def test_the_boards_manifest_is_checked_like_any_other(full, tmp_path):
    there = unpacked(pack(full, SETTINGS, tmp_path / "out"), tmp_path / "there")
    document = json.loads((there / "manifest.json").read_text(encoding="utf-8"))
    document["name"] = "another"
    (there / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="was edited"):
        bundle.load(there)
