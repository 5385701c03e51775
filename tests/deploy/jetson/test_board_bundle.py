"""What of a bundle goes to a board: less, and still a bundle that passes every check there."""

import importlib.util
import json
from pathlib import Path

import pytest

from deploy.jetson.board_bundle import for_board
from kface import bundle
from kface.bundle.manifest import FILE

_SPEC = importlib.util.spec_from_file_location(
    "bundle_fakes_for_boards", str(Path(__file__).resolve().parents[2] / "kface" / "bundle" / "bundle_fakes.py")
)
bundle_fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bundle_fakes)

NETWORK = {"batch": "dynamic", "input": "image", "outputs": ("embedding",), "layout": "NCHW", "normalised": True}
MORE = {
    "embedder.pb": {"precision": "fp32", "layout": "NHWC"},
    "embedder.opset17.onnx": {"precision": "fp32", "opset": 17},
    "embedder.batch1.onnx": {"precision": "fp32", "opset": 13, "batch": 1},
    "embedder.int8.onnx": {"precision": "int8", "opset": 13},
    "embedder.fp16.onnx": {"precision": "fp16", "opset": 13},
    "embedder.uff": {"precision": "fp32", "normalised": False},
}


@pytest.fixture
def opened(tmp_path):
    """A bundle with an embedder in every form."""
    root = tmp_path / "bundle"
    bundle_fakes.write_bundle(root)
    made = bundle.load(root).manifest
    files = [file for file in made.files if file.path not in MORE]
    for name, facts in MORE.items():
        (root / name).write_bytes(name.encode())
        files.append(bundle.describe(root, name, "embedder", **dict(NETWORK, **facts)))
    (root / FILE).unlink()
    bundle.write(root, made._replace(files=tuple(files)))
    return bundle.load(root)


def lay_out(chosen, opened, target):
    """Lay a board's bundle out as the archive would."""
    target.mkdir()
    (target / FILE).write_bytes(chosen.text)
    for file in chosen.kept:
        place = target / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((opened.directory / file.path).read_bytes())
    if chosen.card is not None:
        (target / chosen.card[0]).write_bytes(chosen.card[1])
    return bundle.load(target)


@pytest.mark.parametrize(
    ("precision", "kept"),
    [
        ("fp32", {"embedder.onnx", "embedder.pb"}),
        ("int8", {"embedder.onnx", "embedder.pb", "embedder.int8.onnx"}),
        ("fp16", {"embedder.onnx", "embedder.pb", "embedder.fp16.onnx"}),
    ],
)
def test_what_a_board_runs_is_left_and_passes_its_checks(precision, kept, opened, tmp_path):
    text = (opened.directory / FILE).read_bytes()
    chosen = for_board(opened, text, precision)
    board = lay_out(chosen, opened, tmp_path / "board")
    assert {file.path for file in board.manifest.files if file.role == "embedder"} == kept
    assert {file.path for file, _ in chosen.dropped} == (set(MORE) | {"embedder.onnx"}) - kept
    assert all(reason for _, reason in chosen.dropped)
    # Detector, settings, golden vectors and card stay, and templates stay comparable.
    others = {file.path for file in opened.manifest.files if file.role != "embedder"}
    assert {file.path for file in board.manifest.files if file.role != "embedder"} == others
    assert board.manifest.fingerprint == opened.manifest.fingerprint
    assert board.manifest.thresholds == opened.manifest.thresholds
    assert board.embedder("onnxruntime", precision).path in kept
    assert board.embedder("opencv").path == "embedder.pb"


def test_the_card_lists_what_is_there(opened, tmp_path):
    chosen = for_board(opened, (opened.directory / FILE).read_bytes())
    if chosen.card is None:
        pytest.skip("this bundle has no card")
    text = chosen.card[1].decode("utf-8")
    assert "embedder.pb" in text
    assert "embedder.uff" not in text


def test_the_whole_bundle_goes_as_it_is(opened):
    text = (opened.directory / FILE).read_bytes()
    chosen = for_board(opened, text, whole=True)
    assert chosen.text == text
    assert chosen.dropped == ()
    assert chosen.kept == opened.manifest.files


def test_a_manifest_that_was_made_anew_is_one_that_reads(opened):
    chosen = for_board(opened, b"")
    document = json.loads(chosen.text.decode("utf-8"))
    assert document["digest"] == bundle.manifest.digest(document)
