"""``embedder=pretrained``: a bundle without any photograph at hand, with the figures that come with the program."""

import json

import pytest
from pretrained_fakes import DOWNS, SIZE, WIDTHS, made_up_weights

from export import settings
from export import stage as export_stage
from export.pretrained import network, offer
from kface import bundle, stage
from kface.errors import ConfigError


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Stand for the network's file that was fetched, and for figures that were measured with it."""
    path = tmp_path / "cache" / "dlib-resnet.onnx"
    path.parent.mkdir()
    path.write_bytes(network.build(made_up_weights(), WIDTHS, DOWNS, SIZE))
    monkeypatch.setattr(offer, "prepare", lambda: path)
    monkeypatch.chdir(tmp_path)
    offer._measured.cache_clear()
    yield path
    offer._measured.cache_clear()


def exported(*overrides):
    given = ["embedder=pretrained", "parity.faces=8", "formats.engines=false", "progress=false", *overrides]
    return bundle.load(export_stage.export(stage.compose("export", given)))


def test_a_bundle_without_pairs(fetched, monkeypatch, tmp_path, capsys):
    made = exported()
    out = capsys.readouterr().out
    # The made-up network is not the one that the figures are of.
    assert "no threshold table" in out
    assert made.manifest.thresholds is None
    assert made.directory.name == "dlib-resnet"
    assert made.manifest.licence == "CC0-1.0"
    assert not made.manifest.synthetic
    assert made.manifest.embedding == SIZE
    assert {file.path for file in made.manifest.files if file.role == "embedder"} == {"embedder.onnx"}
    card = (made.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in ("CC0-1.0", "Western faces", "Asian faces", "not for certification", "None were measured"):
        assert said in card

    measured = json.loads(offer.MEASURED.read_text(encoding="utf-8"))
    copy = tmp_path / "measured.json"
    copy.write_text(json.dumps({**measured, "fingerprint": made.manifest.fingerprint}), encoding="utf-8")
    monkeypatch.setattr(offer, "MEASURED", copy)
    offer._measured.cache_clear()
    again = exported()
    assert again.manifest.fingerprint == made.manifest.fingerprint
    assert again.manifest.thresholds is not None
    assert "LFW" in again.manifest.thresholds.source
    card = (again.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "LFW" in card
    assert "synthetic sample" not in card.lower().replace("of the synthetic sample", "")


def test_what_comes_with_the_program_is_a_table_and_figures():
    offer._measured.cache_clear()
    table = offer.measured_thresholds(offer._measured()["fingerprint"])
    assert table is not None
    assert not table.synthetic
    rows = {row.target: row for row in table.rows}
    assert 0.85 < rows[1e-2].threshold < rows[1e-4].threshold < 0.99
    assert rows[1e-3].fnmr.value < 0.15
    sets = offer.measured_sets(offer._measured()["fingerprint"])
    assert sets["lfw"]["accuracy"]["value"] >= 0.989
    assert sets["cfp_fp"]["accuracy"]["value"] >= 0.895


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("preprocessing.colour=bgr", "preprocessing.colour: is known of the pretrained network: rgb"),
        ("preprocessing.normalisation=[0,1]", "preprocessing.normalisation: is known"),
        ("precision.int8=true", "precision.int8: cannot be judged without real faces; add evaluate.lfw=DIR"),
    ],
)
def test_settings_that_contradict_it(override, says, fetched):
    with pytest.raises(ConfigError) as caught:
        exported(override)
    assert says in str(caught.value)


def test_the_word_is_no_file():
    settings.check(stage.compose("export", ["embedder=pretrained"]))
    with pytest.raises(ConfigError, match="there is no such file"):
        settings.check(stage.compose("export", ["embedder=pre-trained.onnx"]))
