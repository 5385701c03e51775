"""Intact bundles: written, moved, loaded, and queried for their files."""

import json

import numpy as np
import pytest
from bundle_fakes import FILES, fill, manifest_of, write_bundle

from kface import alignment, bundle
from kface.errors import ConfigError, ModelError


@pytest.fixture
def directory(tmp_path):
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_is_loaded_is_what_was_written(tmp_path):
    written = write_bundle(tmp_path / "bundle")
    for check in ("hashes", "sizes"):
        found = bundle.load(tmp_path / "bundle", check=check)
        assert found.directory == tmp_path / "bundle"
        by_path = written._replace(files=tuple(sorted(written.files, key=lambda file: file.path)))
        assert found.manifest == by_path


def test_equal_bundles_have_equal_manifests(tmp_path):
    write_bundle(tmp_path / "a")
    write_bundle(tmp_path / "b")
    assert (tmp_path / "a" / "manifest.json").read_bytes() == (tmp_path / "b" / "manifest.json").read_bytes()


def test_a_bundle_can_be_moved_as_a_whole_and_reached_by_a_link(directory, tmp_path):
    moved = tmp_path / "다른 곳"
    directory.rename(moved)
    assert bundle.load(str(moved)).path("embedder.pb") == moved / "embedder.pb"
    (tmp_path / "link").symlink_to(moved)
    assert bundle.load(tmp_path / "link").path("embedder.pb").read_bytes().startswith(b"embedder.pb")


def test_links_within_the_bundle_and_other_files_are_no_fault(directory):
    before = bundle.load(directory).manifest
    (directory / "note.txt").write_text("a note")
    (directory / "latest").symlink_to("deploy.yaml")
    assert bundle.load(directory).manifest == before


def test_the_template_is_the_one_that_faces_are_aligned_to(directory):
    template = bundle.load(directory).manifest.template
    assert template.points[0] == (38.2946, 51.6963)
    np.testing.assert_array_equal(np.array(template.points, np.float32), alignment.TEMPLATE)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "tensorrt"])
def test_runtimes_that_take_onnx(directory, runtime):
    found = bundle.load(directory)
    assert found.embedder(runtime).path == "embedder.onnx"
    assert found.embedder(runtime, "int8").path == "embedder.int8.onnx"
    with pytest.raises(ModelError, match=r"no embedder\.onnx.* of precision fp16 for .*; choose one of: fp32, int8"):
        found.embedder(runtime, "fp16")


def test_opencv_takes_the_frozen_graph_then_onnx_and_nothing_quantised(directory):
    found = bundle.load(directory)
    assert [file.path for file in found.embedders("opencv")] == ["embedder.pb", "embedder.onnx"]
    assert found.embedder("opencv").path == "embedder.pb"
    files = tuple(file for file in found.manifest.files if file.format != "pb")
    older = found._replace(manifest=found.manifest._replace(files=files))
    assert older.embedder("opencv").path == "embedder.onnx"
    with pytest.raises(ModelError, match="embedder.int8.onnx is computed wrongly by opencv; choose one of: fp32"):
        found.embedder("opencv", "int8")
    assert found.precisions("opencv") == ["fp32"]
    assert found.precisions("onnxruntime") == ["fp32", "int8"]


def test_what_the_export_found_to_be_wrong_is_not_opened(directory):
    found = bundle.load(directory)
    parity = {"smallest cosine by onnxruntime": 0.99, "smallest cosine by openvino": 0.82, "faces": 16}
    files = tuple(
        file._replace(parity=parity) if file.path == "embedder.int8.onnx" else file for file in found.manifest.files
    )
    found = found._replace(manifest=found.manifest._replace(files=files))
    assert found.embedder("onnxruntime", "int8").path == "embedder.int8.onnx"
    with pytest.raises(ModelError, match="embedder.int8.onnx is computed wrongly by openvino"):
        found.embedder("openvino", "int8")


def test_other_runtimes_and_precisions(directory):
    found = bundle.load(directory)
    assert found.embedder("tensorflow") == found.manifest.file("embedder.pb")
    assert found.embedder("tensorflow").layout == "NHWC"
    with pytest.raises(ModelError, match="no embedder.pb of precision int8 for tensorflow; choose one of: fp32"):
        found.embedder("tensorflow", "int8")
    with pytest.raises(ConfigError, match="caffe: unknown runtime; choose one of: onnxruntime"):
        found.embedder("caffe")
    with pytest.raises(ConfigError, match="int4: unknown precision"):
        found.embedder("opencv", "int4")
    empty = found._replace(manifest=found.manifest._replace(files=()))
    with pytest.raises(ModelError, match="export one"):
        empty.embedder("opencv")


def test_among_several_files_dynamic_batches_win_then_the_oldest_opset(directory):
    found = bundle.load(directory)
    base = found.manifest.file("embedder.onnx")
    files = (
        base._replace(path="embedder.batch1.onnx", batch=1, opset=9),
        base._replace(path="embedder.onnx", opset=13),
        base._replace(path="embedder.opset17.onnx", opset=17),
    )
    found = found._replace(manifest=found.manifest._replace(files=files))
    for runtime in ("onnxruntime", "openvino", "opencv", "tensorrt"):
        assert found.embedder(runtime).path == "embedder.onnx"


def test_files_by_name(directory):
    found = bundle.load(directory)
    assert found.path("detector/pnet.onnx") == directory / "detector" / "pnet.onnx"
    assert found.detector_directory == directory / "detector"
    with pytest.raises(ModelError, match="embedder.engine: is not in the bundle"):
        found.path("embedder.engine")


def test_the_detector_and_an_embedder_open_from_a_bundle(tmp_path):
    pytest.importorskip("onnxruntime")
    from kface.mtcnn import Detector, weights
    from kface.networks import open_network

    try:
        source = weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    (tmp_path / "detector").mkdir()
    for name in sorted(weights.hashes(source)) + ["manifest.json"]:
        (tmp_path / "detector" / name).write_bytes((source / name).read_bytes())
    # Any network will do for an embedder that is only opened.
    (tmp_path / "embedder.onnx").write_bytes((source / "rnet.onnx").read_bytes())
    network = dict(FILES["detector/pnet.onnx"][1])
    files = [
        bundle.describe(tmp_path, "detector/" + name, "detector", **(network if name.endswith("onnx") else {}))
        for name in sorted(path.name for path in (tmp_path / "detector").iterdir())
    ] + [bundle.describe(tmp_path, "embedder.onnx", "embedder", normalised=False, **network)]
    bundle.write(tmp_path, manifest_of(tuple(files)))
    found = bundle.load(tmp_path)
    before = sorted(tmp_path.glob("**/*"))
    detector = Detector(models=found.detector_directory, runtime="onnxruntime", threads=1)
    assert len(detector.detect(np.zeros((40, 40, 3), np.uint8)).boxes) == 0
    file = found.embedder("onnxruntime")
    opened = open_network(found.path(file.path), "onnxruntime", threads=1, sha256=file.sha256)
    assert opened.run(np.zeros((2, 3, 24, 24), np.float32))["logits"].shape == (2, 1)
    assert sorted(tmp_path.glob("**/*")) == before


def test_a_detector_without_its_manifest_is_not_handed_out(directory):
    found = bundle.load(directory)
    files = tuple(file for file in found.manifest.files if file.path != "detector/manifest.json")
    with pytest.raises(ModelError, match="detector/manifest.json: is not in the bundle"):
        found._replace(manifest=found.manifest._replace(files=files)).detector_directory  # noqa: B018


def test_the_fingerprint_follows_weights_preprocessing_and_template():
    preprocessing, template = bundle.BundlePreprocessing(), bundle.AlignmentTemplate()
    found = {
        bundle.fingerprint("a" * 64, preprocessing, template),
        bundle.fingerprint("b" * 64, preprocessing, template),
        bundle.fingerprint("a" * 64, preprocessing._replace(colour="BGR"), template),
        bundle.fingerprint("a" * 64, preprocessing._replace(mean=0.0), template),
        bundle.fingerprint("a" * 64, preprocessing._replace(divisor=127.5), template),
        bundle.fingerprint("a" * 64, preprocessing, template._replace(points=template.points[::-1])),
    }
    assert len(found) == 6
    assert bundle.fingerprint("a" * 64, bundle.BundlePreprocessing(), bundle.AlignmentTemplate()) in found


def test_what_cannot_be_loaded_is_not_written(tmp_path):
    manifest = manifest_of(fill(tmp_path))
    first, rest = manifest.files[0], manifest.files[1:]
    faults = {
        "deploy.yaml: was changed": manifest._replace(files=(first._replace(sha256="0" * 64),) + rest),
        "deploy.yaml: has 40 bytes, not the 41": manifest._replace(files=(first._replace(bytes=41),) + rest),
        "deploy.yaml: is in the manifest twice": manifest._replace(files=(first,) + manifest.files),
        "role must be one of": manifest._replace(files=(first._replace(role="other"),) + rest),
        "embedder.onnx: is not in the bundle": manifest._replace(
            files=tuple(file for file in manifest.files if file.path != "embedder.onnx")
        ),
        "fingerprint is not that": manifest._replace(fingerprint="0" * 64),
        "cannot be written as JSON": manifest._replace(training={"eer": float("nan")}),
        "created must be of the form": manifest._replace(created="yesterday"),
    }
    for message, fault in faults.items():
        with pytest.raises(ModelError, match=message) as caught:
            bundle.write(tmp_path, fault)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "manifest.json").exists()
    bundle.write(tmp_path, manifest)
    bundle.load(tmp_path)


def test_describing_an_absent_file(tmp_path):
    with pytest.raises(ModelError, match="embedder.onnx: cannot be read"):
        bundle.describe(tmp_path, "embedder.onnx", "embedder")


def test_writing_into_a_directory_that_takes_nothing(tmp_path, monkeypatch):
    from kface.bundle import directory as module

    def full(path, value):
        raise OSError(28, "No space left on device")

    manifest = manifest_of(fill(tmp_path))
    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(ModelError, match=r"manifest.json: cannot be written \(No space left on device\)"):
        bundle.write(tmp_path, manifest)


def test_the_manifest_is_plain_json(directory):
    document = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert document["kind"] == "kface bundle"
    assert document["preprocessing"] == {"size": [112, 112], "colour": "RGB", "mean": 127.5, "divisor": 128.0}
    assert set(document["files"]["embedder.uff"]) == {
        "sha256",
        "bytes",
        "role",
        "format",
        "precision",
        "opset",
        "batch",
        "normalised",
        "input",
        "outputs",
        "layout",
        "parity",
    }
