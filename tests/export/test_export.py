"""The export stage end to end on a tiny run: it writes a bundle that loads, or reports one line."""

import shutil

import numpy as np
import pytest
from tiny_data_set import make_tiny_data_set

from export import engines, uff
from export import stage as export_stage
from export.judge import AccuracyChange, Verdict, judge
from export.settings import ExportJob
from kface import bundle, stage
from kface.bundle import golden
from kface.data.layout import Capture
from kface.data.sample import render, subject_names
from kface.data.testsets import TestSet
from kface.errors import ConfigError, KFaceError, ModelError, TrainingError
from kface.evaluation import foreign, runs
from kface.mtcnn import Detector
from kface.networks import open_network, runtimes

ARGUMENTS = {"width": 0.25, "embedding": 16}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with data/ and outputs/, and a run in it that was trained for an epoch."""
    from kface.data.testsets import kface_set
    from kface.evaluation.evaluate import evaluate
    from train import optimizers
    from train.backbones import MobileNetV2
    from train.fit import FitSettings, train_run
    from train.losses import Softmax
    from train.trained import KerasEmbedder

    place = tmp_path_factory.mktemp("workplace")
    manifest = make_tiny_data_set(place / "people", place / "data" / "aligned" / "tiny")
    run_dir = place / "outputs" / "2026-01-02" / "mobilenetv2-softmax"
    run_dir.mkdir(parents=True)
    about = {
        "backbone": "mobilenetv2",
        "loss": "softmax",
        "trained_on": "the synthetic sample",
        "seed": 0,
        "data_set": str(manifest.directory),
        "backbone_arguments": {"name": "mobilenetv2", **ARGUMENTS},
    }
    runs.write_about(run_dir, about)
    settings = FitSettings(epochs=2, batch_size=8, images_per_epoch=64)
    result = train_run(
        manifest,
        run_dir,
        MobileNetV2(**ARGUMENTS),
        Softmax(),
        optimizers.AdamW(),
        settings,
    )
    evaluate(KerasEmbedder(result.backbone), [kface_set(manifest, 40)], run_dir, about, replicates=0)
    return place


def job_of(workplace, *overrides):
    config = stage.compose(
        "export",
        [
            f"output_dir={workplace}/outputs",
            f"data_dir={workplace}/data",
            "parity.faces=8",
            "precision.seconds=0.01",
            "precision.calibration_faces=40",
            "precision.allowed_loss=1",
            "thresholds.replicates=5",
            "evaluate.pairs=40",
            "precision.int8=true",
            "precision.fp16=true",
            "progress=false",
            *overrides,
        ],
    )
    return ExportJob.of(config)


@pytest.fixture(scope="module")
def made(workplace):
    return export_stage.export(job_of(workplace))


def as_foreign(made):
    """Return the settings with which our own ONNX file stands for somebody else's: no network need be frozen anew."""
    given = ("preprocessing.colour=rgb", "preprocessing.normalisation=[127.5,128]")
    return (f"embedder={made}/embedder.onnx", *given)


def test_the_bundle_is_whole_and_runs(made, workplace):
    assert made == workplace / "outputs" / "2026-01-02" / "mobilenetv2-softmax" / "bundle"
    loaded = bundle.load(made)
    names = {file.path for file in loaded.manifest.files}
    assert {"embedder.pb", "embedder.onnx", "embedder.uff", "embedder.int8.onnx", "embedder.fp16.onnx"} <= names
    assert {"detector/pnet.onnx", "detector/rnet.onnx", "detector/onet.onnx", "detector/manifest.json"} <= names
    assert loaded.manifest.embedding == 16
    assert loaded.manifest.synthetic
    faces = np.random.default_rng(0).uniform(-1, 1, (3, 3, 112, 112)).astype(np.float32)
    found = {}
    for runtime in ("onnxruntime", "tensorflow", "opencv"):
        file = loaded.embedder(runtime)
        network = open_network(loaded.path(file.path), runtime, sha256=file.sha256)
        found[runtime] = next(iter(network.run(faces).values())).reshape(3, -1)
        np.testing.assert_allclose(np.linalg.norm(found[runtime], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found["tensorflow"], found["onnxruntime"], atol=1e-4)
    assert all(file.parity for file in loaded.manifest.files if file.role == "embedder")


def test_golden_vectors(made):
    loaded = bundle.load(made)
    found = golden.read(loaded)
    preprocessing = foreign.Preprocessing()
    for precision in ("fp32", "fp16", "int8"):
        file = loaded.embedder("onnxruntime", precision)
        network = open_network(loaded.path(file.path), "onnxruntime")
        vectors = next(iter(network.run(preprocessing.apply(found.crops)).values()))
        assert (vectors * found.embeddings).sum(axis=1).min() >= found.tolerance[precision]
    # Faces that differ: else any wrong network would agree.
    assert len({face.tobytes() for face in found.crops}) == len(found.crops) == 5


def test_golden_pictures_hold_what_the_bundles_detector_finds(made):
    loaded = bundle.load(made)
    found = golden.read(loaded)
    assert [one.faces.count for one in found.pictures] == [1, 3, 1, 0]
    assert [number for one in found.pictures for number in one.crops] == list(range(5))
    assert max(max(one.size) for one in found.pictures) <= 640
    assert sum(file.bytes for file in loaded.manifest.files if file.role == "golden") < 600e3
    with Detector(loaded.detector_directory, runtime="opencv", **found.detector._asdict()) as detector:
        for one in found.pictures:
            rgb = golden.read_picture(loaded, one)
            faces = detector.detect(rgb)
            np.testing.assert_allclose(
                faces.landmarks, one.faces.landmarks, atol=found.detector_tolerance.landmarks["fp32"]
            )
            np.testing.assert_allclose(faces.boxes, one.faces.boxes, atol=found.detector_tolerance.boxes["fp32"])
            np.testing.assert_allclose(faces.scores, one.faces.scores, atol=found.detector_tolerance.scores["fp32"])


def test_the_card_says_which_file_is_for_what(made):
    card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| `embedder.pb` | OpenCV 4.1 and later, TensorFlow 1.15 and later |" in card
    assert "| `embedder.uff` | TensorRT 7 to 8.6" in card
    assert "| `embedder.onnx` | ONNX Runtime, OpenVINO and TensorRT, including the versions of JetPack 4 |" in card


def test_the_same_run_again_is_the_same_network(made, workplace, tmp_path):
    overrides = (f"out={tmp_path}/again", "formats.opsets=[17]", "formats.fixed_batches=[1]", "precision.fp16=false")
    again = bundle.load(export_stage.export(job_of(workplace, *overrides)))
    before = bundle.load(made)
    assert again.manifest.fingerprint == before.manifest.fingerprint
    names = {file.path for file in again.manifest.files if file.role == "embedder"}
    assert {"embedder.opset17.onnx", "embedder.batch1.onnx"} <= names
    for name in ("embedder.onnx", "embedder.pb", "embedder.uff", "embedder.int8.onnx"):
        assert again.manifest.file(name).sha256 == before.manifest.file(name).sha256
    import onnx

    for path in again.directory.rglob("*.onnx"):
        onnx.checker.check_model(onnx.load_model_from_string(path.read_bytes()), full_check=True)


def test_the_detector_runs_from_the_bundle(made):
    from kface.mtcnn import Detector

    image, _ = render(Capture(subject_names(1)[0], 1, 1, 1, 7))
    found = Detector(models=bundle.load(made).detector_directory).detect(image)
    assert found.count == 1
    for ours, installed in zip(found, Detector().detect(image), strict=True):
        np.testing.assert_array_equal(ours, installed)
    # Nothing was written into the bundle on the way.
    bundle.load(made)


def test_card_and_settings_can_be_read(made):
    card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "synthetic sample" in card
    assert str(made.parent) not in card + (made / "manifest.json").read_text(encoding="utf-8")
    from omegaconf import OmegaConf

    settings = OmegaConf.load(made / "deploy.yaml")
    assert settings.match.unknown is None or settings.match.unknown <= settings.match.recognised
    # It is there to be edited.
    (made / "deploy.yaml").write_text("detector: {}\n", encoding="utf-8")
    bundle.load(made)


def test_an_edited_bundle_is_refused(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    bundle.load(copy)
    data = bytearray((copy / "embedder.uff").read_bytes())
    data[1000] ^= 1
    (copy / "embedder.uff").write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"embedder\.uff"):
        bundle.load(copy)


def test_what_loses_too_much_is_not_bundled(made, workplace, tmp_path, capsys, monkeypatch):
    def verdict(file, sets, size, allowed, ratios, replicates, seed, asked):
        changes = (AccuracyChange("K-Face", (0.1, 0.1 if "fp16" in file else 0.13), {1e-2: (0.5, 0.49)}),)
        return Verdict(file, changes, size, {("onnxruntime", 1): 1.0}, allowed, asked)

    monkeypatch.setattr(export_stage, "judge", verdict)
    overrides = (*as_foreign(made), "precision.allowed_loss=0.02", f"out={tmp_path}/b")
    out = export_stage.export(job_of(workplace, *overrides))
    printed = capsys.readouterr().out
    assert "refused: it loses 3.0 points, more than the allowed 2.0" in printed
    assert not (out / "embedder.int8.onnx").exists()
    names = {file.path for file in bundle.load(out).manifest.files}
    assert "embedder.int8.onnx" not in names
    assert "embedder.fp16.onnx" in names


def test_what_is_faster_nowhere_is_left_out_unless_it_is_asked_for(made, workplace, tmp_path, capsys, monkeypatch):
    ratios = {"embedder.int8.onnx": 1.3, "embedder.fp16.onnx": 0.9}
    monkeypatch.setattr(export_stage, "speed", lambda before, after, *_: {("onnxruntime", 1): ratios[after.name]})
    overrides = (*as_foreign(made), "precision.int8=auto", "precision.fp16=auto", f"out={tmp_path}/b")
    out = export_stage.export(job_of(workplace, *overrides))
    names = {file.path for file in bundle.load(out).manifest.files}
    assert "embedder.int8.onnx" in names
    assert "embedder.fp16.onnx" not in names
    assert not (out / "embedder.fp16.onnx").exists()
    assert "precision.fp16=true bundles it" in capsys.readouterr().out


def test_loss_is_judged_on_pairs():
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(8), 6)
    centres = random.normal(0, 1, (8, 3))[people]
    first, second = np.triu_indices(48, 1)
    pairs = np.stack([first, second], axis=1)
    images = np.zeros((48, 112, 112, 3), np.uint8)
    embeddings = centres + random.normal(0, 0.1, (48, 3))
    testset = TestSet("kface", "K-Face", images, pairs, people, failed=np.zeros(48, bool))
    made = {}
    for name, noise in (("exact", 0.0), ("rough", 0.01), ("ruined", 5.0)):
        other = embeddings + random.normal(0, noise, (48, 3))
        made[name] = judge(name, [(testset, embeddings, other)], (100, 30), 0.02, replicates=0)
    assert made["exact"].changes[0].loss == 0
    assert made["exact"].accepted
    assert made["rough"].accepted
    assert not made["ruined"].accepted
    assert made["ruined"].changes[0].eer[1] > made["ruined"].changes[0].eer[0] + 0.1
    assert made["ruined"].figures()["share of the size"] == 0.3
    assert made["ruined"].figures()["EER on K-Face"] == pytest.approx(made["ruined"].changes[0].eer[1], abs=1e-4)


def test_a_foreign_embedder(made, workplace, tmp_path, capsys):
    overrides = (*as_foreign(made), f"out={tmp_path}/foreign", "precision.fp16=false", "precision.int8=false")
    loaded = bundle.load(export_stage.export(job_of(workplace, *overrides)))
    card = (loaded.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    # Whose it is and what may be done with it, kface does not know; what it can do was measured.
    assert loaded.manifest.licence == "not stated"
    assert [part.licence for part in loaded.manifest.provenance[:2]] == ["not stated"] * 2
    assert "Apache" not in card
    assert "Keras" not in card
    assert "No thresholds were measured" not in card
    assert "| EER |" in card
    assert "it was imported from embedder.onnx" in card
    assert "Keras" not in capsys.readouterr().out
    assert "is not known to kface" in card
    assert loaded.manifest.thresholds.source.endswith("(whether these people were trained on is not known)")
    assert loaded.manifest.name == "embedder"
    assert loaded.manifest.fingerprint == bundle.load(made).manifest.fingerprint
    assert {file.path for file in loaded.manifest.files if file.role == "embedder"} == {"embedder.onnx"}


def test_the_old_bundle_stays_where_the_new_one_fails(made, workplace, monkeypatch):
    before = (made / "manifest.json").read_bytes()
    broken = lambda graph, output, source: b"not a network"  # noqa: E731
    monkeypatch.setattr(uff, "write_uff", broken)
    with pytest.raises(ModelError, match=r"UFF|uff"):
        export_stage.export(job_of(workplace))
    assert (made / "manifest.json").read_bytes() == before
    assert not list(made.parent.glob("bundle.*"))


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["run=/nowhere"], ConfigError, "no trained network"),
        (["embedder=/nowhere.onnx"], ConfigError, r"embedder=/nowhere\.onnx: does not exist"),
        (["formats.opsets=[]"], ConfigError, r"formats\.opsets"),
        (["formats.opsets=[12]"], ConfigError, "opset"),
        (["formats.engine_precisions=[fp8]"], ConfigError, r"formats\.engine_precisions"),
        (["formats.engines=perhaps"], ConfigError, r"formats\.engines"),
        (["parity.faces=1"], ConfigError, r"parity\.faces"),
        (["precision.allowed_loss=2"], ConfigError, r"precision\.allowed_loss"),
        (["evaluate.lfw=/nowhere"], ConfigError, r"evaluate\.lfw"),
    ],
)
def test_mistakes_are_one_line(workplace, overrides, error, message):
    with pytest.raises(error, match=message) as caught:
        export_stage.export(job_of(workplace, *overrides))
    assert "\n" not in str(caught.value)


def test_engines_that_were_asked_for_and_cannot_be_built(made, workplace, capsys):
    if "tensorrt" in runtimes():
        pytest.skip("TensorRT is installed here")
    with pytest.raises(KFaceError, match="TensorRT|tensorrt"):
        engines.build_engines(job_of(workplace, "formats.engines=true").formats, made, list)
    assert engines.build_engines(job_of(workplace).formats, made, list) == []
    assert capsys.readouterr().out == ""


def test_engines_in_the_precisions_asked_for(made, workplace, monkeypatch):
    asked = []

    def get_engine(path, precision, calibrator):
        asked.append((path.name, precision, calibrator))
        return path.with_suffix(".engine")

    monkeypatch.setattr(engines, "get_engine", get_engine)
    images = np.random.default_rng(0).integers(0, 256, (19, 112, 112, 3)).astype(np.uint8)
    job = job_of(workplace, "formats.engines=true", "formats.engine_precisions=[fp16,int8]")
    assert len(engines.build_engines(job.formats, made, lambda: images)) == 4
    names = [(name, precision) for name, precision, _ in asked]
    assert names == [
        ("onet.onnx", "fp16"),
        ("rnet.onnx", "fp16"),
        ("embedder.onnx", "fp16"),
        ("embedder.onnx", "int8"),
    ]
    assert [calibrator is not None for _, _, calibrator in asked] == [False, False, False, True]
    batches = list(asked[-1][2].batches())
    assert [batch.shape for batch in batches] == [(8, 3, 112, 112)] * 2
    np.testing.assert_allclose(batches[0][0].transpose(1, 2, 0), (images[0] - 127.5) / 128, atol=1e-6)


def test_a_run_without_its_description(made, workplace, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made.parent, run, ignore=shutil.ignore_patterns("bundle"))
    (run / "run.json").unlink()
    with pytest.raises(TrainingError, match=r"run\.json"):
        export_stage.export(job_of(workplace, f"run={run}"))


def test_a_directory_that_is_no_bundle_is_left_alone(workplace, tmp_path):
    (tmp_path / "precious").mkdir()
    with pytest.raises(ConfigError, match="exists and is not a bundle"):
        export_stage.export(job_of(workplace, f"out={tmp_path}/precious"))
