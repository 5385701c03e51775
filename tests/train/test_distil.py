"""Distillation: the teacher, its embeddings, the loss against numpy, and runs with and without labels."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper
from tiny_bundle import tiny_embedder, write_bundle
from tiny_training import HEAD, SMALL_ADAMW, TINY, run

from kface import stage
from kface.data.dataset import load, read_arrays
from kface.errors import ConfigError, ModelError, TrainingError
from train import checkpoints, pipeline
from train.augment import Augmentation
from train.distil import Distillation, StudentModel, Teacher, find, open_teacher, targets
from train.fit import FitSettings, train_run
from train.history import read_history
from train.loggers import TensorBoard
from train.model import FaceModel
from train.trained import load_backbone

WEIGHTS = np.random.default_rng(3).normal(size=(48, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    """A network that takes BGR faces, averages squares of 28 pixels and multiplies: 12 numbers of any length."""
    nodes = [
        helper.make_node("AveragePool", ["face"], ["pooled"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 12])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    path = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.save_model(model, str(path))
    return path


@pytest.fixture(scope="module")
def settings(teacher_file):
    return Distillation(str(teacher_file), weight=1, colour="bgr", normalisation=[100.0, 64.0])


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def by_hand(faces):
    """What the teacher and its targets are, in numpy: uint8 (n, 112, 112, 3), RGB -> (n, 12)."""

    def embed(some):
        values = (some[..., ::-1].astype(np.float64) - 100) / 64
        cells = values.reshape(len(some), 4, 28, 4, 28, 3).mean(axis=(2, 4))
        return unit(cells.transpose(0, 3, 1, 2).reshape(len(some), 48) @ WEIGHTS)

    both = unit(embed(faces) + embed(faces[:, :, ::-1]))
    return unit(both - both.mean(axis=0))


@pytest.fixture
def data_set(tiny_manifest, tmp_path):
    """A copy of the tiny data set: the teacher's embeddings are kept inside it."""
    directory = shutil.copytree(tiny_manifest.directory, tmp_path / "faces")
    return load(directory)


def test_targets_against_numpy_and_kept(data_set, settings):
    teacher = open_teacher(settings)
    found = targets(data_set, teacher, progress=False)
    faces, _ = read_arrays(data_set, "train")
    np.testing.assert_allclose(found.values, by_hand(faces), atol=2e-3)
    assert found.values.dtype == np.float16

    def never(faces):
        raise AssertionError("it was computed before")

    kept = targets(data_set, teacher._replace(embed=never), progress=False)
    np.testing.assert_array_equal(kept.values, found.values)
    # One damaged file is computed again, and no other.
    files = sorted(data_set.directory.glob("teachers/*/*.npy"))
    assert len(files) == len(data_set.of("train")) == 4
    files[2].write_bytes(files[2].read_bytes()[:-7])
    seen = []
    counted = teacher._replace(embed=lambda faces: seen.append(len(faces)) or teacher.embed(faces))
    np.testing.assert_array_equal(targets(data_set, counted, progress=False).values, found.values)
    assert seen == [10, 10]
    # Another preprocessing is another teacher.
    other = open_teacher(dataclasses.replace(settings, colour="rgb"))
    assert other.fingerprint != teacher.fingerprint
    assert not np.allclose(targets(data_set, other, progress=False).values, found.values, atol=1e-2)
    same = Teacher("same", "0" * 64, lambda faces: np.full((len(faces), 3), 3**-0.5, np.float32), lambda: None)
    with pytest.raises(TrainingError, match="teacher same: gives all crops the same embedding"):
        targets(data_set, same, progress=False)
    other.close()
    teacher.close()


@pytest.mark.parametrize("streamed", [False, True])
def test_every_image_has_its_own_target(data_set, settings, streamed, monkeypatch):
    if streamed:
        monkeypatch.setattr(pipeline, "CACHE_BYTES", 0)
    split = pipeline.TrainingSplit.of(data_set)
    faces, _ = read_arrays(data_set, "train")
    learnt = targets(data_set, teacher := open_teacher(settings), progress=False)
    teacher.close()
    batches = learnt.joined(pipeline.batches(split, 10, 40, 1, seed=5, numbered=True))
    seen = []
    for images, (labels, values) in batches.as_numpy_iterator():
        for image, label, value in zip(images, labels, values, strict=True):
            number = int(np.abs(faces - (image * 128 + 127.5)).max(axis=(1, 2, 3)).argmin())
            np.testing.assert_array_equal(value, learnt.values[number])
            assert label == number // 10
            seen.append(number)
    assert sorted(seen) == list(range(40))
    assert seen != sorted(seen)


@pytest.mark.parametrize("weight", [0.3, 1.0])
@pytest.mark.parametrize("size", [16, 12])
def test_the_loss_against_numpy(weight, size):
    random = np.random.default_rng(1)
    embeddings, labels = random.normal(size=(6, 16)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    goal = unit(random.normal(size=(6, size))).astype(np.float16)
    keras.utils.set_random_seed(2)
    student = StudentModel(TINY(), HEAD(3), size, weight)
    assert (student.projection is None) == (size == 16)
    projected = embeddings if size == 16 else embeddings @ student.projection.kernel.numpy()
    cosines = unit(projected) @ goal.astype(np.float32).T
    margin = float(FaceModel.compute_loss(student, None, labels, embeddings)) if weight < 1 else 0.0
    wanted = (1 - weight) * margin + weight * (1 - np.diag(cosines).mean())
    found = float(student.compute_loss(None, (labels, tf.constant(goal)), embeddings))
    assert found == pytest.approx(wanted, abs=2e-4)
    assert float(student.agreement.result()) == pytest.approx(np.diag(cosines).mean(), abs=1e-3)
    if weight == 1:
        closest = (cosines.argmax(axis=1) == np.arange(6)).mean()
        assert float(student.accuracy.result()) == pytest.approx(closest)
        assert not student.head.trainable_variables


def fit(weight, settings, epochs=4):
    return FitSettings(
        epochs=epochs,
        batch_size=8,
        augmentation=Augmentation(True, 0, 0, 0),
        distil=dataclasses.replace(settings, weight=weight),
    )


@pytest.fixture
def unlabelled(data_set):
    """All are one person: nothing but the teacher tells them apart."""
    return data_set._replace(shards=tuple(shard._replace(subject="person0") for shard in data_set.shards))


def normalised(faces):
    return (faces.astype(np.float32) - 127.5) / 128


def test_without_labels(unlabelled, settings, tmp_path):
    result = train_run(unlabelled, tmp_path, TINY, HEAD, SMALL_ADAMW, fit(1, settings))
    rows = read_history(tmp_path / "history.csv")
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    faces, _ = read_arrays(unlabelled, "train")
    embeddings = np.asarray(result.backbone(normalised(faces), training=False))
    goal = by_hand(faces)
    # The student's embeddings are as far apart as the teacher's.
    found = np.corrcoef((unit(embeddings) @ unit(embeddings).T).ravel(), (goal @ goal.T).ravel())[0, 1]
    assert found > 0.5
    other = fit(1, dataclasses.replace(settings, colour="rgb"))
    with pytest.raises(TrainingError, match=r"other settings: fit\.distil\.colour bgr -> rgb, teacher "):
        train_run(unlabelled, tmp_path, TINY, HEAD, SMALL_ADAMW, other, resume=True)


def test_photographs_without_identities_are_logged_and_explained(data_set, settings, tmp_path):
    photographs = data_set._replace(source={**data_set.source, "labelled": False})
    assert not photographs.labelled(0)
    logged = train_run(photographs, tmp_path / "a", TINY, HEAD, SMALL_ADAMW, fit(1, settings, 1), (), (TensorBoard(),))
    assert logged.epochs == 1
    broken = dataclasses.replace(fit(1, settings, 1), augmentation=Broken())
    with pytest.raises(TrainingError, match="the loss is not finite in step 1 of epoch 1"):
        train_run(photographs, tmp_path / "b", TINY, HEAD, SMALL_ADAMW, broken)
    report = json.loads((tmp_path / "b" / "nan" / "report.json").read_text())
    assert {image["name"] for image in report["images"]} == {""}
    assert np.load(tmp_path / "b" / "nan" / "batch.npz")["names"].tolist() == [""] * 8


class Broken(Augmentation):
    """Returns images that are not finite."""

    def __call__(self, image, seed):
        return super().__call__(image, seed) * np.float32("nan")


@pytest.mark.slow
def test_a_killed_run_goes_on(unlabelled, settings, tmp_path, monkeypatch):
    save = checkpoints.save

    def then_copy(place, model, position, *more):
        save(place, model, position, *more)
        if position.epoch == 2:
            shutil.copytree(place.parent, tmp_path / "killed")

    monkeypatch.setattr(checkpoints, "save", then_copy)
    (tmp_path / "run").mkdir()
    faces, _ = read_arrays(unlabelled, "train")
    complete, resumed = (
        train_run(unlabelled, tmp_path / name, TINY, HEAD, SMALL_ADAMW, fit(1, settings), resume=name == "killed")
        for name in ("run", "killed")
    )
    wanted = np.asarray(complete.backbone(normalised(faces), training=False))
    np.testing.assert_allclose(np.asarray(resumed.backbone(normalised(faces), training=False)), wanted, atol=1e-3)


@pytest.mark.slow
def test_beside_labels(data_set, settings, tmp_path):
    run(data_set, tmp_path, epochs=1, images_per_epoch=16, distil=dataclasses.replace(settings, weight=0.5))
    assert np.isfinite(float(read_history(tmp_path / "history.csv")[0]["loss"]))
    # What is saved is the backbone alone.
    assert load_backbone(tmp_path).output_shape == (None, 16)


def test_a_bundle_as_teacher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundles").mkdir()
    with pytest.raises(
        ConfigError, match=r"teacher=pretrained: there is no bundle.*; make it: kface export embedder=pre"
    ):
        find(Distillation())
    write_bundle(tmp_path / "bundles" / "other", tiny_embedder())
    directory = write_bundle(tmp_path / "bundles" / "mine", tiny_embedder(), name="dlib-resnet")
    assert find(Distillation()) == directory.relative_to(tmp_path)
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    teacher = open_teacher(Distillation(str(directory)))
    cells = (faces.astype(np.float64).reshape(3, 7, 16, 7, 16, 3).mean(axis=(2, 4)) - 127.5) / 128
    wanted = (cells - cells.mean(axis=(1, 2), keepdims=True)).transpose(0, 3, 1, 2).reshape(3, 147)
    np.testing.assert_allclose(teacher.embed(faces), unit(wanted), atol=1e-5)
    teacher.close()
    with pytest.raises(ConfigError, match=r"fit\.distil\.colour: is set by the bundle's manifest; remove it"):
        open_teacher(Distillation(str(directory), colour="rgb"))
    (directory / "embedder.onnx").write_bytes(b"another")
    with pytest.raises(ModelError):
        open_teacher(Distillation(str(directory)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": 0}, r"fit\.distil\.weight: must be a number, above 0, at most 1, not 0"),
        ({"weight": 1.5}, r"fit\.distil\.weight"),
        ({"teacher": ""}, r"fit\.distil\.teacher: must be a text"),
        (
            {"teacher": "a.onnx"},
            r"teacher=a\.onnx: the input that it expects is not known; add fit\.distil\.colour=rgb",
        ),
        ({"colour": "grb"}, r"fit\.distil\.colour: must be rgb or bgr"),
        ({"normalisation": 5}, r"fit\.distil\.normalisation: must be \[MEAN,DIVISOR\]"),
        ({"normalisation": [1, 0]}, r"fit\.distil\.normalisation: must be a number, at least 1e-06"),
    ],
)
def test_wrong_settings_are_named(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Distillation(**wrong)
    assert stage.instantiate(stage.compose("train", ["distil=teacher"]).fit, "fit").distil == Distillation()


def test_a_teacher_that_does_not_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.onnx: does not exist; give an ONNX file or a bundle"):
        open_teacher(Distillation(str(tmp_path / "none.onnx"), colour="rgb", normalisation=[0, 1]))
    with pytest.raises(ConfigError, match=r"fit\.distil: must be a group of settings or null"):
        FitSettings(distil="pretrained")
