"""Watching a training: figures, loggers, validation, what is kept of a NaN, and early stopping."""

import csv
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tiny_training import HEAD, SMALL_ADAMW, TINY, run

from kface.alignment import TEMPLATE
from kface.data.dataset import read_captures
from kface.errors import ConfigError, TrainingError
from kface.images import decode_image
from train import checkpoints, pictures
from train.augment import Augmentation
from train.callbacks import EarlyStopping, StopAtNaN
from train.early_stopping import exhausted
from train.fit import FitSettings, train_run
from train.history import read_history
from train.loggers import MLflow, TensorBoard
from train.loggers.mlflow_runs import parameters, reported
from train.losses import ArcFace
from train.trained import load_backbone
from train.validation import Validation, Validator, validation_set, without

TWO = Validation(people=2, every=2, pairs=30, images=6)


@pytest.fixture(scope="module")
def watched(tiny_manifest, tmp_path_factory):
    """A run of three epochs with TensorBoard, MLflow and two people of four to validate on: its directory and its result."""
    from tiny_training import register

    directory = tmp_path_factory.mktemp("watched") / "run"
    directory.mkdir()
    loggers = [
        TensorBoard(every=1, histogram_epochs=3, faces=8, projector=15),
        MLflow(folder=str(directory / "ml"), every=1),
    ]
    (directory / "config.yaml").write_text(
        "fit: {epochs: 3}\nlogger: {mlflow: {tracking_uri: 'http://me:hush@host'}}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        register(patch.setitem)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        result = run(tiny_manifest, directory, loggers=loggers, validation=TWO)
        for logger in loggers:
            logger.finish(directory, tiny_manifest, result.backbone)
    return directory, result


def test_the_history_has_throughput_memory_and_validation(watched):
    rows = read_history(watched[0] / "history.csv")
    assert [bool(row["validation_eer"]) for row in rows] == [False, True, True]
    assert all(0 <= float(row["validation_eer"]) <= 1 for row in rows[1:])
    assert all(float(row["images_per_second"]) > 0 and float(row["learning_rate"]) > 0 for row in rows)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert 0.2 * resident < float(rows[-1]["memory_mib"]) < 5 * resident


def test_tensorboard_reads_what_was_logged(watched):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    directory, _ = watched
    events = EventAccumulator(str(directory / "tensorboard"), {"tensors": 0, "images": 0, "scalars": 0})
    events.Reload()
    figures = {
        tag: [(one.step, float(tf.make_ndarray(one.tensor_proto))) for one in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if tag.startswith(("epoch/", "step/", "validation/", "memory/"))
    }
    rows = read_history(directory / "history.csv")
    for column in ("loss", "accuracy", "learning_rate", "margin", "images_per_second"):
        # Two steps an epoch: 20 images are left of 40.
        assert [step for step, _ in figures[f"epoch/{column}"]] == [2, 4, 6]
        assert [value for _, value in figures[f"epoch/{column}"]] == pytest.approx(
            [float(row[column]) for row in rows], rel=0.05, abs=1e-4
        )
    assert [step for step, _ in figures["validation/eer"]] == [4, 6]
    assert {step for step, _ in figures["step/learning_rate"]} == set(range(1, 7))
    assert figures["memory/process_mib"]
    assert any(tag.startswith("weights/") for tag in events.Tags()["tensors"])

    tag = "faces/first batch, below it augmented"
    width, height, png = tf.make_ndarray(events.Tensors(tag)[0].tensor_proto)[:3]
    picture = decode_image(png)
    assert picture.shape == (int(height), int(width), 3) == (224, 8 * 116 - 4, 3)
    # The crosses are where the alignment puts the eyes.
    x, y = np.rint(TEMPLATE[0]).astype(int)
    assert picture[y, x].tolist() == picture[y + 112, x + 116].tolist() == list(pictures.MARK)


def test_the_projector_gets_test_people_alone(watched, tiny_manifest):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig

    folder = watched[0] / "tensorboard"
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (one,) = config.embeddings
    vectors = np.loadtxt(folder / one.tensor_path, delimiter="\t")
    with open(folder / one.metadata_path, newline="") as stream:
        labels = list(csv.DictReader(stream, delimiter="\t"))
    assert vectors.shape == (15, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert {label["person"] for label in labels} <= set(tiny_manifest.subjects("test"))
    assert list(labels[0]) == ["person", "accessory", "light", "expression", "camera", "image"]
    assert decode_image((folder / one.sprite.image_path).read_bytes()).shape == (4 * 48, 4 * 48, 3)


def test_mlflow_reads_what_was_logged(watched, tiny_manifest, monkeypatch):
    from mlflow import MlflowClient

    directory, _ = watched
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=(directory / "ml").as_uri())
    run_id = json.loads((directory / "mlflow.json").read_text())["run_id"]
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"fit.epochs": "3", "logger.mlflow.tracking_uri": "http://***@host"}
    losses = client.get_metric_history(run_id, "loss")
    rows = read_history(directory / "history.csv")
    assert [one.step for one in losses] == [2, 4, 6]
    assert [one.value for one in losses] == pytest.approx([float(row["loss"]) for row in rows], abs=1e-5)
    assert len(client.get_metric_history(run_id, "step.learning_rate")) == 6
    assert found.data.metrics["validation_eer"] == pytest.approx(float(rows[-1]["validation_eer"]), abs=1e-5)
    assert {one.path for one in client.list_artifacts(run_id)} == {"history.csv", "config.yaml", "model.json"}
    stored = [path for path in (directory / "ml").rglob("*") if path.is_file() and b"hush" in path.read_bytes()]
    # The artifact is a copy of the configuration, from which the training has removed logins.
    assert [path.name for path in stored] == ["config.yaml"]

    # A longer run continues it.
    logger = MLflow(folder=str(directory / "ml"), every=1)
    run(tiny_manifest, directory, epochs=4, resume=True, loggers=[logger], validation=TWO)
    logger.finish(directory, tiny_manifest, None)
    assert json.loads((directory / "mlflow.json").read_text())["run_id"] == run_id
    assert [one.step for one in client.get_metric_history(run_id, "loss")] == [2, 4, 6, 8]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert len(client.search_runs([found.info.experiment_id])) == 1


def test_a_place_that_mlflow_cannot_use_is_one_line_without_its_login(monkeypatch, capsys):
    with pytest.raises(ConfigError, match=r"^nowhere://\*\*\*@host: cannot be used by MLflow .*; correct") as caught:
        MLflow(tracking_uri="nowhere://me:hush@host").check()
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://me:hush@host")
    assert MLflow().uri == "nowhere://me:hush@host"

    def fails():
        raise OSError("http://me:hush@host is away\nand more")

    assert not reported(fails)
    assert capsys.readouterr().err == "train: MLflow: http://***@host is away; the training goes on without it\n"


def test_the_parameters_of_a_run_without_a_configuration(tmp_path):
    training = SimpleNamespace(
        run_dir=tmp_path, described={"fit": {"epochs": 3, "augmentation": None}, "loss": {"name": "x"}}
    )
    assert parameters(training) == {"fit.epochs": "3", "fit.augmentation": "null", "loss.name": "x"}


def test_people_of_the_validation_are_never_trained_on_nor_tested(tiny_manifest, watched):
    people = TWO.kept_people(tiny_manifest, 0)
    assert people == TWO.kept_people(tiny_manifest, 0)
    assert len({TWO.kept_people(tiny_manifest, seed) for seed in range(20)}) > 1
    assert len(people) == len(set(people)) == 2
    assert Validation(people=0.5).kept_people(tiny_manifest, 0) == people
    left = without(tiny_manifest, people)
    assert set(left.subjects("train")) == set(tiny_manifest.subjects("train")) - set(people)
    assert left.subjects("test") == tiny_manifest.subjects("test")
    assert json.loads((watched[0] / "model.json").read_text())["subjects"] == list(left.subjects("train"))

    testset = validation_set(tiny_manifest, people, TWO, 0)
    assert (len(testset.images), len(testset.pairs), int(testset.genuine.sum())) == (12, 30, 15)
    of_person = {subject: read_captures(tiny_manifest, "train", [subject]) for subject in people}
    assert sum(map(len, of_person.values())) == 20
    # Each person of the tiny data set has a colour of their own.
    means = testset.images.mean(axis=(1, 2))
    within = [np.abs(means[a] - means[b]).max() for a, b in testset.pairs[testset.genuine]]
    across = [np.abs(means[a] - means[b]).max() for a, b in testset.pairs[~testset.genuine]]
    assert max(within) < min(across)
    for settings in (Validation(people=3), Validation(people=0.1)):
        with pytest.raises(ConfigError, match=r"fit\.validation\.people: leaves \d of 4 people"):
            settings.kept_people(tiny_manifest, 0)


@pytest.fixture
def eers(monkeypatch):
    """A function that sets the EERs that validations will find, one after the other."""
    reports = iter(())

    def report(self):
        value = SimpleNamespace(value=next(reports))
        return SimpleNamespace(eer=value, accuracy=value, tar={1e-2: None})

    def set_them(*values):
        nonlocal reports
        reports = iter(values)

    monkeypatch.setattr(Validator, "report", report)
    return set_them


def test_the_best_network_is_kept_and_is_the_result(tiny_manifest, tmp_path, eers, monkeypatch):
    seen = []
    save = checkpoints.save

    def save_and_note(directory, model, position, *more):
        seen.append([np.array(weight) for weight in model.backbone.get_weights()])
        save(directory, model, position, *more)

    monkeypatch.setattr(checkpoints, "save", save_and_note)
    best = Validation(people=2, keep="best")
    eers(0.3, 0.1)
    result = run(tiny_manifest, tmp_path, epochs=2, validation=best)
    assert same(result.backbone.get_weights(), seen[1])
    # Two more epochs are worse: the best one so far is in the run's state.
    eers(0.2, 0.15)
    result = run(tiny_manifest, tmp_path, epochs=4, validation=best, resume=True)
    assert checkpoints.read_state(tmp_path / "checkpoints").best[:3] == (2, 0.1, "best-0002.weights.h5")
    assert [path.name for path in (tmp_path / "checkpoints").glob("best-*")] == ["best-0002.weights.h5"]
    assert same(load_backbone(tmp_path).get_weights(), seen[1])
    assert not same(seen[3], seen[1])


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_training_ends_early_and_stays_ended(tiny_manifest, tmp_path, eers):
    eers(0.2, 0.3, 0.1)
    early = (StopAtNaN(), EarlyStopping(patience=1))
    result = run(tiny_manifest, tmp_path, epochs=5, validation=TWO, callbacks=early)
    # Validated after epochs 2 and 4; the second one is worse.
    assert result.epochs == 4
    assert (tmp_path / "model.json").exists()
    assert run(tiny_manifest, tmp_path, epochs=5, validation=TWO, callbacks=early, resume=True).epochs == 4
    assert [row["epoch"] for row in read_history(tmp_path / "history.csv")] == ["1", "2", "3", "4"]
    assert run(tiny_manifest, tmp_path, epochs=6, validation=TWO, callbacks=(*early,), resume=True).epochs == 6


def test_when_to_stop_early():
    assert not exhausted([], 1, 0)
    assert not exhausted([0.3, 0.2, 0.1], 1, 0)
    assert exhausted([0.3, 0.1, 0.1], 1, 0)
    assert not exhausted([0.3, 0.1, 0.2, 0.05], 2, 0)
    assert exhausted([0.3, 0.29, 0.28], 2, 0.05)


@dataclass(frozen=True)
class Corrupt(Augmentation):
    """Returns an image that is not finite at one position of the first epoch."""

    def __call__(self, image, seed):
        return tf.where(tf.equal(seed[1], 13), np.float32("nan"), super().__call__(image, seed))


def test_a_batch_that_is_not_finite_is_kept(tiny_manifest, tmp_path):
    with pytest.raises(TrainingError, match=r"the loss is not finite in step 2 of epoch 1 \(kept in .*/nan\)"):
        run(tiny_manifest, tmp_path, augmentation=Corrupt())
    report = json.loads((tmp_path / "nan" / "report.json").read_text())
    assert (report["epoch"], report["step"]) == (1, 2)
    # Of 8 images a batch, number 13 is the sixth of the second one.
    assert [image["pixels_finite"] for image in report["images"]] == [True] * 5 + [False] + [True] * 2
    assert report["first_layer_not_finite"].startswith("average_pooling2d")
    assert report["gradients_not_finite"]
    # The step changed no weights; the moving averages of the BatchNormalizations had seen the batch.
    assert all("moving" in one["variable"] for one in report["weights_not_finite"])
    batch = np.load(tmp_path / "nan" / "batch.npz")
    assert np.isnan(batch["images"][5]).all()
    assert np.isfinite(np.delete(batch["images"], 5, axis=0)).all()
    assert [tiny_manifest.subjects("train")[label] for label in batch["labels"]] == batch["names"].tolist()
    picture = decode_image((tmp_path / "nan" / "batch.png").read_bytes())
    assert (picture[114:226, 228:340] == pictures.NOT_FINITE).all()
    assert not (picture[:112, :112] == pictures.NOT_FINITE).all(axis=-1).any()


@dataclass(frozen=True)
class Steep(ArcFace):
    """Adds 0 to the loss, with a gradient that is not finite."""

    name: ClassVar[str] = "steep"

    def penalty(self, batch):
        return ops.sum(ops.sqrt(0.0 * batch.norms))


def test_gradients_that_are_not_finite_change_no_weights(tiny_manifest, tmp_path):
    with pytest.raises(TrainingError, match="the gradients are not finite in step 1 of epoch 1"):
        run(tiny_manifest, tmp_path, loss=Steep())
    report = json.loads((tmp_path / "nan" / "report.json").read_text())
    assert report["weights_not_finite"] == []
    assert np.isfinite(report["loss"])
    assert report["first_layer_not_finite"] is None
    # The head's own weights do not depend on the norms.
    named = {one["variable"] for one in report["gradients_not_finite"]}
    assert named
    assert not any("head" in name for name in named)


def test_a_run_older_than_these_settings_is_resumed(undisturbed, tiny_manifest, tmp_path):
    import shutil

    directory = Path(shutil.copytree(undisturbed[0], tmp_path / "run"))
    state = json.loads((directory / "checkpoints" / "state.json").read_text())
    for key in ("step", "position", "best", "ended"):
        del state[key]
    state["schema"] = 3
    for older in state["older"]:
        del older["step"], older["position"]
    for key in ("validation", "deterministic"):
        del state["run"]["fit"][key]
    (directory / "checkpoints" / "state.json").write_text(json.dumps(state))
    with open(directory / "history.csv", newline="") as stream:
        lines = [row[:7] for row in csv.reader(stream)]
    with open(directory / "history.csv", "w", newline="") as stream:
        csv.writer(stream).writerows(lines)
    assert run(tiny_manifest, directory, epochs=4, resume=True).epochs == 4
    rows = read_history(directory / "history.csv")
    assert [bool(row["memory_mib"]) for row in rows] == [False, False, False, True]
    with pytest.raises(TrainingError, match=r"fit\.validation\.people 0 -> 2"):
        run(tiny_manifest, directory, epochs=4, resume=True, validation=TWO)


def test_pictures():
    random.seed(0)
    normalised = np.linspace(-1, 1, 2 * 112 * 112 * 3, dtype=np.float32).reshape(2, 112, 112, 3)
    images = pictures.pixels(normalised)
    np.testing.assert_allclose(images, normalised * 128 + 127.5, atol=0.51)
    marked = pictures.crossed(images)
    assert (marked != images).any()
    assert np.array_equal(images, pictures.pixels(normalised))
    assert pictures.grid(images, 2).shape == (112, 226, 3)
    # The projector reads images row by row, of as many columns as rows.
    tiles = np.stack([np.full((8, 8, 3), value, np.uint8) for value in range(5)])
    made = pictures.sprite(tiles, 4)
    assert made.shape == (12, 12, 3)
    assert [int(made[4 * (n // 3), 4 * (n % 3), 0]) for n in range(5)] == [0, 1, 2, 3, 4]


def test_wrong_settings_of_the_validation_are_named():
    for wrong, key in (({"people": 1}, "people"), ({"people": 2.5}, "people"), ({"keep": "first"}, "keep")):
        with pytest.raises(ConfigError, match=rf"fit\.validation\.{key}"):
            Validation(**wrong)
    with pytest.raises(ConfigError, match=r"fit\.validation\.keep: needs people .*; add fit\.validation\.people=8"):
        Validation(keep="best")


def test_what_cannot_be_trained_is_refused_before(tiny_manifest, tmp_path):
    settings = FitSettings(epochs=1, batch_size=8, validation=Validation(people=3))
    with pytest.raises(ConfigError, match=r"fit\.validation\.people"):
        train_run(tiny_manifest, tmp_path, TINY, HEAD, SMALL_ADAMW, settings)
