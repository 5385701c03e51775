"""``embedder=pretrained`` without photographs: the bundle holds the figures that come with the program."""

import json

import numpy as np
import pytest
from pretrained_fakes import DOWNS, SIZE, WIDTHS, made_up_weights

from export import measuring, pairs, settings
from export import stage as export_stage
from export.pretrained import network, offer
from kface import bundle, stage
from kface.data.testsets import TestSet
from kface.errors import ConfigError
from kface.evaluation import foreign
from kface.networks import open_network
from kface.recognizer.embedder import Embedder
from kface.verification import eer, score_pairs


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


def lfw(people, each=4):
    """Faces of noise under LFW's name: the same person's are alike."""
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(people), each)
    images = random.uniform(0, 255, (people, 112, 112, 3))[who] + random.normal(0, 20, (len(who), 112, 112, 3))
    first, second = np.triu_indices(len(who), 1)
    failed = np.zeros(len(who), bool)
    failed[[1, 5]] = True
    # A benchmark's list does not name each of its images.
    listed = np.stack([first, second], 1)[(first > 2) & (second > 2)]
    return TestSet("lfw", "LFW", np.clip(images, 0, 255).astype(np.uint8), listed, who, failed=failed)


def exported(*overrides):
    given = ["embedder=pretrained", "parity.faces=8", "formats.engines=false", "progress=false", *overrides]
    return bundle.load(export_stage.export(settings.ExportJob.of(stage.compose("export", given))))


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
    assert "full precision only: INT8 and FP16 are judged on real faces; add evaluate.lfw=DIR" in out
    assert {file.path for file in made.manifest.files if file.role == "embedder"} == {"embedder.onnx", "embedder.pb"}
    # What a board's OpenCV reads, proven like the rest.
    frozen = made.manifest.file("embedder.pb")
    assert (frozen.layout, frozen.opset, frozen.normalised) == ("NHWC", None, False)
    assert frozen.parity["smallest cosine by opencv"] > 0.9999
    assert made.embedder("opencv").path == "embedder.pb"
    assert Embedder(made, "opencv").file.path == "embedder.pb"
    card = (made.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    for said in (
        "CC0-1.0",
        "Western faces",
        "Asian faces",
        "not for certification",
        "No figures were measured",
        "left out of its training",
    ):
        assert said in card
    assert "LFW's people were left out of its training data" in card

    measured = json.loads(offer.MEASURED.read_text(encoding="utf-8"))
    copy = tmp_path / "measured.json"
    copy.write_text(json.dumps({**measured, "fingerprint": made.manifest.fingerprint}), encoding="utf-8")
    monkeypatch.setattr(offer, "MEASURED", copy)
    offer._measured.cache_clear()
    again = exported()
    assert again.manifest.fingerprint == made.manifest.fingerprint
    assert again.manifest.thresholds is not None
    assert again.manifest.thresholds.source == pairs.threshold_pairs(lfw(8), 10, 0, offer.PEOPLE_OF_SETS)[1]
    assert "unseen" not in again.manifest.thresholds.source
    card = (again.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "LFW" in card
    assert "synthetic sample" not in card.lower().replace("of the synthetic sample", "")


def test_each_face_goes_through_the_network_once(fetched, monkeypatch):
    """Where LFW is given, what finding out the input format took is what figures and thresholds are measured with."""
    given = lfw(30)
    monkeypatch.setattr(pairs.test_sets, "photographs", lambda job: [given])
    counts = np.zeros(len(given.images), int)
    places = {image.tobytes(): place for place, image in enumerate(given.images)}
    taken = foreign.Preprocessing.apply

    def counted(self, faces, layout="NCHW"):
        for face in faces:
            if face.tobytes() in places:
                counts[places[face.tobytes()]] += 1
        return taken(self, faces, layout)

    monkeypatch.setattr(foreign.Preprocessing, "apply", counted)
    made = exported("precision.int8=false", "precision.fp16=false", "thresholds.replicates=2", "evaluate.bootstrap=2")
    parity = np.flatnonzero(~given.failed)[:8]
    # The first faces are those that files are compared on: wanted, and fed to each file.
    assert (counts[parity] == 3).all()
    assert (np.delete(counts, parity) == 1).all()
    assert made.manifest.training["sets"]["lfw"]["pairs"]["failed"] > 0
    network_ = open_network(made.path("embedder.onnx"), "onnxruntime")
    again = measuring.embed(network_, given.images, foreign.Preprocessing(), "NCHW")
    scores = score_pairs(again, given.pairs, given.failed)
    assert made.manifest.training["sets"]["lfw"]["eer"]["value"] == pytest.approx(
        eer(scores, given.genuine)[0], abs=1e-6
    )


def test_a_fixed_batch(fetched, capsys):
    made = exported("formats.fixed_batches=[1,20]")
    for batch in (1, 20):
        file = made.manifest.file(f"embedder.batch{batch}.onnx")
        assert (file.batch, file.opset) == (batch, 13)
        assert file.parity["smallest cosine by onnxruntime"] > 0.9999
        (shape,) = open_network(made.path(file.path), "onnxruntime").inputs.values()
        assert shape == (batch, 3, 112, 112)


def test_what_comes_with_the_program_is_a_table_and_figures():
    offer._measured.cache_clear()
    table = offer.measured_thresholds(offer._measured()["fingerprint"])
    assert table is not None
    assert not table.synthetic
    assert table.source == f"all pairs of {offer.PEOPLE_OF_SETS.format('LFW')}"
    rows = {row.target: row for row in table.rows}
    assert 0.85 < rows[1e-2].threshold < rows[1e-4].threshold < 0.99
    assert rows[1e-3].fnmr.value < 0.15
    sets = offer.measured_sets(offer._measured()["fingerprint"])
    assert sets["lfw"]["accuracy"]["value"] >= 0.989
    assert sets["cfp_fp"]["accuracy"]["value"] >= 0.895


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("preprocessing.colour=bgr", "preprocessing.colour: must be rgb for the pretrained network"),
        ("preprocessing.normalisation=[0,1]", "preprocessing.normalisation: must be [127.5, 128.0]"),
        ("precision.int8=true", "precision.int8: cannot be judged without real faces; add evaluate.lfw=DIR"),
    ],
)
def test_settings_that_contradict_it(override, says, fetched):
    with pytest.raises(ConfigError) as caught:
        exported(override)
    assert says in str(caught.value)


def test_the_word_is_no_file():
    settings.ExportJob.of(stage.compose("export", ["embedder=pretrained"]))
    with pytest.raises(ConfigError, match="does not exist"):
        settings.ExportJob.of(stage.compose("export", ["embedder=pre-trained.onnx"]))
