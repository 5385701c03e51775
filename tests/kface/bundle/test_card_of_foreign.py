"""The card of an embedder that was trained elsewhere, and which file of a bundle is for what."""

import pytest
from bundle_fakes import fill, manifest_of

from kface import bundle
from kface.bundle.card import use_of
from kface.bundle.manifest import BundleFile


def test_where_it_comes_from_and_how_its_input_was_determined(tmp_path):
    tried = [
        {"tried": "rgb, (x - 127.5) / 128", "eer": 0.0116, "on": "LFW", "pairs": 4000},
        {"tried": "bgr, (x - 127.5) / 128", "eer": 0.0142, "on": "LFW", "pairs": 2000},
    ]
    training = {"foreign": "net|x.onnx", "changes": ["of its 2 outputs embedding was taken"], "preprocessing": tried}
    card = bundle.model_card(manifest_of(fill(tmp_path))._replace(training=training))
    assert "imported from net\\|x.onnx" in card
    assert "Changed by the import: of its 2 outputs embedding was taken." in card
    assert "| rgb, (x - 127.5) / 128 | 1.16 % | 4000 pairs of LFW |" in card
    declared = dict(training, preprocessing=tried[:1], changes=[])
    card = bundle.model_card(manifest_of(fill(tmp_path))._replace(training=declared))
    assert "Changed by" not in card
    assert "determined by trying" not in card


@pytest.mark.parametrize("training", [{}, {"foreign": 3}, {"foreign": "x", "preprocessing": "y", "changes": {"a": 1}}])
def test_a_report_of_another_shape_does_not_break_it(tmp_path, training):
    assert "## Files" in bundle.model_card(manifest_of(fill(tmp_path))._replace(training=training))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"format": "pb"}, "OpenCV 4.1 and later, TensorFlow 1.15"),
        ({"format": "uff"}, "TensorRT 7 to 8.6"),
        ({"format": "onnx", "opset": 13, "batch": "dynamic"}, "including the versions of JetPack 4"),
        ({"format": "onnx", "opset": 17, "batch": "dynamic"}, "except the versions of JetPack 4"),
        ({"format": "onnx", "opset": 13, "batch": 4}, "for batches of exactly 4"),
        ({"format": "onnx", "precision": "int8"}, "not OpenCV"),
        ({"format": "onnx", "precision": "fp16"}, "TensorRT 11"),
        ({"format": "engine"}, "the device it was built on"),
    ],
)
def test_which_file_is_for_what(facts, words):
    assert words in use_of(BundleFile("embedder.x", "0" * 64, 1, "embedder", **facts))
