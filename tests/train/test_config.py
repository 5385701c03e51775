"""Every configuration composes, and what it names can be made; mistakes are answered in one line."""

import dataclasses
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export import settings as export_settings
from kface import stage
from kface.data.dataset.stage import DatasetJob
from kface.errors import ConfigError
from kface.evaluation.job import EvaluateJob
from kface.evaluation.settings import EvaluateSettings
from kface.kisa.settings import KisaJob
from kface.mtcnn import settings

CONF = Path(__file__).resolve().parents[2] / "conf"
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("schedule", "experiment"))
#: Groups of stages of their own, which have tests of their own.
OTHERS = ("stream", "database")
CHOICES = [
    (group, path.stem) for group in GROUPS if group not in OTHERS for path in sorted((CONF / group).glob("*.yaml"))
]
PAIRS = [(backbone, loss) for backbone in ("resnet50", "mobilenetv2") for loss in ("arcface", "cosface", "softmax")]


def make_all(config, build=True):
    """Make everything a training configuration names, with small networks; without `build` none, as they take longest."""
    from train.job import TrainJob

    job = TrainJob.of(config)
    if build:
        dataclasses.replace(job.backbone, width=0.125)()
    return job.fit, job.loss(54), job.optimizer(10, job.fit.epochs, job.fit.batch_size), job.data.corpus


@pytest.mark.parametrize(("backbone", "loss"), PAIRS)
def test_every_column_of_table_5(backbone, loss):
    config = stage.compose("train", [f"backbone={backbone}", f"loss={loss}"])
    fit, head, _, corpus = make_all(config)
    assert type(head.loss).__name__.lower() == loss
    assert fit.batch_size == 16  # the sample's schedule
    assert corpus.synthetic


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice(group, choice):
    make_all(stage.compose("train", ["backbone=mobilenetv2", f"{group}={choice}"]), build=group == "backbone")


def make_data_set(config):
    """Make everything that the configuration of a data set names."""
    return DatasetJob.of(config)


def make_deployment(config):
    """Read the settings of the realtime recogniser, with a bundle named, so that none is searched for."""
    from omegaconf import OmegaConf

    from deploy.settings import DeploySettings

    return DeploySettings.from_mapping({**OmegaConf.to_container(config, resolve=True), "bundle": "somewhere"})


def make_kisa(config):
    """Read the settings of the KISA test, and make its data base, which is not opened."""
    from omegaconf import OmegaConf

    # The engine that looks at no face needs no bundle.
    job = KisaJob.of({**OmegaConf.to_container(config, resolve=True), "engine": "null"})
    return job, stage.instantiate(config.database, "database")


#: What makes everything that a stage's configuration names, without doing the stage's work.
MAKERS = {
    "dataset": make_data_set,
    "train": make_all,
    "evaluate": EvaluateJob.of,
    "export": export_settings.ExportJob.of,
    "deploy": make_deployment,
    "kisa": make_kisa,
}
ROOTS = sorted(path.stem for path in CONF.glob("*.yaml"))
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
#: Stages that take an experiment, as their defaults say, each with each experiment.
TAKERS = [
    root for root in ROOTS if re.search(r"^  - experiment:", (CONF / f"{root}.yaml").read_text("utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("root", TAKERS)
def test_every_experiment_of_every_stage(root, experiment):
    plain = stage.compose(root, ["backbone=mobilenetv2"])
    config = stage.compose(root, [f"experiment={experiment}", "backbone=mobilenetv2"])
    # Else a typing error in the file's path or package would go unseen.
    assert config != plain
    MAKERS[root](config)


def test_the_stages_that_take_experiments():
    assert TAKERS == ["dataset", "train"]
    assert EXPERIMENTS
    assert set(MAKERS) == set(ROOTS)


def test_what_the_experiments_say_arrives():
    smoke = make_all(stage.compose("train", ["experiment=smoke", "backbone=mobilenetv2"]))
    assert (smoke[0].epochs, smoke[0].batch_size, smoke[0].images_per_epoch) == (1, 8, 32)
    assert smoke[3].synthetic
    fit, _, optimizer, corpus = make_all(stage.compose("train", ["experiment=paper", "backbone=mobilenetv2"]))
    assert (fit.epochs, fit.batch_size, fit.images_per_epoch) == (24, 256, None)
    assert type(optimizer).__name__ == "SGD"
    assert not corpus.synthetic


def test_the_paper_trains_without_brightened_copies():
    for root in ("dataset", "train"):
        config = stage.compose(root, ["experiment=paper"])
        assert DatasetJob.of(config).settings.brighten == ()
    assert EvaluateSettings.of(config).brighten == ()


@pytest.mark.parametrize("root", ROOTS)
def test_every_stage(root):
    MAKERS[root](stage.compose(root))


@pytest.mark.parametrize("root", ROOTS)
def test_a_stage_silences_no_logger(root, monkeypatch, tmp_path, caplog):
    # Hydra's "disabled" would switch off every logger that is there: a warning of ours would not be seen.
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("kface.gallery.witness")
    level = logging.getLogger().level
    assert stage.run(root, lambda config: logger.warning("it is heard"), []) == 0
    assert [record.message for record in caplog.records if record.name == logger.name] == ["it is heard"]
    assert not logger.disabled
    assert logging.getLogger().level == level


def test_k_face_has_the_long_schedule():
    config = stage.compose("train", ["corpus=kface", "corpus.root=somewhere"])
    assert stage.instantiate(config.fit, "fit").batch_size == 128
    with pytest.raises(ConfigError, match=r"add corpus\.root=DIR"):
        stage.instantiate(stage.compose("train", ["corpus=kface"]).corpus, "corpus").prepare()


def test_the_samples_command_line_has_the_same_defaults():
    from kface.data.corpora import SampleCorpus

    config = stage.compose("dataset").corpus
    made, default = stage.instantiate(config, "corpus"), SampleCorpus()
    for name in ("identities", "views", "lights_per_view", "seed", "variation", "plain"):
        assert getattr(made, name) == getattr(default, name), name


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["backbone=resnet51"], "backbone=resnet51: unknown choice; choose one of: resnet50, resnet12, mobilenetv2"),
        (["loss=triplet"], "choose one of: adaface, arcface, cosface"),
        (["logger=[csv,tensorbord]"], "logger=tensorbord: unknown choice; choose one of: tensorboard, csv"),
        (["fit.epoch=3"], "unknown key; the keys in fit are: epochs"),
        (["learning_rate=3"], "learning_rate=3: unknown key"),
    ],
)
def test_mistakes_are_answered_with_the_choices(overrides, message):
    with pytest.raises(ConfigError) as caught:
        stage.compose("train", overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fit.epochs=none"], r"fit\.epochs: must be a whole number"),
        (["fit.batch_size=0"], r"fit\.batch_size"),
        (["backbone.embedding=1"], r"backbone\.embedding"),
        (["loss.margin=9"], r"loss\.margin"),
        (["optimizer.learning_rate=-1"], r"optimizer\.learning_rate"),
        (["evaluate.lfw=/nowhere/at/all"], r"evaluate\.lfw=/nowhere/at/all: does not exist"),
        (["evaluate.pairs=none.txt"], r"evaluate\.pairs=none\.txt"),
        (
            ["evaluate.brighten=bright"],
            r"^evaluate\.brighten: must be a list of ways to brighten an image, not 'bright'",
        ),
        (["evaluate.brighten=[log,log]"], r"^evaluate\.brighten: a way is given twice"),
        (["detector.brighten=[bright]"], r"^detector\.brighten: must be a list of ways to brighten an image"),
        (["detector.brighten=5"], r"^detector\.brighten: must be a list of ways"),
        (["detector.landmarks=guess"], "landmarks"),
        (["corpus.identities=1"], r"corpus\.identities"),
        (["runtime.name=abacus"], "runtime"),
    ],
)
def test_values_that_make_no_sense_are_named(overrides, message):
    config = stage.compose("train", ["backbone=mobilenetv2", *overrides])
    with pytest.raises(ConfigError, match=message) as caught:
        make_all(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["train", "evaluate", "export", "dataset", "deploy"])
def test_every_stage_looks_again_as_the_code_does_by_default(name):
    config = stage.compose(name, [])
    given = [config[section].brighten for section in ("detector", "evaluate") if section in config]
    assert given
    assert all(settings.brighten(ways) == settings.BRIGHTEN for ways in given)


@pytest.mark.parametrize("nothing", ["none", "null", "[]"])
def test_looking_again_is_switched_off(nothing):
    config = stage.compose("train", [f"detector.brighten={nothing}", f"evaluate.brighten={nothing}"])
    assert DatasetJob.of(config).settings.brighten == ()
    assert EvaluateSettings.of(config).brighten == ()


def test_recipes_from_before_the_setting():
    from omegaconf import open_dict

    config = stage.compose("train", [])
    with open_dict(config):
        del config.detector["brighten"], config.evaluate["brighten"]
    # Their data set had no copies; the faces of test sets are detected again.
    assert DatasetJob.of(config).settings.brighten == ()
    assert EvaluateSettings.of(config).brighten == settings.BRIGHTEN


def test_the_program_ends_with_one_line_and_two():
    process = subprocess.run(
        [sys.executable, "-m", "train", "backbone=resnet51"],
        capture_output=True,
        text=True,
        cwd=CONF.parent,
        env=dict(os.environ),
    )
    assert process.returncode == 2
    assert re.fullmatch(r"train: backbone=resnet51: .*choose one of: resnet50, resnet12, mobilenetv2\n", process.stderr)
    assert process.stdout == ""
