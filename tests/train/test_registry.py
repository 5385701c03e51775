"""Every backbone, loss, optimizer, callback and logger: registered alike, complete in ``conf/``, and fit for a training."""

import csv
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest
import yaml
from tiny_training import TINY, run

from kface import stage
from kface.errors import ConfigError
from train import checks, loggers
from train.backbones import BACKBONES
from train.callbacks import CALLBACKS, TrainingContext
from train.fit import FitSettings, train_run
from train.job import TrainJob
from train.loggers import LOGGERS, Csv, NoLogger, StepLog, TensorBoard
from train.losses import LOSSES, ArcFace
from train.model import FaceModel
from train.optimizers import OPTIMIZERS, SGD, AdamW
from train.registry import Registry, describe, fields_of

CONF = Path(__file__).resolve().parents[2] / "conf"
REGISTRIES = {registry.group: registry for registry in (BACKBONES, LOSSES, OPTIMIZERS, CALLBACKS, LOGGERS)}
#: Members of groups in which a file is a member.
MEMBERS = [
    (group, path.stem) for group in REGISTRIES if group != "callbacks" for path in sorted((CONF / group).glob("*.yaml"))
]
#: Members that another test of a complete training has, or that only differ from one that is trained here by a formula.
ELSEWHERE = {
    *((group, name) for group, name in MEMBERS if group == "backbone"),
    *(("loss", name) for name in ("adaface", "arcface", "cosface", "softmax")),
}


def test_every_member_is_registered_and_has_its_file():
    for group in ("loss", "optimizer", "logger"):
        assert sorted(REGISTRIES[group].members) == [name for kind, name in MEMBERS if kind == group]
    # The tiny backbone of these tests has no file.
    assert sorted({*BACKBONES.members} - {"tiny"}) == [name for kind, name in MEMBERS if kind == "backbone"]
    named = set()
    for path in (CONF / "callbacks").glob("*.yaml"):
        named |= set(yaml.safe_load(path.read_text("utf-8")))
    assert named == set(CALLBACKS.members)


@pytest.mark.parametrize(("group", "name"), MEMBERS)
def test_a_file_holds_the_fields_of_its_class(group, name):
    registry = REGISTRIES[group]
    kind = registry.members[name]
    assert kind.name == name
    document = yaml.safe_load((CONF / group / f"{name}.yaml").read_text("utf-8"))
    assert document.pop("_target_").rpartition(".")[2] == kind.__name__
    fields = {field.name for field in dataclasses.fields(kind)}
    # The size of the crops is not a setting of the training.
    assert set(document) == fields - {"size"}
    # With K-Face, as no schedule changes the defaults.
    made = registry.instantiate(stage.compose("train", [f"{group}={name}", "corpus=kface", "corpus.root=x"])[group])
    assert type(made) is kind
    assert made == kind(), "the file has the defaults of the class"
    assert kind(**fields_of(made)) == made
    described = describe(made)
    assert set(described) == {"_target_", *fields}
    assert json.loads(json.dumps(described)) == described


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, name in MEMBERS if (group, name) not in ELSEWHERE]
)
def test_every_member_trains(group, name, tiny_manifest, tmp_path):
    made = {"loss": ArcFace(), "optimizer": AdamW(), "logger": NoLogger()}
    made[group] = REGISTRIES[group].members[name]()
    if name == "csv":
        made[group] = Csv(every=2)
    if name == "sgd":
        # Its warm-up by default is as long as this training.
        made[group] = SGD(warmup_epochs=0.5)
    settings = FitSettings(epochs=1, batch_size=8, images_per_epoch=32)
    callbacks = [kind() for kind in CALLBACKS.members.values()]
    result = train_run(
        tiny_manifest, tmp_path, TINY, made["loss"], made["optimizer"], settings, callbacks, made["logger"]
    )
    assert [row["epoch"] for row in result.history] == ["1"]
    saved = json.loads((tmp_path / "checkpoints" / "state.json").read_text())["run"]
    for key in ("loss", "optimizer"):
        assert saved[key]["_target_"].rpartition(".")[2] == type(made[key]).__name__
        assert set(fields_of(made[key])) <= set(saved[key])
    written = {path.name for path in tmp_path.iterdir()}
    extra = {"tensorboard": {"tensorboard"}, "csv": {"steps.csv"}}.get(name, set())
    assert written == {"checkpoints", "history.csv", "model.json"} | extra


@pytest.mark.parametrize("name", sorted(set(BACKBONES.members) - {"tiny"}))
def test_every_backbone_takes_a_training_step(name):
    backbone = BACKBONES.make(name, {"width": 0.125, "embedding": 8, "size": 32})
    model = FaceModel(backbone(), ArcFace()(3))
    # Eagerly, because compiling the step takes much longer than the step.
    model.compile(optimizer=AdamW()(4, 2, 4), run_eagerly=True, jit_compile=False)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    model.train_on_batch(x, np.array([0, 1, 2, 0]))
    moved = [
        not np.array_equal(one, weight.numpy()) for one, weight in zip(before, model.trainable_weights, strict=True)
    ]
    assert sum(moved) > 0.5 * len(moved)
    assert BACKBONES.make(name, fields_of(backbone)) == backbone


@dataclass(frozen=True)
class Other:
    """Not a loss."""

    name: ClassVar[str] = "other"

    scale: float | None = None


def test_what_is_not_a_member_is_refused(monkeypatch):
    with pytest.raises(TypeError, match="must be a named dataclass derived from Loss"):
        LOSSES.register(Other)
    with pytest.raises(TypeError, match="'arcface' is registered already"):
        LOSSES.register(ArcFace)
    config = stage.compose("train", [])
    config.loss = {"_target_": "train.optimizers.AdamW"}
    with pytest.raises(
        ConfigError, match=r"^loss: AdamW is not a train\.losses\.base\.Loss; derive it from train\.losses\.base\.Loss"
    ):
        TrainJob.of(config)
    with pytest.raises(ConfigError, match="unknown backbone 'vgg'; choose one of: mobilenetv2, resnet50"):
        BACKBONES.make("vgg", {})
    with pytest.raises(ConfigError, match=r"^backbone\.depth: no such setting; choose one of: embedding"):
        BACKBONES.make("resnet50", {"depth": 3})
    with pytest.raises(TypeError):
        describe(3)


def test_a_member_of_a_user_s_own():
    registry = Registry("loss", LOSSES.base)

    @registry.register
    @dataclass(frozen=True)
    class Hard(ArcFace):
        name: ClassVar[str] = "hard"

        hardness: float = 0.3

    assert registry.make("hard", {"hardness": 0.5}).hardness == 0.5
    assert describe(Hard(hardness=0.5))["hardness"] == 0.5


def test_callbacks_of_a_configuration():
    def names(*overrides):
        job = TrainJob.of(stage.compose("train", ["backbone=mobilenetv2", *overrides]))
        return {callback.name: callback for callback in job.callbacks}

    assert list(names()) == ["stop_at_nan", "progress"]
    assert names()["progress"].enabled
    assert not names("progress=false")["progress"].enabled
    assert list(names("callbacks=quiet")) == ["stop_at_nan"]
    assert list(names("callbacks.progress=null")) == ["stop_at_nan"]
    with pytest.raises(ConfigError, match=r"^callbacks\.progress\.enabled: must be true or false"):
        names("callbacks.progress.enabled=3")


def test_tensorboard_has_to_be_installed(monkeypatch):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None if name == "tensorboard" else name)
    checks.check_packages(NoLogger())
    with pytest.raises(ConfigError, match="tensorboard: is not installed; run make setup, or add logger=none"):
        checks.check_packages(TensorBoard())


def test_the_steps_of_a_resumed_run(tiny_manifest, tmp_path):
    for epochs in (1, 2):
        run(tiny_manifest, tmp_path, epochs=epochs, resume=epochs > 1, logger=Csv(every=2))
    with open(tmp_path / "steps.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "2"), ("1", "4"), ("2", "2"), ("2", "4")]
    assert all(float(row["loss"]) > 0 and 0 <= float(row["accuracy"]) <= 1 for row in rows)
    assert float(rows[-1]["margin"]) > 0


@pytest.mark.parametrize("data", [b"", b"\xff\0", b"epoch,step\n1,2\n", b'"' + b"x" * 200_000])
def test_a_damaged_log_of_steps_does_not_stop_a_training(tmp_path, data):
    head = ArcFace()(3)
    head.build((None, 4))
    (tmp_path / "steps.csv").write_bytes(data)
    log = StepLog(TrainingContext(tmp_path, head, 2, 1, 4, 8), every=2)
    assert log.rows == []
    log.on_epoch_begin(1)
    log.on_train_batch_end(1, {"loss": 2.0, "accuracy": 0.5})
    log.on_epoch_end(1)
    assert (tmp_path / "steps.csv").read_text() == "epoch,step,loss,accuracy,margin\n2,2,2.000000,0.500000,0.250000\n"
    assert isinstance(log, keras.callbacks.Callback)
