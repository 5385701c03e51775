"""A run can be made again from its own settings, and says what it was computed with."""

import json

import pytest
from omegaconf import OmegaConf, open_dict

from kface import stage
from kface.errors import ConfigError
from train import reproducing, resuming
from train.job import TrainJob, plain


@pytest.fixture
def recipe(tmp_path):
    """The settings of a run that differs from the defaults, and its directory."""
    overrides = ["backbone=mobilenetv2", "loss=cosface", "fit.epochs=3", "loss.margin=0.1", "logger=csv", "seed=5"]
    job = TrainJob.of(stage.compose("train", overrides))
    (tmp_path / "config.yaml").write_text(job.recipe)
    return job, tmp_path


def composed(*overrides):
    config = stage.compose("train", overrides)
    return reproducing.resolved(config, overrides)


def test_the_same_training_again(recipe):
    job, run_dir = recipe
    for named in (run_dir, run_dir / "config.yaml"):
        again = TrainJob.of(composed(f"recipe={named}", "output_dir=elsewhere", "jobs=3"))
        for name in ("backbone", "loss", "optimizer", "callbacks", "loggers", "fit"):
            assert getattr(again, name) == getattr(job, name)
        assert again.data.settings == job.data.settings
        assert (again.data.corpus.key, again.data.jobs) == (job.data.corpus.key, 3)
        assert str(again.output_dir) == "elsewhere"
        assert again.fit.seed == 5
        # What is written into the new run makes it a third time.
        assert OmegaConf.create(again.recipe).recipe is None
        assert resuming.differences(job.settings, again.settings) == {}


def test_single_settings_can_be_changed(recipe):
    _, run_dir = recipe
    older = OmegaConf.load(run_dir / "config.yaml")
    del older.fit["validation"], older["recipe"]
    OmegaConf.save(older, run_dir / "config.yaml")
    again = TrainJob.of(composed(f"recipe={run_dir}", "fit.validation.people=8"))
    assert (again.fit.validation.people, again.fit.epochs) == (8, 3)
    again = TrainJob.of(composed(f"recipe={run_dir}", "fit.epochs=7", "logger=[tensorboard,csv]"))
    assert (again.fit.epochs, again.loss.margin) == (7, 0.1)
    assert [logger.name for logger in again.loggers] == ["tensorboard", "csv"]


@pytest.mark.parametrize("override", ["backbone=resnet50", "loss=arcface", "experiment=smoke"])
def test_another_choice_is_refused(recipe, override):
    with pytest.raises(ConfigError, match="cannot be given together with recipe"):
        composed(f"recipe={recipe[1]}", override)


def test_what_is_no_recipe(tmp_path):
    with pytest.raises(ConfigError, match="does not exist; give a run's directory"):
        composed(f"recipe={tmp_path}")
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigError, match="holds no settings of a training"):
        composed(f"recipe={tmp_path}")
    (tmp_path / "config.yaml").write_text("a: [\n")
    with pytest.raises(ConfigError, match="is not YAML"):
        composed(f"recipe={tmp_path}")


def test_a_login_never_reaches_the_configuration_of_a_run():
    config = stage.compose("train", ["logger=mlflow", "logger.mlflow.tracking_uri=https://me:hush@host/x?token=hush"])
    job = TrainJob.of(config)
    assert "hush" not in job.recipe
    assert "https://***@host/x" in job.recipe
    assert job.loggers[0].uri == "https://me:hush@host/x?token=hush"


def test_what_a_run_was_computed_with():
    found = reproducing.environment()
    assert json.loads(json.dumps(found)) == found
    assert found["packages"]["keras"].count(".") == 2
    assert len(found["code"]) == 64
    assert found["machine"]["threads"] >= 1


def test_the_code_s_version_follows_from_its_files(tmp_path, monkeypatch):
    import train

    (tmp_path / "one.py").write_text("a")
    monkeypatch.setattr(train, "__path__", [str(tmp_path)])
    before = reproducing.code()
    assert reproducing.code() == before
    (tmp_path / "one.py").write_text("b")
    assert reproducing.code() != before


def test_settings_that_older_runs_lack():
    config = plain(stage.compose("train", ["backbone=mobilenetv2"]))
    older = json.loads(json.dumps(config))
    del older["fit"]["validation"], older["fit"]["deterministic"], older["recipe"], older["callbacks"]["stop_on_signal"]
    older["logger"] = {"_target_": "train.loggers.TensorBoard", "histogram_epochs": 0}
    del older["backbone"]["width"], older["optimizer"]["clip_norm"], older["fit"]["augmentation"]["flip"]
    assert resuming.differences(resuming.completed(older, config), resuming.completed(config)) == {}
    other = plain(stage.compose("train", ["backbone=mobilenetv2", "fit.validation.people=8", "fit.deterministic=true"]))
    assert resuming.differences(resuming.completed(older, other), resuming.completed(other)) == {
        "fit.validation.people": (0, 8),
        "fit.deterministic": (False, True),
    }
    # A recipe of the previous version still makes its loggers.
    made = OmegaConf.create(older)
    with open_dict(made):
        made.update({key: config[key] for key in ("recipe",)})
    assert [logger.name for logger in TrainJob.of(made).loggers] == ["tensorboard"]
