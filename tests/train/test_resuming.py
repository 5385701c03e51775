"""Resuming: no setting that affects the weights changes unnoticed, whatever its name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tiny_training import HEAD, SMALL_ADAMW, TINY, run

from kface import stage
from kface.errors import TrainingError
from kface.evaluation import runs, table5
from train import augment, checkpoints, optimizers, resuming
from train.checks import check_resume
from train.fit import FitSettings, train_run
from train.history import read_history
from train.job import TrainJob, plain
from train.losses import ArcFace

#: Another value for each kind of setting.
OTHER = {int: lambda value: value + 1, float: lambda value: value + 0.01, str: lambda value: value + "x"}


def other(value):
    if value is None:
        return 7
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [*value, 1]
    return OTHER[type(value)](value)


@pytest.fixture
def started(tmp_path):
    """A run as the stage leaves it: its directory, and its configuration."""
    config = stage.compose("train")
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    return tmp_path, plain(config)


def test_every_setting_there_is_is_compared_unless_it_is_listed(started):
    run_dir, config = started
    assert resuming.check(run_dir, config) == {}
    seen = set()
    for key, value in resuming.flat(config):
        changed = json.loads(json.dumps(config))
        node = changed
        *path, last = key.split(".")
        for name in path:
            node = node[name]
        node[last] = other(value)
        if resuming.free(key):
            assert resuming.check(run_dir, changed) == {}
        elif key == "fit.epochs":
            assert resuming.check(run_dir, changed) == {key: (value, value + 1)}
        else:
            with pytest.raises(TrainingError, match="was trained with other settings: ") as caught:
                resuming.check(run_dir, changed)
            message = str(caught.value)
            assert key.removesuffix("._target_") + " " in message
            assert " -> " in message
            assert "\n" not in message
            seen.add(key)
    assert {"optimizer.learning_rate", "fit.label_smoothing", "loss.margin", "fit.augmentation.flip", "seed"} <= seen
    assert {"fit.batch_size", "protocol.name", "backbone._target_", "detector.factor", "corpus.identities"} <= seen


def test_a_setting_that_is_added_later_is_compared(started):
    run_dir, config = started
    with pytest.raises(TrainingError, match=r"fit\.mixup absent -> 0\.2; leave resume out"):
        resuming.check(run_dir, {**config, "fit": {**config["fit"], "mixup": 0.2}})
    with pytest.raises(TrainingError, match=r"teacher absent -> big\.onnx"):
        resuming.check(run_dir, {**config, "teacher": "big.onnx"})
    without = {key: value for key, value in config.items() if key != "seed"}
    with pytest.raises(TrainingError, match="seed 0 -> absent"):
        resuming.check(run_dir, without)


def test_another_optimizer_is_reported_by_its_name_alone(started):
    run_dir, _ = started
    sgd = plain(stage.compose("train", ["optimizer=sgd"]))
    with pytest.raises(TrainingError, match="other settings: optimizer AdamW -> SGD; leave"):
        resuming.check(run_dir, sgd)


@pytest.mark.parametrize(
    "data",
    [b"", b"[1]", b"a: [", b"a: 2024-02-30", "에폭: 1".encode("cp949"), b"a: &a [*a]", b"[" * 5000, b"a: 2024-02-03"],
)
def test_a_damaged_configuration_is_one_line_that_names_the_file(started, data):
    run_dir, config = started
    (run_dir / "config.yaml").write_bytes(data)
    with pytest.raises(TrainingError, match=r"config\.yaml|other settings") as caught:
        resuming.check(run_dir, config)
    assert "\n" not in str(caught.value)


@pytest.fixture
def copy(undisturbed, tmp_path):
    return Path(shutil.copytree(undisturbed[0], tmp_path / "copy"))


def changed_run(manifest, directory, optimizer=SMALL_ADAMW, loss=HEAD, backbone=TINY, on_start=pytest.fail, **settings):
    fit = FitSettings(**{"epochs": 3, "batch_size": 8, **settings})
    return train_run(manifest, directory, backbone, loss, optimizer, fit, resume=True, on_start=on_start)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"label_smoothing": 0.1}, r"fit\.label_smoothing 0\.0 -> 0\.1"),
        ({"margin_full": 0.5}, r"fit\.margin_full 0\.4 -> 0\.5"),
        ({"margin_start": 0.0}, r"fit\.margin_start 0\.1 -> 0\.0"),
        ({"batch_size": 16}, r"fit\.batch_size 8 -> 16"),
        ({"images_per_epoch": 40}, r"fit\.images_per_epoch null -> 40"),
        ({"seed": 1}, r"fit\.seed 0 -> 1"),
        ({"augmentation": None}, r"fit\.augmentation absent -> null"),
        ({"augmentation": augment.Augmentation(flip=False)}, r"fit\.augmentation\.flip true -> false"),
        ({"epochs": 2}, r"fit\.epochs 3 -> 2"),
        (
            {"optimizer": optimizers.AdamW(learning_rate=5e-3, warmup_epochs=0.2, clip_norm=1.0)},
            r"optimizer\.clip_norm 5\.0 -> 1\.0",
        ),
        (
            {"optimizer": optimizers.AdamW(learning_rate=1e-3, warmup_epochs=0.2)},
            r"optimizer\.learning_rate 0\.005 -> 0\.001",
        ),
        ({"optimizer": optimizers.SGD()}, r"other settings: optimizer AdamW -> SGD;"),
        ({"loss": ArcFace(margin=0.3)}, r"loss\.margin 0\.25 -> 0\.3"),
        ({"loss": ArcFace(scale=9.0)}, r"loss\.scale 8\.0 -> 9\.0"),
        ({"backbone": replace(TINY, dropout=0.5)}, r"backbone\.dropout 0\.0 -> 0\.5"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(copy, tiny_manifest, changed, message):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(TrainingError, match=message):
        changed_run(tiny_manifest, copy, **changed)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_another_data_set_is_another_run(copy, tiny_manifest):
    with pytest.raises(TrainingError, match="data_set .* -> "):
        changed_run(tiny_manifest._replace(fingerprint="0" * 64), copy)


def test_a_run_may_become_longer(copy, tiny_manifest):
    (copy / "checkpoints" / "epoch-0003.weights.h5").write_bytes(b"half")
    begun = []
    assert changed_run(tiny_manifest, copy, epochs=4, on_start=begun.append).epochs == 4
    assert begun == [2]
    rows = read_history(copy / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert checkpoints.epochs_of(checkpoints.read_state(copy / "checkpoints")) == 4
    with pytest.raises(TrainingError, match=r"fit\.epochs 4 -> 3"):
        run(tiny_manifest, copy, epochs=3, resume=True)


def test_what_has_changed_is_written_down_and_shown(undisturbed, tmp_path):
    about = {"backbone": "tiny", "loss": "arcface", "trained_on": "x", "data_set": "y", "seed": 0, "epochs": 3}
    about["backbone_arguments"] = {"name": "tiny"}

    def job_of(*more):
        made = TrainJob.of(stage.compose("train", [f"output_dir={tmp_path}", "fit.epochs=3", *more]))
        return replace(made, backbone=TINY)

    run_dir = runs.begin(about, tmp_path, job_of().recipe)
    assert runs.read_about(run_dir) == about
    shutil.copytree(undisturbed[0] / "checkpoints", run_dir / "checkpoints")

    job = job_of("resume=true", "fit.epochs=5", "evaluate.bootstrap=7")
    resumed = check_resume(job)
    assert resumed == runs.Resumed(run_dir, 3, {"fit.epochs": (3, 5)})
    runs.write_down(run_dir, runs.resumed_about(resumed, {**about, "epochs": 5}), job.recipe)
    kept = runs.read_about(run_dir)
    assert kept["epochs"] == 5
    assert kept["resumed"] == [{"after_epoch": 3, "changed": {"fit.epochs": [3, 5]}}]
    saved = OmegaConf.load(run_dir / "config.yaml")
    assert (saved.fit.epochs, saved.evaluate.bootstrap) == (5, 7)
    row = table5.row({"run": kept, "sets": {}})
    assert "resumed after epoch 3: fit.epochs 3 -> 5." in row

    third = check_resume(job_of(f"resume={run_dir}", "fit.epochs=5"))
    assert third is not None
    assert runs.resumed_about(third, {**about, "epochs": 5})["resumed"] == kept["resumed"]
    with pytest.raises(TrainingError, match=r"optimizer\.learning_rate 0\.001 -> 0\.01"):
        check_resume(job_of("resume=true", "fit.epochs=5", "optimizer.learning_rate=0.01"))
    assert check_resume(job_of()) is None
