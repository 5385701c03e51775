"""``make evaluate`` of bundles and ONNX files: without TensorFlow, with the figures of the run."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import tiny_embedder, write_bundle

from kface import stage
from kface.data.testsets import bin_set, kface_set
from kface.errors import ConfigError, KFaceError, ModelError
from kface.evaluation import exported, runs, table5
from kface.evaluation.evaluate import evaluate as evaluate_network
from kface.evaluation.job import EvaluateJob
from kface.evaluation.reports import read_report
from kface.images import encode_png
from train import evaluate

#: Runs the command where TensorFlow, Keras and HDF5 cannot be found, as where they are not installed.
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "h5py")))
sys.argv = ["evaluate"] + sys.argv[1:]
runpy.run_module("train.evaluate", run_name="__main__")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_manifest):
    """A folder with a bundle, its network as a file, and a test set in insightface's form."""
    folder = tmp_path_factory.mktemp("place")
    network = tiny_embedder()
    write_bundle(folder / "bundle", network)
    (folder / "other.onnx").write_bytes(network)
    random = np.random.default_rng(0)
    faces = [random.integers(0, 256, (7, 7, 3)) for _ in range(12)]
    images, genuine = [], []
    for number, face in enumerate(faces):
        for partner in (number, (number + 1) % len(faces)):
            for base in (face, faces[partner]):
                blurred = np.kron(base, np.ones((16, 16, 1))) + random.normal(0, 60, (112, 112, 3))
                images.append(encode_png(np.clip(blurred, 0, 255).astype(np.uint8)))
            genuine.append(partner == number)
    (folder / "agedb_30.bin").write_bytes(pickle.dumps((images, genuine), protocol=2))
    return folder


def run(place, *overrides):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, "evaluate.bootstrap=20", "evaluate.agedb30=agedb_30.bin", *overrides],
        cwd=place,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )


def means(images):
    """What the tiny network computes, in numpy."""
    pooled = (images.astype(np.float32) - 127.5) / 128.0
    pooled = pooled.reshape(len(images), 7, 16, 7, 16, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    return (pooled - pooled.mean(axis=(2, 3), keepdims=True)).reshape(len(images), -1)


def test_a_bundle_without_tensorflow(place, tiny_manifest):
    done = run(place, "bundle=bundle", "out=report", f"data_set={tiny_manifest.directory}", "evaluate.pairs=40")
    assert done.returncode == 0, done.stderr
    assert "tiny (bundle tiny, fp32 on " in done.stdout
    assert {path.name for path in (place / "report").iterdir()} == {"report.json", "roc.png", "det.png", "scores"}
    report = read_report(place / "report" / "report.json")
    sets = [kface_set(tiny_manifest, 40, 0), bin_set(place / "agedb_30.bin", "agedb30", "AgeDB-30")]
    wanted = evaluate_network(means, sets, place / "wanted", report["run"], replicates=20)
    for key in ("kface", "agedb30"):
        for figure in ("accuracy", "eer"):
            assert report["sets"][key][figure]["value"] == pytest.approx(wanted["sets"][key][figure]["value"], abs=1e-4)
            assert report["sets"][key][figure]["interval"] == pytest.approx(
                wanted["sets"][key][figure]["interval"], abs=1e-3
            )
    assert report["sets"]["agedb30"]["eer"]["value"] < 0.4


def test_an_embedder_without_tensorflow(place):
    given = ["preprocessing.colour=rgb", "preprocessing.normalisation=[127.5,128]"]
    done = run(place, "embedder=other.onnx", *given)
    assert done.returncode == 0, done.stderr
    assert "note: the data set was not found" in done.stdout
    assert "Table 5, other.onnx (rgb, (x - 127.5) / 128, on " in done.stdout
    (path,) = place.glob("outputs/*/other-evaluation/report.json")
    assert read_report(path)["sets"]["kface"] is None
    listed = table5.collect(place / "outputs")
    assert [one["run"]["backbone"] for one in listed] == ["other.onnx"]
    assert "| other.onnx (rgb, (x - 127.5) / 128, on " in table5.table(listed)


@pytest.fixture(scope="module")
def fake_library(tmp_path_factory):
    """A C++ library that computes an embedding by arithmetic: the mean colour and 1, made 1 long."""
    source = Path(__file__).resolve().parents[1] / "kface" / "library" / "fake_kface.c"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (apt-get install gcc)")
    out = tmp_path_factory.mktemp("library") / "libkface.so"
    include = source.parents[3] / "src" / "export" / "library" / "include"
    subprocess.run([compiler, "-shared", "-fPIC", "-I", include, source, "-o", out, "-lm"], check=True)
    return out


def colours(images):
    """What the fake library computes, in numpy."""
    return np.pad(images.reshape(len(images), -1, 3).mean(axis=1), ((0, 0), (0, 1)), constant_values=1)


def test_the_library_without_tensorflow(place, fake_library):
    # The number is what the fake library takes for a model.
    (place / "bundle" / "model").write_text("5")
    done = run(place, "bundle=bundle", f"library={fake_library}", "out=by-library")
    assert done.returncode == 0, done.stderr
    assert "tiny (library 9.8.7 with bundle tiny, on aligned faces), trained on data unknown to kface" in done.stdout
    report = read_report(place / "by-library" / "report.json")
    wanted = evaluate_network(
        colours,
        [bin_set(place / "agedb_30.bin", "agedb30", "AgeDB-30")],
        place / "colours",
        report["run"],
        replicates=20,
    )
    for figure in ("accuracy", "eer"):
        assert report["sets"]["agedb30"][figure]["value"] == pytest.approx(
            wanted["sets"]["agedb30"][figure]["value"], abs=0.02
        )
    # Another network than the bundle's own, so the library and nothing else was measured.
    assert (
        report["sets"]["agedb30"]["eer"]["value"]
        != read_report(place / "report" / "report.json")["sets"]["agedb30"]["eer"]["value"]
    )


def test_of_two_outputs_the_named_one_is_verified(place, monkeypatch):
    import onnx

    model = onnx.load(place / "other.onnx")
    vector = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Neg", [vector], ["second"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("second", 1, ["n", 147]))
    model.graph.output[0].name = "first"
    model.graph.node.append(onnx.helper.make_node("Identity", [vector], ["first"]))
    onnx.save(model, place / "two.onnx")
    monkeypatch.chdir(place)
    given = ["preprocessing.colour=rgb", "preprocessing.normalisation=[127.5,128]"]
    with pytest.raises(ConfigError, match="output=first or output=second"):
        exported.open_exported(job_of("embedder=two.onnx", *given))
    network = exported.open_exported(job_of("embedder=two.onnx", "output=second", *given))
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    assert np.allclose(network.embed(faces), -exported.unit(means(faces)), atol=1e-5)
    network.close()


def config_of(*overrides):
    return stage.compose("evaluate", list(overrides))


def job_of(*overrides):
    return EvaluateJob.of(config_of(*overrides))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run=a", "bundle=b"], "run and bundle: exclude each other"),
        (["bundle=a", "embedder=b"], "bundle and embedder: exclude each other"),
        (["run=a", "out=b"], "out: applies to bundle=DIR"),
        (["bundle=5"], "5: is not a bundle"),
        (["bundle=[5]"], r"\[5\]: is not a bundle"),
        (["run=a", "output=b"], "output: applies to embedder=FILE"),
        (["library=a"], "library=a: runs a bundle; add bundle=DIR"),
        (["library=a", "embedder=b"], "library=a: runs a bundle"),
        (["library=a", "bundle=bundle", "precision=int8"], "precision: cannot be chosen for the library"),
        (["library=absent.so", "bundle=bundle"], "absent.so does not exist"),
        (["evaluate.protocols=[q5]"], r"evaluate\.protocols: must be a list of q1, q2, q3, q4"),
        (["evaluate.protocols=3"], r"evaluate\.protocols: must be a list of"),
        (["evaluate.pair_lists=absent"], r"evaluate\.pair_lists=absent: does not exist"),
        (["evaluate.pair_lists=other.onnx"], r"evaluate\.pair_lists=other\.onnx: is not a directory"),
        (["evaluate.conditions=maybe"], r"evaluate\.conditions: must be true or false"),
        (["evaluate.calfw=absent"], r"evaluate\.calfw=absent: does not exist"),
        (["evaluate.ijbc=other.onnx", "bundle=bundle"], r"other\.onnx: is not a directory; give the folder of IJB-C"),
        (["seed=-1"], "seed: must be a whole number"),
        (["bundle=absent"], "absent: is not a bundle"),
        (["embedder=other.onnx"], r"add preprocessing\.colour=rgb"),
        (["embedder=x", "preprocessing.colour=grey", "preprocessing.normalisation=[0,1]"], "must be rgb or bgr"),
        (["embedder=x", "preprocessing.colour=rgb", "preprocessing.normalisation=3"], r"must be \[mean,divisor\]"),
        (
            ["embedder=x", "preprocessing.colour=rgb", "preprocessing.normalisation=[0,0]"],
            "must be a number, at least 1e-06",
        ),
        (["embedder=x", "preprocessing.colour=rgb", "preprocessing.normalisation=[nan,1]"], "must be a number"),
        (["embedder=x", "preprocessing.colour=rgb", "preprocessing.normalisation=[0,1]"], "there is no such file"),
        (["bundle=bundle", "preprocessing.colour=rgb"], "is set by the bundle's manifest"),
        (["bundle=bundle", "precision=int8"], "no embedder.onnx of precision int8"),
        (["bundle=bundle", "out=bundle"], r"out=bundle: holds a manifest\.json"),
        (["bundle=bundle", "out=other.onnx"], "cannot be created"),
        (["bundle=bundle"], "there is no test set to verify on"),
    ],
)
def test_what_makes_no_sense_is_one_line(place, monkeypatch, overrides, message):
    monkeypatch.chdir(place)
    with pytest.raises((ConfigError, KFaceError), match=message) as caught:
        evaluate.main(config_of(*overrides, "output_dir=none", "progress=false"))
    assert "\n" not in str(caught.value)
    assert not Path("none").exists()


def test_a_number_in_place_of_a_name_is_refused(place, monkeypatch):
    monkeypatch.chdir(place)
    # On the command line 5 is a name; in a file of settings it is a number.
    config = config_of("output_dir=none", "progress=false")
    config.bundle = 5
    with pytest.raises(ConfigError, match="bundle: must be a text"):
        evaluate.main(config)


def test_the_data_set_is_the_one_of_the_training(place, tiny_manifest, tmp_path, capsys):
    manifest = tiny_manifest
    about = {"data_set_fingerprint": manifest.fingerprint}
    given = job_of("bundle=x", f"data_set={manifest.directory}")
    assert exported.find_data_set(given, about).fingerprint == manifest.fingerprint
    assert capsys.readouterr().out == ""
    exported.find_data_set(given, {"data_set_fingerprint": "another"})
    assert "it may know the test people" in capsys.readouterr().out
    beside = tmp_path / "run"
    beside.mkdir()
    known = {"backbone": "tiny", "loss": "x", "trained_on": "x", "seed": 3, "backbone_arguments": {"name": "tiny"}}
    runs.write_about(beside, {**known, "data_set": str(manifest.directory)})
    found = exported.find_data_set(job_of(f"bundle={beside}/bundle"), about)
    assert found is not None
    assert found.fingerprint == manifest.fingerprint
    assert exported.find_data_set(job_of(f"bundle={beside}/bundle"), {"data_set_fingerprint": "another"}) is None


def test_the_seed_is_the_training_s():
    assert job_of().seeded({"seed": 7}).seed == 7
    assert job_of("seed=3").seeded({"seed": 7}).seed == 3
    assert job_of().seeded({}).seed == 0


def test_mirrored_faces_count_as_much():
    images = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    both = exported.mirrored(lambda faces: exported.unit(means(faces)))
    np.testing.assert_allclose(both(images), both(np.ascontiguousarray(images[:, :, ::-1])), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(both(images), axis=1), 1, atol=1e-6)


def test_embeddings_that_are_no_numbers_are_refused(place, monkeypatch):
    monkeypatch.chdir(place)
    Path("infinite.onnx").write_bytes(tiny_embedder(sign=float("inf")))
    given = ["preprocessing.colour=bgr", "preprocessing.normalisation=[0,255]"]
    with pytest.raises(ModelError, match="not finite"):
        evaluate.main(config_of("embedder=infinite.onnx", *given, "evaluate.agedb30=agedb_30.bin", "output_dir=none2"))


def test_a_bundle_that_lies_about_its_training_is_still_named(tmp_path):
    directory = write_bundle(tmp_path / "bundle", tiny_embedder())
    path = directory / "manifest.json"
    document = json.loads(path.read_text())
    from kface.bundle.manifest import digest

    document["training"] = {"run": {"backbone": 5, "loss": [], "trained_on": "", "seed": "x"}}
    document["digest"] = digest(document)
    path.write_text(json.dumps(document))
    about = exported.open_exported(job_of(f"bundle={directory}")).about
    assert (about["backbone"], about["loss"], about["trained_on"]) == ("tiny", None, "data unknown to kface")
    assert "seed" not in about
