"""What cannot work is refused before the training, in one line, with keys that exist."""

import ast
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf
from tiny_data_set import FixedDetector, make_tiny_data_set

from kface import stage
from kface.data.dataset import DatasetSettings, build
from kface.data.testsets.kface_protocols import OwnSets
from kface.errors import ConfigError, KFaceError, TrainingError
from kface.evaluation import test_sets
from kface.evaluation.reports import read_report
from kface.evaluation.settings import EvaluateSettings
from kface.images import encode_jpeg
from train import backbones, checks
from train.job import TrainJob

SRC = Path(__file__).resolve().parents[2] / "src" / "train"


def config_of(*overrides):
    return stage.compose("train", ["backbone=mobilenetv2", "backbone.width=0.125", *overrides])


def job_of(*overrides):
    return TrainJob.of(config_of(*overrides))


@pytest.mark.parametrize(
    ("override", "key"),
    [
        *[(f"fit.epochs={value}", "fit.epochs") for value in ("0", "-1", "nan", "inf", "1.5", "true", "null", "ten")],
        *[(f"fit.batch_size={value}", "fit.batch_size") for value in ("0", "1", "-8", "nan", "inf", "null")],
        *[(f"fit.images_per_epoch={value}", "fit.images_per_epoch") for value in ("0", "3", "inf", "true")],
        *[(f"fit.seed={value}", "fit.seed") for value in ("-1", "4294967296", "x")],
        *[(f"seed={value}", "seed") for value in ("-1", "4294967296", "x")],
        *[(f"fit.label_smoothing={value}", "fit.label_smoothing") for value in ("1", "nan", "-0.1")],
        *[(f"fit.margin_start={value}", "fit.margin_start") for value in ("nan", "2", "x")],
        *[(f"logger.histogram_epochs={value}", "logger.histogram_epochs") for value in ("-1", "x", "1.5")],
        ("callbacks.progress.enabled=x", "callbacks.progress.enabled"),
        ("fit.augmentation=5", "fit.augmentation"),
        ("fit.augmentation.flip=often", "fit.augmentation.flip"),
        *[(f"fit.augmentation.random_crop={value}", "fit.augmentation.random_crop") for value in ("nan", "x", "true")],
        *[(f"optimizer.learning_rate={value}", "optimizer.learning_rate") for value in ("nan", "inf", "0", "fast")],
        *[(f"optimizer.weight_decay={value}", "optimizer.weight_decay") for value in ("nan", "-1", "x")],
        *[(f"optimizer.clip_norm={value}", "optimizer.clip_norm") for value in ("nan", "0", "x")],
        *[(f"optimizer.warmup_epochs={value}", "optimizer.warmup_epochs") for value in ("nan", "-1", "100", "inf")],
        *[(f"loss.scale={value}", "loss.scale") for value in ("nan", "inf", "0", "x")],
        *[(f"loss.margin={value}", "loss.margin") for value in ("nan", "inf", "2", "x")],
        *[(f"backbone.width={value}", "backbone.width") for value in ("nan", "inf", "0", "-1", "1e9", "x")],
        *[(f"backbone.embedding={value}", "backbone.embedding") for value in ("1", "1e9", "x")],
        *[(f"backbone.dropout={value}", "backbone.dropout") for value in ("nan", "1", "x")],
        ("backbone.bn_momentum=x", "backbone.bn_momentum"),
        ("backbone.stem_stride=x", "backbone.stem_stride"),
        ("backbone._target_=train.backbones.VGG", "backbone"),
        ("backbone._target_=train.losses.ArcFace", "backbone"),
        ("backbone.neck=none", "backbone.neck"),
        *[(f"evaluate.pairs={value}", "evaluate.pairs") for value in ("0", "1", "-5", "true", "1.5", "nan")],
        *[(f"evaluate.bootstrap={value}", "evaluate.bootstrap") for value in ("-1", "nan", "1000000000", "x")],
        ("evaluate.mirror=x", "evaluate.mirror"),
        ("jobs=0", "jobs"),
        ("jobs=many", "jobs"),
        ("output_dir=null", "output_dir"),
        ("progress=x", "progress"),
    ],
)
def test_settings_that_cannot_work_are_named(override, key):
    with pytest.raises(KFaceError, match=rf"^{re.escape(key)}: ") as caught:
        checks.check_settings(config_of(override))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["evaluate.lfw", "resume", "data_dir"])
def test_numbers_in_place_of_names_are_refused(key):
    # On the command line 5 is a name; in a file of settings it is a number.
    config = config_of()
    OmegaConf.update(config, key, 5)
    with pytest.raises(KFaceError, match=rf"^{re.escape(key)}: ") as caught:
        checks.check_settings(config)
    assert "\n" not in str(caught.value)


def test_the_momentum_of_sgd():
    for value in ("nan", "1", "-1", "x"):
        with pytest.raises(ConfigError, match=r"^optimizer\.momentum: "):
            checks.check_settings(config_of("optimizer=sgd", f"optimizer.momentum={value}"))


def test_the_defaults_pass():
    job, network = checks.check_settings(config_of())
    assert (job.loss_name, job.backbone.name) == ("arcface", "mobilenetv2")
    checks.check_packages(job.logger)
    assert network.count_params() > 0


@pytest.fixture(scope="module")
def network():
    return backbones.build("mobilenetv2", width=0.125, embedding=16)


def test_a_disk_that_is_too_small(network, tmp_path, monkeypatch):
    job = job_of(f"output_dir={tmp_path}/a", f"data_dir={tmp_path}/b")
    checks.check_places(job, network)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(TrainingError, match=r"needs 0\.\d GB, 0\.0 GB are free; make room or add output_dir=DIR"):
        checks.check_places(job, network)


@pytest.mark.parametrize("key", ["output_dir", "data_dir"])
def test_places_that_cannot_be_written(network, tmp_path, key):
    (tmp_path / "file").write_text("")
    job = job_of(f"output_dir={tmp_path}/a", f"data_dir={tmp_path}/b", f"{key}={tmp_path}/file/x")
    with pytest.raises(TrainingError, match=rf"file/x: cannot be written .*; add {key}=DIR"):
        checks.check_places(job, network)


def test_packages_that_the_end_of_a_run_needs(monkeypatch):
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None if name == "matplotlib" else name)
    with pytest.raises(ConfigError, match=r"matplotlib: is not installed, and the plots need it; run make setup"):
        checks.check_packages(job_of().logger)


def made(tmp_path, people, pictures, test=0.25):
    """A data set of people told apart by colour, built by the real builder."""
    for person in range(people):
        folder = tmp_path / "people" / f"P{person:02d}"
        folder.mkdir(parents=True)
        for number in range(pictures):
            image = np.full((120, 120, 3), (person * 37 % 256, number * 50 % 256, 90), np.uint8)
            (folder / f"{number}.jpg").write_bytes(encode_jpeg(image))
    settings = DatasetSettings(layout="folders", test=test)
    place = tmp_path / "made"
    return build(tmp_path / "people", place, settings, jobs=1, progress=False, detector=FixedDetector()).manifest


@pytest.mark.parametrize(("people", "pictures", "pairs"), [(8, 4, 24), (12, 2, 6), (88, 5, 440)])
def test_a_small_corpus_is_verified_on_the_pairs_that_there_are(tmp_path, network, capsys, people, pictures, pairs):
    manifest = made(tmp_path, people, pictures)
    job = job_of("fit.batch_size=8", f"data_dir={tmp_path}/data")
    checks.check_data_set(job, network, manifest)
    assert f"make {pairs} pairs, half of them genuine; evaluate.pairs asks for 6000" in capsys.readouterr().out
    (own,) = test_sets.own(job.evaluation, manifest).sets
    assert (len(own.pairs), int(own.genuine.sum())) == (pairs, pairs // 2)
    assert own.title == "unseen people of people"
    capsys.readouterr()
    assert len(test_sets.own(replace(job.evaluation, pairs=6), manifest).sets[0].pairs) == 6
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("people", "pictures", "test", "message"),
    [
        (4, 4, 0.25, r"6 genuine and 0 impostor pairs; use more test people, with protocol\.test=N"),
        (8, 1, 0.25, r"0 genuine and 1 impostor pairs; give at least two pictures"),
        (3, 4, 2, "at least two are needed"),
    ],
)
def test_a_corpus_that_makes_no_pairs_is_refused_before_the_training(
    tmp_path, network, people, pictures, test, message
):
    manifest = made(tmp_path, people, pictures, test)
    job = job_of("fit.batch_size=2")
    with pytest.raises(KFaceError, match=message):
        checks.check_data_set(job, network, manifest)


def test_no_own_pairs_where_none_are_wanted(tmp_path, network):
    manifest = made(tmp_path, 4, 4)
    job = job_of("evaluate.pairs=null", "fit.batch_size=2", f"data_dir={tmp_path}/data")
    checks.check_data_set(job, network, manifest)
    assert test_sets.own(job.evaluation, manifest) == OwnSets()


def test_a_batch_larger_than_the_data_names_one_that_fits(tiny_manifest, network):
    job = job_of("fit.batch_size=64")
    with pytest.raises(ConfigError, match=r"more than the 40 images of an epoch; add fit\.batch_size=32"):
        checks.check_data_set(job, network, tiny_manifest)


def test_a_network_of_another_size_than_the_crops(tiny_manifest):
    config = config_of("+backbone.size=64", "fit.batch_size=8")
    job, network = checks.check_settings(config)
    with pytest.raises(ConfigError, match=r"backbone\.size: must be 112"):
        checks.check_data_set(job, network, tiny_manifest)


def test_pairs_of_images_that_are_not_there(tiny_manifest, network, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("19062421/S001/L1/E01/C4.jpg 19062421/S001/L1/E01/C5.jpg 1\n")
    job = job_of(f"evaluate.pairs={path}", "fit.batch_size=8")
    with pytest.raises(KFaceError, match="is not in the data set's test split"):
        checks.check_data_set(job, network, tiny_manifest)
    path.write_text("nonsense\n")
    with pytest.raises(KFaceError, match="line 1: is not two paths"):
        job_of(f"evaluate.pairs={path}")


def broken_image(path):
    images = [encode_jpeg(np.zeros((112, 112, 3), np.uint8))] * 3 + [b"no image"]
    path.write_bytes(pickle.dumps((images, [True, False])))


def only_genuine(path):
    jpeg = [encode_jpeg(np.full((112, 112, 3), value, np.uint8)) for value in (0, 40, 80, 120)]
    path.write_bytes(pickle.dumps((jpeg, [True, True])))


@pytest.mark.parametrize("key", ["agedb30", "cfp_fp"])
@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b"x"), broken_image, only_genuine])
def test_test_sets_that_cannot_be_verified_are_refused_before_the_training(tmp_path, key, make):
    path = tmp_path / "set.bin"
    make(path)
    config = config_of(f"evaluate.{key}={path}", f"data_dir={tmp_path}", "progress=false")
    settings = EvaluateSettings.of(config)
    with pytest.raises(KFaceError, match=r"set\.bin|AgeDB-30|CFP-FP") as caught:
        test_sets.check_testsets(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["lfw", "cfp_fp"])
def test_folders_that_are_no_test_set_are_refused_before_the_training(tmp_path, key):
    (tmp_path / "folder").mkdir()
    config = config_of(f"evaluate.{key}={tmp_path}/folder", f"data_dir={tmp_path}", "progress=false")
    with pytest.raises(KFaceError, match="folder"):
        test_sets.check_testsets(EvaluateSettings.of(config))


def test_nothing_is_left_of_a_training_that_is_refused(tmp_path, monkeypatch):
    import train.__main__ as main

    make_tiny_data_set(tmp_path / "people", tmp_path / "unused")
    monkeypatch.setattr(main, "prepare", lambda job: pytest.fail("the data set was built"))
    config = config_of(
        "corpus=folders",
        f"corpus.root={tmp_path}/people",
        f"output_dir={tmp_path}/outputs",
        f"data_dir={tmp_path}/data",
        "fit.epochs=1",
        "fit.batch_size=8",
    )
    (tmp_path / "x.bin").write_bytes(b"")
    config.evaluate.agedb30 = str(tmp_path / "x.bin")
    with pytest.raises(KFaceError, match=r"x\.bin"):
        main.main(config)
    assert not [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]


def messages():
    """The texts of every error in src/train and of the jobs' parts, the values in f-strings left out: (file, text)."""
    evaluation = [f"evaluation/{name}.py" for name in ("settings", "test_sets", "exported", "job")]
    shared = [SRC.parent / "kface" / name for name in (*evaluation, "data/dataset/stage.py")]
    for path in sorted(SRC.rglob("*.py")) + shared:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error")
            if not named and not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in CHECKED):
                continue
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                for part in ast.walk(argument):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield path.name, part.value


CHECKED = ("whole", "number", "flag", "text")
GROUPS = (
    "backbone",
    "callbacks",
    "corpus",
    "detector",
    "evaluate",
    "fit",
    "formats",
    "logger",
    "loss",
    "optimizer",
    "preprocessing",
    "protocol",
)


def test_every_key_that_an_error_names_exists():
    from omegaconf import OmegaConf

    configs = [
        stage.compose(root, more)
        for root, more in (
            ("train", []),
            ("train", ["optimizer=sgd"]),
            ("train", ["logger=csv"]),
            ("train", ["corpus=folders"]),
            ("evaluate", []),
        )
    ]
    named = set()
    for file, text in messages():
        dotted = re.findall(rf"\b(?:{'|'.join(GROUPS)})\.[a-z_][a-z_0-9.]*", text)
        assigned = re.findall(r"(?<![\w.])([a-z_]+(?:\.[a-z_0-9]+)*)=(?=[\w\[{\"'])", text)
        for key in {key.rstrip(".") for key in dotted + assigned}:
            named.add(key)
            # What follows a dot in an f-string is a value; backbone.size is an argument for the library's callers.
            found = any(OmegaConf.select(config, key, default=configs) is not configs for config in configs)
            assert found or key == "backbone.size", f"{file} names {key} in {text!r}"
    assert {"fit.batch_size", "optimizer.learning_rate", "evaluate.pairs", "output_dir", "resume"} <= named


@pytest.mark.parametrize(
    "experiment", sorted(path.stem for path in (SRC.parents[1] / "conf" / "experiment").glob("*.yaml"))
)
def test_experiments_compose_for_the_data_set_as_for_the_training(experiment):
    data, train = (stage.compose(root, [f"experiment={experiment}"]) for root in ("dataset", "train"))
    for group in ("corpus", "protocol", "detector", "runtime"):
        assert data[group] == train[group]
    own = stage.compose("train", [f"experiment={experiment}", "corpus=folders", "corpus.root=DIR"])
    assert stage.instantiate(own.corpus, "corpus").root == "DIR"


FIGURE = {"value": 0.5, "interval": [0.4, 0.6]}
SET = {
    "title": "LFW",
    "synthetic_sample": False,
    "accuracy": FIGURE,
    "eer": {"value": 0.5, "interval": None},
    "tar_at_far": {"1e-02": FIGURE, "1e-03": None},
    "pairs": {"genuine": 3, "impostor": 3, "failed": 0},
    "people": 2,
    "images": 4,
    "failed_to_acquire": 0,
    "raw_pixels": {"eer": 0.5, "accuracy": 0.5},
    "before_training": {"eer": 0.5, "accuracy": 0.5, "eer_ratio": None},
}
REPORT = {
    "schema": 1,
    "made": "2026-01-02T00:00:00+00:00",
    "run": {"backbone": "x", "loss": "y", "trained_on": "z"},
    "sets": {"lfw": SET, "kface": None},
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("made",), 5),
        (("run",), []),
        (("run", "backbone"), None),
        (("run", "loss"), 3),
        (("run", "network"), 3),
        (("run", "resumed"), {}),
        (("run", "resumed"), [{"after_epoch": 1, "changed": {"fit.epochs": 3}}]),
        (("sets",), [1]),
        (("sets", "lfw"), "x"),
        (("sets", "lfw", "accuracy"), None),
        (("sets", "lfw", "accuracy", "value"), "0.5"),
        (("sets", "lfw", "accuracy", "value"), 10**400),
        (("sets", "lfw", "accuracy", "value"), 50.0),
        (("sets", "lfw", "accuracy", "interval"), [1]),
        (("sets", "lfw", "accuracy", "interval"), ["a", "b"]),
        (("sets", "lfw", "tar_at_far"), 3),
        (("sets", "lfw", "tar_at_far", "1e-02"), 3),
        (("sets", "lfw", "failed_to_acquire"), "none"),
        (("sets", "lfw", "pairs"), {"genuine": "3", "impostor": 3}),
        (("sets", "lfw", "people"), None),
        (("sets", "lfw", "raw_pixels"), {}),
        (("sets", "lfw", "before_training", "eer_ratio"), "x"),
        (("sets", "lfw", "synthetic_sample"), 1),
    ],
)
def test_a_report_of_wrong_types_is_one_line_that_names_the_file(tmp_path, place, value):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORT))
    assert read_report(path) == REPORT
    damaged = json.loads(json.dumps(REPORT))
    node = damaged
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    path.write_text(json.dumps(damaged))
    with pytest.raises(TrainingError, match=rf"^{re.escape(str(path))}: is damaged.*; run kface evaluate"):
        read_report(path)
