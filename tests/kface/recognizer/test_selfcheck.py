"""An embedder proves on the bundle's golden faces that its runtime computes what was exported, and `auto` goes on if not."""

import logging

import numpy as np
import pytest
from tiny_bundle import NETWORK

from kface import bundle
from kface.bundle import golden, golden_writer
from kface.errors import ModelError
from kface.networks import UnsuitableRuntimeError
from kface.recognizer import embedder as embedder_module
from kface.recognizer import selfcheck
from kface.recognizer.embedder import Embedder

COUNT = 5
WEIGHTS = np.random.RandomState(1).normal(size=(147, 12)).astype(np.float32)


def embed(batch):
    """The right embedding of a preprocessed batch: what squares of 16 pixels look like, mixed."""
    squares = batch.reshape(len(batch), 3, 7, 16, 7, 16).mean(axis=(3, 5)).reshape(len(batch), -1)
    return np.tanh(squares @ WEIGHTS)


def faces(count=COUNT):
    random = np.random.RandomState(0)
    colours = random.randint(0, 256, (count, 7, 7, 3))
    return np.repeat(np.repeat(colours, 16, 1), 16, 2).astype(np.uint8)


class Network(object):
    """Computes what it is given to compute, and remembers the batches."""

    def __init__(self, runtime="opencv", compute=embed):
        self.runtime = runtime
        self.batches = []
        self.closed = False
        self._compute = compute

    def run(self, batch):
        self.batches.append(len(batch))
        return {"embedding": self._compute(batch)}

    def close(self):
        self.closed = True


class Stale(object):
    """As OpenCV 4.9 to 4.14 are: every element off by one, the sign at random, once the batch has changed."""

    def __init__(self):
        self._seen = set()

    def __call__(self, batch):
        self._seen.add(len(batch))
        wrong = len(self._seen) > 1
        return embed(batch) + wrong * np.random.RandomState(2).choice([-1, 1], (len(batch), 12))


def write(directory, names=("embedder.onnx", "embedder.pb"), tolerance=None, parity=None, with_golden=True):
    """Write a bundle whose embedders are text, and load it."""
    directory.mkdir()
    files = []
    for name in names:
        (directory / name).write_bytes(name.encode("ascii"))
        about = dict(NETWORK, normalised=False, parity=parity if "int8" in name else None)
        about["precision"] = next((part for part in ("int8", "fp16") if part in name), "fp32")
        files.append(bundle.describe(directory, name, "embedder", **about))
    if with_golden:
        inputs = ((faces().astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
        files += golden_writer.write(directory, faces(), embed(inputs), tolerance)
    preprocessing, template = bundle.BundlePreprocessing(), bundle.AlignmentTemplate()
    bundle.write(
        directory,
        bundle.BundleManifest(
            name="tiny",
            created="2024-05-06T07:08:09+00:00",
            files=tuple(files),
            embedding=12,
            fingerprint=bundle.fingerprint(files[0].sha256, preprocessing, template),
            training={},
            thresholds=None,
            synthetic=True,
            licence="Apache-2.0",
            provenance=(),
        ),
    )
    return bundle.load(directory)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What other tests measured is forgotten."""
    monkeypatch.setattr(selfcheck, "_MEASURED", {})
    monkeypatch.setattr(selfcheck, "_WARNED", set())


@pytest.fixture
def opened(tmp_path):
    return write(tmp_path / "bundle")


@pytest.fixture
def machine(monkeypatch):
    """Has these runtimes, preferred in this order; by (runtime, ending) what each computes, or what it refuses."""
    behaviours = {}
    tried = []

    def open_network(path, runtime, threads, sha256):
        tried.append((runtime, path.name))
        behaviour = behaviours.get((runtime, path.suffix), embed)
        if isinstance(behaviour, Exception):
            raise behaviour
        return Network(runtime, behaviour)

    installed = ["openvino", "onnxruntime", "opencv"]
    monkeypatch.setattr(embedder_module, "open_network", open_network)
    monkeypatch.setattr(embedder_module, "candidates", lambda name: installed if name == "auto" else [name])
    monkeypatch.setattr(selfcheck, "runtimes", lambda: installed)
    monkeypatch.setattr(selfcheck, "version", lambda name: "4.10.0")
    behaviours["tried"] = tried
    return behaviours


def test_the_golden_faces_go_through_once_a_process(opened, machine):
    made = Embedder(opened, "opencv")
    assert made._network.batches == [1, COUNT, 1]
    np.testing.assert_allclose(made.run(faces()).vectors, golden.read(opened).embeddings, atol=1e-6)
    assert Embedder(opened, "opencv")._network.batches == []
    # Another runtime, or another precision of the file, was not measured yet.
    assert Embedder(opened, "onnxruntime")._network.batches == [1, COUNT, 1]


def test_another_version_is_measured_anew(opened, machine, monkeypatch):
    Embedder(opened, "opencv")
    monkeypatch.setattr(selfcheck, "version", lambda name: "4.11.0")
    assert len(Embedder(opened, "opencv")._network.batches) == 3


def test_what_is_wrong_when_the_batch_changes_is_refused_by_name(opened, machine):
    machine["opencv", ".pb"] = Stale()
    with pytest.raises(ModelError) as caught:
        Embedder(opened, "opencv")
    line = str(caught.value)
    assert line.startswith(str(opened.path("embedder.pb")))
    assert "wrong embeddings on opencv 4.10.0: a cosine of " in line
    assert "in a batch of 5, where 0.999 is the least" in line
    assert "runtime=openvino or runtime=onnxruntime" in line
    assert "runtime=opencv" not in line
    assert "\n" not in line
    # It is refused again without being measured again.
    with pytest.raises(ModelError, match="wrong embeddings on opencv"):
        Embedder(opened, "opencv")
    assert machine["tried"] == [("opencv", "embedder.pb")] * 2


WRONG = {
    "channels": lambda batch: embed(batch[:, ::-1]),
    "upside down": lambda batch: embed(batch[:, :, ::-1]),
    "grey levels": lambda batch: embed(batch * 128 + 127.5),
    "0 to 1": lambda batch: embed((batch * 128 + 127.5) / 255),
    "constant": lambda batch: np.ones((len(batch), 12), np.float32),
    "nothing": lambda batch: np.zeros((len(batch), 12), np.float32),
    "no number": lambda batch: np.full((len(batch), 12), np.nan, np.float32),
    "shuffled": lambda batch: embed(np.roll(batch, 1, 0)),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_other_ways_to_be_wrong(opened, machine, what):
    machine["onnxruntime", ".onnx"] = WRONG[what]
    with pytest.raises(ModelError, match="wrong embeddings on onnxruntime"):
        Embedder(opened, "onnxruntime")


@pytest.mark.parametrize("changes", [{"colour": "BGR"}, {"mean": 0.0, "divisor": 255.0}, {"mean": 0.0, "divisor": 1.0}])
def test_a_manifest_that_feeds_the_network_wrongly_is_found(opened, machine, changes):
    manifest = opened.manifest
    wrong = opened._replace(manifest=manifest._replace(preprocessing=manifest.preprocessing._replace(**changes)))
    Embedder(opened, "opencv")
    with pytest.raises(ModelError, match="wrong embeddings"):
        Embedder(wrong, "opencv")


def test_auto_goes_on_with_one_line(opened, machine, caplog):
    machine["openvino", ".onnx"] = WRONG["channels"]
    with caplog.at_level(logging.WARNING):
        made = Embedder(opened)
    assert made.runtime == "onnxruntime"
    (record,) = caplog.records
    assert "wrong embeddings on openvino" in record.getMessage()
    assert record.getMessage().endswith("going on with onnxruntime and embedder.onnx")


def test_auto_goes_on_where_a_runtime_reads_or_runs_nothing(opened, machine, caplog):
    def broken(batch):
        raise ModelError("cannot run on a batch")

    machine["openvino", ".onnx"] = UnsuitableRuntimeError("cannot be read by OpenVINO")
    machine["onnxruntime", ".onnx"] = broken
    machine["opencv", ".pb"] = UnsuitableRuntimeError("cannot be read by OpenCV")
    made = Embedder(opened)
    assert (made.runtime, made.file.path) == ("opencv", "embedder.onnx")
    assert len(caplog.records) == 3


def test_where_all_are_wrong_the_first_is_named(opened, machine):
    for place in (("openvino", ".onnx"), ("onnxruntime", ".onnx"), ("opencv", ".pb"), ("opencv", ".onnx")):
        machine[place] = WRONG["channels"]
    with pytest.raises(ModelError, match="wrong embeddings on openvino .*where all disagree, export the bundle again"):
        Embedder(opened)


def test_a_changed_file_is_not_passed_over(opened, machine):
    machine["openvino", ".onnx"] = ModelError("has been changed (its SHA-256 differs)")
    with pytest.raises(ModelError, match="SHA-256"):
        Embedder(opened)


def test_opencv_takes_the_frozen_graph_and_onnx_where_it_cannot_read_that(opened, machine, tmp_path):
    assert Embedder(opened, "opencv").file.path == "embedder.pb"
    machine["opencv", ".pb"] = UnsuitableRuntimeError("cannot be read by OpenCV")
    assert Embedder(opened, "opencv").file.path == "embedder.onnx"
    machine["opencv", ".onnx"] = UnsuitableRuntimeError("neither is this")
    with pytest.raises(ModelError, match="neither is this"):
        Embedder(opened, "opencv")
    old = write(tmp_path / "old", names=["embedder.onnx"])
    machine.pop(("opencv", ".onnx"))
    assert Embedder(old, "opencv").file.path == "embedder.onnx"


def noisy(level):
    """An embedder that is right up to some noise."""

    def compute(batch):
        right = embed(batch)
        return right + level * np.abs(right).mean() * np.random.RandomState(3).normal(size=right.shape)

    return compute


def test_reduced_precision_may_be_further_off(tmp_path, machine):
    names = ["embedder.onnx", "embedder.fp16.onnx", "embedder.int8.onnx"]
    opened = write(tmp_path / "bundle", names)
    for level, fine in ((0.005, ("fp32", "fp16", "int8")), (0.08, ("fp16", "int8")), (0.3, ("int8",)), (2, ())):
        machine["onnxruntime", ".onnx"] = noisy(level)
        for precision in ("fp32", "fp16", "int8"):
            selfcheck._MEASURED.clear()
            if precision in fine:
                Embedder(opened, "onnxruntime", precision)
            else:
                with pytest.raises(ModelError, match="wrong embeddings"):
                    Embedder(opened, "onnxruntime", precision)
    # TensorRT computes in half precision whatever the file's is.
    machine["tensorrt", ".onnx"] = noisy(0.08)
    Embedder(opened, "tensorrt")


def test_what_the_export_itself_found_sets_the_bar_of_reduced_precision(tmp_path, machine):
    machine["onnxruntime", ".onnx"] = noisy(0.6)
    names = ["embedder.onnx", "embedder.int8.onnx"]
    with pytest.raises(ModelError, match="wrong embeddings"):
        Embedder(write(tmp_path / "a", names), "onnxruntime", "int8")
    parity = {"smallest cosine by onnxruntime": 0.8, "smallest cosine by openvino": 0.4}
    selfcheck._MEASURED.clear()
    opened = write(tmp_path / "b", names, parity=parity)
    Embedder(opened, "onnxruntime", "int8")
    with pytest.raises(ModelError, match="embedder.int8.onnx is computed wrongly by openvino; choose one of: fp32"):
        Embedder(opened, "openvino", "int8")
    assert opened.precisions("openvino") == ["fp32"]


def test_quantised_embedders_are_not_for_opencv(tmp_path, machine):
    opened = write(tmp_path / "bundle", ["embedder.onnx", "embedder.pb", "embedder.int8.onnx"])
    with pytest.raises(ModelError, match="embedder.int8.onnx is computed wrongly by opencv; choose one of: fp32"):
        Embedder(opened, "opencv", "int8")
    assert machine["tried"] == []
    # With auto it is passed over.
    machine["openvino", ".onnx"] = WRONG["channels"]
    assert Embedder(opened, "auto", "int8").runtime == "onnxruntime"


def test_a_bundle_of_an_older_version_is_warned_about_once(tmp_path, machine, caplog):
    opened = write(tmp_path / "bundle", with_golden=False)
    for _ in range(2):
        assert Embedder(opened, "opencv")._network.batches == []
    (record,) = caplog.records
    assert "has no golden vectors" in record.getMessage()


def test_damaged_golden_vectors_are_no_fault_of_the_runtime(opened, machine):
    path = opened.path(golden.VECTORS)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ModelError, match="vectors.json: was changed"):
        Embedder(opened)
    assert machine["tried"] == [("openvino", "embedder.onnx")]


def test_a_network_that_was_refused_is_closed(opened, machine, monkeypatch):
    made = Network("onnxruntime", WRONG["channels"])
    monkeypatch.setattr(embedder_module, "open_network", lambda *given: made)
    with pytest.raises(ModelError):
        Embedder(opened, "onnxruntime")
    assert made.closed


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "opencv"])
def test_real_runtimes(tmp_path, runtime):
    from tiny_bundle import tiny_embedder, write_bundle

    from kface.networks import open_network, runtimes

    if runtime not in runtimes(".onnx"):
        pytest.skip("{} is not installed".format(runtime))
    place = write_bundle(tmp_path / "bundle", tiny_embedder())
    crops = faces()
    inputs = np.ascontiguousarray((crops.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)
    right = open_network(place / "embedder.onnx", runtime).run(inputs)["embedding"]
    files = golden_writer.write(place, crops, right)
    manifest = bundle.load(place).manifest
    bundle.write(place, manifest._replace(files=manifest.files + files))
    Embedder(bundle.load(place), runtime)
    wrong = manifest._replace(preprocessing=manifest.preprocessing._replace(colour="BGR"), files=manifest.files + files)
    with pytest.raises(ModelError, match="wrong embeddings on {} [0-9]+[.]".format(runtime)):
        Embedder(bundle.load(place)._replace(manifest=wrong), runtime)
