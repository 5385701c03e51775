"""The runner of the stages: what a user can get wrong on the command line ends in one line and status 2."""

import sys

import pytest

pytest.importorskip("hydra", reason="Hydra is not installed: stages are configured on workstations")

from kface import stage
from kface.errors import ConfigError, ImageError


@pytest.fixture(autouse=True)
def configuration(tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    (conf / "net").mkdir(parents=True)
    (conf / "net" / "small.yaml").write_text("_target_: builtins.dict\nwidth: 1\n")
    (conf / "net" / "large.yaml").write_text("_target_: builtins.dict\nwidth: 8\n")
    (conf / "job.yaml").write_text(
        "defaults:\n  - _self_\n  - net: small\n  - override hydra/job_logging: none\n"
        "  - override hydra/hydra_logging: none\n"
        "seed: 0\nfit:\n  epochs: 2\n  batch_size: 8\n"
        "hydra:\n  run:\n    dir: .\n  output_subdir: null\n"
    )
    monkeypatch.setenv("KFACE_CONF", str(conf))
    monkeypatch.chdir(tmp_path)


def test_compose_with_overrides():
    config = stage.compose("job", ["net=large", "fit.epochs=5"])
    assert config.net.width == 8
    assert config.fit.epochs == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("net=huge", "net=huge: unknown choice; choose one of: large, small"),
        ("fit.epoch=1", "fit.epoch=1: unknown key; the keys in fit are: epochs, batch_size"),
        ("sead=1", "sead=1: unknown key; the keys are: seed, fit, net"),
        ("fit.epochs.more=1", "unknown key"),
        ("seed", "write key=value"),
    ],
)
def test_a_wrong_override_is_answered_with_the_choices(override, message):
    with pytest.raises(ConfigError) as caught:
        stage.compose("job", ["fit.batch_size=4", override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_wrong_override_has_its_line(capfd):
    assert (
        stage.run("job", lambda config: 0, ["fit.epoch=1", "net=large", "sead=1", "net.width=2", "fit.batch_size"]) == 2
    )
    assert capfd.readouterr()[1].splitlines() == [
        "job: fit.epoch=1: unknown key; the keys in fit are: epochs, batch_size",
        "job: sead=1: unknown key; the keys are: seed, fit, net",
        "job: fit.batch_size: missing EQUAL at '<EOF>'; write key=value",
    ]
    with pytest.raises(ConfigError, match=r"fit\.epoch=1: unknown key \(and 2 more\)"):
        stage.compose("job", ["fit.epoch=1", "sead=1", "net=huge"])


def test_a_key_that_only_a_choice_brings_is_known_with_it(configuration, tmp_path):
    (tmp_path / "conf" / "net" / "deep.yaml").write_text("layers: 3\n")
    assert stage.compose("job", ["net.layers=5", "net=deep"]).net.layers == 5
    with pytest.raises(ConfigError, match="^sead=1: unknown key; the keys are"):
        stage.compose("job", ["net.layers=5", "net=deep", "sead=1"])


def test_an_unknown_stage():
    with pytest.raises(ConfigError, match="choose one of: job"):
        stage.compose("jobs")


def test_no_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("KFACE_CONF", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="configuration directory is missing"):
        stage.compose("job")


def test_run_hands_the_configuration_over():
    seen = []
    before = list(sys.argv)
    assert stage.run("job", lambda config: seen.append(config.fit.epochs), ["fit.epochs=7"]) == 0
    assert seen == [7]
    assert sys.argv == before


def test_run_prints_one_line_and_ends_with_two(capfd):
    def task(config):
        raise ImageError("is a truncated JPEG", "a.jpg", "copy it again")

    assert stage.run("job", task, []) == 2
    assert stage.run("job", task, ["net=huge"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "job: a.jpg: is a truncated JPEG; copy it again",
        "job: net=huge: unknown choice; choose one of: large, small",
    ]


def test_an_interrupt_is_no_traceback(capfd):
    def task(config):
        raise KeyboardInterrupt

    assert stage.run("job", task, []) == 130
    assert capfd.readouterr()[1] == "job: stopped; finished work is kept\n"


def test_an_interrupt_ends_a_sweep(capfd):
    seen = []

    def task(config):
        seen.append(config.fit.epochs)
        raise KeyboardInterrupt

    assert stage.run("job", task, ["-m", "fit.epochs=1,2"]) == 130
    assert seen == [1]


def test_a_sweep_goes_on_after_a_failure_and_returns_it(capfd):
    seen = []

    def task(config):
        seen.append(config.fit.epochs)
        if config.fit.epochs == 1:
            raise ImageError("is a truncated JPEG", "a.jpg", "copy it again")

    assert stage.run("job", task, ["--multirun", "fit.epochs=1,2"]) == 2
    assert seen == [1, 2]


def test_a_wrong_choice_in_a_sweep_is_one_line(capfd):
    assert stage.run("job", lambda config: 0, ["-m", "net=small,huge"]) == 2
    assert capfd.readouterr()[1] == "job: net=huge: unknown choice; choose one of: large, small\n"


def test_jobs_in_other_processes_return_their_status(capfd):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
    words = ["-m", "fit.epochs=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert stage.run("job", lambda config: 0, words) == 0
    assert stage.run("job", lambda config: 3 if config.fit.epochs == 2 else 0, words) == 3


def test_instantiate_names_the_setting():
    config = stage.compose("job")
    assert stage.instantiate(config.net, "net", extra=3) == {"width": 1, "extra": 3}
    config.net["_target_"] = "kface.faces.Faces"
    with pytest.raises(ConfigError, match="net: .*width"):
        stage.instantiate(config.net, "net")


@pytest.mark.parametrize("name", ["tensorflow", "tf2onnx.convert", "openvino"])
def test_a_package_that_is_missing_is_one_line(name, capfd):
    def task(config):
        raise ModuleNotFoundError("No module named '{}'".format(name), name=name)

    assert stage.run("job", task, []) == 2
    top = name.split(".")[0]
    remedy = "run make setup EXTRAS=train,export,kisa,deploy,openvino,dev"
    assert capfd.readouterr()[1] == "job: {}: is not installed; {}\n".format(top, remedy)


def test_a_package_that_a_target_needs(monkeypatch, capfd, tmp_path):
    (tmp_path / "needy.py").write_text("import no_such_package_at_all\n\n\ndef make(**arguments):\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = stage.compose("job")
    config.net["_target_"] = "needy.make"
    with pytest.raises(ConfigError) as caught:
        stage.instantiate(config.net, "net")
    assert str(caught.value).startswith("no_such_package_at_all: is not installed; run make setup")


def test_a_library_of_the_system_that_is_missing_is_named(capfd):
    def task(config):
        raise ImportError("libGL.so.1: cannot open shared object file", name="cv2")

    assert stage.run("job", task, []) == 2
    assert "cv2: cannot be imported (libGL.so.1: cannot open" in capfd.readouterr()[1]


def test_a_missing_module_of_our_own_is_a_defect():
    def task(config):
        raise ModuleNotFoundError("No module named 'kface.nothing'", name="kface.nothing")

    with pytest.raises(ModuleNotFoundError):
        stage.run("job", task, [])


def test_hydra_itself_is_missing(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "hydra", None)
    assert stage.run("job", lambda config: 0, []) == 2
    assert capfd.readouterr()[1].startswith("job: hydra: is not installed; run make setup")


def test_file_names_reach_the_task_as_typed():
    seen = []
    name = "data/얼굴 (1), [새] it's.mp4"
    assert stage.run("job", lambda config: seen.append(config.fit.root), ["+fit.root=" + name]) == 0
    assert seen == [name]


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "mine, [1]"
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "tiny.yaml").write_text("_target_: builtins.dict\nwidth: 0\n")
    return folder


@pytest.mark.parametrize("option", ["--config {}", "--config={}", "--config-dir {}"])
def test_configuration_of_one_s_own(own, option):
    seen = []
    words = option.format("\n" + str(own)).replace("=\n", "=").replace(" \n", "\n").split("\n")
    assert stage.run("job", lambda config: seen.append(config.net.width), words + ["net=tiny", "seed=3"]) == 0
    assert seen == [0]
    assert stage.run("job", lambda config: seen.append(config.net.width), ["net=large"]) == 0
    assert seen == [0, 8]


def test_its_choices_are_named_too(own, capfd):
    assert stage.run("job", lambda config: 0, ["--config", str(own), "net=tinny"]) == 2
    line = "job: net=tinny: unknown choice; choose one of: tiny, large, small\n"
    assert capfd.readouterr()[1] == line


def test_a_file_of_the_same_name_is_refused_as_hydra_would_pass_it_over(own, capfd):
    (own / "net" / "large.yaml").write_text("width: 9\n")
    assert stage.run("job", lambda config: 0, ["--config", str(own), "net=large"]) == 2
    assert capfd.readouterr()[1].endswith("net/large.yaml: has the name of a packaged file; rename it\n")


@pytest.mark.parametrize("words", [["--config"], ["--config", "none"], ["--config="]])
def test_a_directory_that_is_not_there(words, capfd):
    assert stage.run("job", lambda config: 0, words) == 2
    assert len(capfd.readouterr()[1].splitlines()) == 1


def test_an_option_that_is_none(capfd):
    assert stage.run("job", lambda config: 0, ["--confg", "x"]) == 2
    assert capfd.readouterr()[1] == "job: --confg: unknown option; write --config, or see kface job --help\n"


def test_hydra_s_options_are_known():
    from hydra._internal.utils import get_args_parser

    options = {option for action in get_args_parser()._actions for option in action.option_strings}
    assert options <= set(stage.OPTIONS)


def test_what_is_installed_names_the_extra(monkeypatch, capfd):
    from kface import packages

    monkeypatch.setattr(packages, "in_checkout", lambda: False)

    def task(config):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    assert stage.run("job", task, [], extra="train") == 2
    assert capfd.readouterr()[1] == "job: tensorflow: is not installed; run pip install 'kface[train]'\n"


def test_help_is_the_manual_page(monkeypatch, capfd):
    monkeypatch.delenv("KFACE_CONF")
    assert stage.run("dataset", lambda config: 1 / 0, ["--help"]) == 0
    out = capfd.readouterr()[0]
    assert out.startswith("kface dataset - ")
    assert "kface dataset corpus=kface" in out
