"""The model card: all of its content comes from the manifest."""

import re

import pytest
from bundle_fakes import REPORT, fill, manifest_of, pairs, write_bundle

from kface import bundle


@pytest.fixture
def manifest(tmp_path):
    return manifest_of(fill(tmp_path))


def rows_with(card, *cells):
    return [line for line in card.splitlines() if line.startswith("|") and all(cell in line for cell in cells)]


def section(card, title):
    return card.split("## {}\n".format(title))[1].split("\n## ")[0]


def test_the_card_of_a_loaded_bundle_is_the_one_that_was_written(tmp_path):
    write_bundle(tmp_path)
    card = bundle.model_card(bundle.load(tmp_path).manifest)
    assert card == (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# resnet50-arcface\n")
    assert card.endswith("\n")
    assert not card.endswith("\n\n")


def test_a_model_of_the_synthetic_sample_is_not_for_recognising_people(manifest):
    card = bundle.model_card(manifest)
    assert "Trained on the synthetic sample" in card
    assert "not for recognising people" in card
    other = bundle.model_card(manifest._replace(synthetic=False))
    assert "has never seen a real face" not in other
    assert "people who have consented" in other


def test_figures_stand_with_their_intervals_and_their_test_sets(manifest):
    card = bundle.model_card(manifest)
    assert rows_with(card, "| K-Face Q4 (synthetic sample) | EER | 12.34 % | 11.11 to 13.57 % |")
    assert rows_with(card, "| K-Face Q4 (synthetic sample) | TAR at FAR 1e-02 | 54.32 % |  |")
    assert rows_with(card, "| LFW | Accuracy (10 folds) | 65.43 % | 64.21 to 66.54 % |")
    assert not rows_with(card, "1e-04")
    assert not rows_with(card, "cfp")


def test_every_figure_of_the_sample_says_so(manifest):
    card = bundle.model_card(manifest)
    lines = rows_with(section(card, "Figures"), "K-Face") + rows_with(section(card, "Thresholds"), "K-Face")
    assert len(lines) == 3 + 4
    assert all("synthetic sample" in line for line in lines)
    real = manifest._replace(
        synthetic=False,
        thresholds=manifest.thresholds._replace(synthetic=False),
        training={"sets": {"lfw": REPORT["sets"]["lfw"]}},
    )
    assert "synthetic" not in bundle.model_card(real)


def test_thresholds(manifest):
    first, _, third, _ = manifest.thresholds.rows
    card = section(bundle.model_card(manifest), "Thresholds")
    assert "400 genuine and 2000 impostor pairs of 40 people" in card
    (line,) = rows_with(card, "| 0.01 |")
    assert (
        "| {:.4f} | {:.3g} | {:.3g} to {:.3g} |".format(first.threshold, first.fmr.value, *first.fmr.interval) in line
    )
    assert third.threshold is None
    assert rows_with(card, "| 0.0001 | not measurable |  |  |  |  |")
    assert "No thresholds were measured" in section(bundle.model_card(manifest._replace(thresholds=None)), "Thresholds")


def test_files_with_hashes_and_parity(manifest):
    card = section(bundle.model_card(manifest), "Files")
    for file in manifest.files:
        assert rows_with(card, "`{}`".format(file.path), file.sha256, str(file.bytes))
    (line,) = rows_with(card, "`embedder.onnx`", "fp32")
    assert "| onnx | fp32 | 13 | any | included | image (NCHW) | embedding |" in line
    assert "images 64, max\\_difference 8e-07, min\\_cosine 0.999999" in line
    (line,) = rows_with(card, "`embedder.uff`", "fp32")
    assert "| 1 | left to the caller |" in line


def test_preprocessing_provenance_and_licence(manifest):
    card = bundle.model_card(manifest)
    assert "to 112x112 pixels in RGB order; the input is (pixel - 127.5) / 128." in card
    assert rows_with(card, "| 1 | 38.2946 | 51.6963 |")
    assert rows_with(card, "| detector weights | mtcnn 1.0.0 | MIT |")
    assert rows_with(card, "| Licence | Apache-2.0 |")
    assert rows_with(card, "| Backbone | resnet50 |")
    assert manifest.fingerprint in card


def test_nothing_but_the_manifest_gives_the_numbers(manifest):
    bare = manifest._replace(training={}, thresholds=None, files=(), provenance=(), synthetic=False, embedding=7)
    # What is left: the size, the embedding, the date, the licence, the preprocessing and the points.
    known = "112 7 2024 05 06 07 08 09 00 2.0 127.5 128 5 " + " ".join(
        "{} {:g} {:g}".format(number, x, y) for number, (x, y) in enumerate(bare.template.points, 1)
    )
    card = bundle.model_card(bare).replace(bare.fingerprint, "").replace("L2 norm", "").replace("resnet50", "")
    assert set(re.findall(r"\d+(?:\.\d+)?", card)) <= set(known.split())
    assert "No figures were measured." in section(card, "Figures")


@pytest.mark.parametrize(
    "training",
    [
        {"sets": []},
        {"sets": {"lfw": 3}},
        {"sets": {"lfw": {"accuracy": None, "eer": "low", "tar_at_far": []}}},
        {"sets": {"lfw": {"accuracy": {"value": 1, "interval": [0]}, "eer": {"value": None, "interval": None}}}},
        {"run": "a run", "sets": {"lfw": {}}},
    ],
)
def test_a_report_without_figures_gives_none(manifest, training):
    card = bundle.model_card(manifest._replace(training=training))
    assert section(card, "Figures").strip() == "No figures were measured."


def test_texts_stay_in_their_cells(manifest):
    nasty = bundle.Provenance("a|b\nc", "<script>", "[x](y)")
    card = bundle.model_card(manifest._replace(provenance=(nasty,), name="one\n## two"))
    assert "| a\\|b c | \\<script\\> | \\[x\\](y) |" in card
    assert card.splitlines()[0] == "# one ## two"


def test_a_table_of_other_pairs(manifest):
    thresholds = bundle.measure(*pairs(seed=1), source="door", synthetic=False, replicates=0)
    card = section(bundle.model_card(manifest._replace(thresholds=thresholds)), "Thresholds")
    (line,) = rows_with(card, "| 0.01 |")
    assert line.endswith("| door |")
    assert "to" not in line.replace("door", "")
    assert "draws" not in card
    assert "An interval" not in card
