"""The configuration files as documentation: what our own reader finds is what a YAML parser and Hydra find."""

import os
from pathlib import Path

import pytest

from kface.commands import conf
from kface.commands.conf import clash, configuration_directory, parse, read_stage, stage_files
from kface.errors import ConfigError

STAGES = ("dataset", "deploy", "evaluate", "export", "kisa", "train")
FILES = sorted(configuration_directory().glob("**/*.yaml"))


def flat(document, before=""):
    """Return the leaves of a document by their dotted keys."""
    made = {}
    for key, value in document.items():
        if isinstance(value, dict):
            made.update(flat(value, before + key + "."))
        else:
            made[before + key] = value
    return made


@pytest.mark.parametrize("path", FILES, ids=lambda path: "{}-{}".format(path.parent.name, path.stem))
def test_a_file_is_read_as_a_yaml_parser_reads_it(path):
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    defaults = document.pop("defaults", [])
    document.pop("hydra", None)
    wanted = {key: value for key, value in flat(document).items() if not key.endswith("_target_")}
    found = parse(path.read_text(encoding="utf-8"))
    assert {setting.key: setting.default for setting in found.settings} == {
        key: None if value is None else setting_text(path, key) for key, value in wanted.items()
    }
    for setting in found.settings:
        if setting.default is not None:
            read = yaml.safe_load(setting.default) if wanted[setting.key] != "" else ""
            assert read == wanted[setting.key], setting.key
    groups = {}
    for entry in defaults:
        if isinstance(entry, dict):
            ((key, value),) = entry.items()
            if not key.startswith("override"):
                groups[key.split()[-1]] = value
    assert {group: choice for group, choice, _ in found.defaults} == groups


def setting_text(path, key):
    """Return a value's text as it stands in the file."""
    last = key.rpartition(".")[2]
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [
        line[len(last) + 1 :].partition(" #")[0].strip().strip("\"'") for line in lines if line.startswith(last + ":")
    ]
    found = {setting.key: setting.default for setting in parse(path.read_text(encoding="utf-8")).settings}[key]
    return found if found in texts else texts


@pytest.mark.parametrize("stage", STAGES)
def test_every_setting_and_choice_is_described(stage):
    found = read_stage(stage)
    assert found.about
    assert found.examples
    assert all(example.startswith("kface ") for example in found.examples)
    assert [setting.key for setting in found.all_settings if not setting.about] == []
    assert [(group.name, choice.name) for group in found.groups for choice in group.choices if not choice.about] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_default_is_among_its_choices(stage):
    for setting in read_stage(stage).all_settings:
        if setting.choices and setting.default is not None and setting.key != "resume":
            assert setting.default in setting.choices, setting


@pytest.mark.parametrize("stage", STAGES)
def test_hydra_has_the_same_settings(stage):
    pytest.importorskip("hydra")
    from omegaconf import OmegaConf

    from kface.stage import compose

    found = read_stage(stage)
    composed = flat(OmegaConf.to_container(compose(stage), resolve=False))
    composed = {key for key in composed if not key.endswith("_target_") and not key.startswith("hydra")}
    plain = {setting.key for setting in found.all_settings}
    chosen = {
        setting.key
        for group in found.groups
        for setting in group.settings
        if not setting.only or group.default in setting.only
    }
    assert composed <= plain
    assert {setting.key for setting in found.settings} | chosen == composed


def test_recipes_and_choices_change_defaults():
    settings = {setting.key: setting for setting in read_stage("train").all_settings}
    assert ("schedule=sample-resnet50", "6") in settings["fit.epochs"].defaults
    assert ("experiment=smoke", "1") in settings["fit.epochs"].defaults
    assert ("sgd", "0.1") in settings["optimizer.learning_rate"].defaults
    assert ("sample-small", "12") in settings["corpus.identities"].defaults
    assert settings["optimizer.momentum"].only == ("sgd",)
    assert settings["fit.seed"].default == "${seed}"
    assert settings["callbacks.progress.enabled"].only == ("default", "early_stopping")
    assert settings["logger.csv.every"].only == ("csv",)
    assert settings["fit.augmentation.flip"].choices == ("true", "false")
    assert settings["backbone.neck"].choices == ("flatten", "gdc", "gap")


def test_a_root_file_changes_the_defaults_of_a_group_above_it():
    export, train = (
        {setting.key: setting.default for setting in read_stage(stage).all_settings} for stage in ("export", "train")
    )
    assert (export["evaluate.bootstrap"], train["evaluate.bootstrap"]) == ("200", "1000")
    assert set(train) - set(export) >= {"evaluate.mirror", "evaluate.before"}
    for stage in ("evaluate", "export", "train"):
        keys = [setting.key for setting in read_stage(stage).all_settings]
        assert len(set(keys)) == len(keys)
        (group,) = [group for group in read_stage(stage).groups if group.name == "evaluate"]
        assert "evaluate.bootstrap" in [setting.key for setting in group.settings]


def test_signs_within_values_are_no_comments():
    found = parse(
        "# What it is.\n#   kface job a=b\na: 'x # y'  # one of p, q or r: why\nb: c#d\n# Above.\nc:\n  d: null\n"
    )
    assert found.about == "What it is."
    assert found.examples == ["kface job a=b"]
    assert [(setting.key, setting.default) for setting in found.settings] == [
        ("a", "x # y"),
        ("b", "c#d"),
        ("c.d", None),
    ]
    assert found.settings[0].choices == ("p", "q", "r")
    assert found.sections == {"c": "Above."}


def test_the_packaged_files_are_in_the_package():
    inside = Path(conf.__file__).resolve().parents[1] / "conf"
    assert inside.is_dir()
    assert inside.resolve() == configuration_directory()


def test_a_directory_that_is_named_comes_first(monkeypatch, tmp_path):
    (tmp_path / "job.yaml").write_text("# A job.\nseed: 1  # whole number\n")
    monkeypatch.setenv("KFACE_CONF", str(tmp_path))
    assert [setting.key for setting in read_stage("job").settings] == ["seed"]
    with pytest.raises(ConfigError, match="train.yaml: cannot be read"):
        read_stage("train")
    monkeypatch.setenv("KFACE_CONF", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="configuration directory is missing.*KFACE_CONF"):
        configuration_directory()


def test_choices_of_one_s_own_and_names_that_are_taken(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\n# My own.\nfit:\n  epochs: 77\n")
    places = [configuration_directory(), tmp_path]
    found = read_stage("train", places)
    (experiments,) = [group for group in found.groups if group.name == "experiment"]
    assert ("mine", "My own.") in [tuple(choice) for choice in experiments.choices]
    (epochs,) = [setting for setting in found.settings if setting.key == "fit.epochs"]
    assert ("experiment=mine", "77") in epochs.defaults
    assert clash(tmp_path, places[0]) is None
    (tmp_path / "experiment" / "paper.yaml").write_text("x: 1\n")
    assert clash(tmp_path, places[0]) == os.path.join("experiment", "paper.yaml")


def test_what_a_board_gets_describes_its_stage():
    found = stage_files("deploy")
    assert "deploy.yaml" in found
    assert "stream/rtsp.yaml" in found
    assert "runtime/tensorrt.yaml" in found
    assert not [name for name in found if name.startswith(("backbone", "train"))]
