"""``kface kisa`` from the command line to the files, and wrong input: one line each."""

import json

import pytest
from small_kisa import PixelEngine, job, small_database

from kface import stage as stages
from kface.errors import ConfigError
from kface.kisa import stage
from kface.kisa.__main__ import main
from kface.kisa.conditions import Category
from kface.kisa.folder import write_folder
from kface.kisa.settings import KisaJob


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("kisa") / "데이터"
    write_folder(small_database(people=4), root)
    return root


def run(folder, tmp_path, *arguments):
    common = [
        "database=folder",
        f"database.root={folder}",
        f"data_dir={tmp_path}/data",
        f"output_dir={tmp_path}/outputs",
    ]
    return stages.run("kisa", main, [*common, "engine=null", "bootstrap=20", "progress=false", *arguments])


def test_the_command_writes_a_report_and_prints_the_table(folder, tmp_path, capfd):
    assert run(folder, tmp_path) == 0
    printed = capfd.readouterr().out
    for line in (
        "light       <= 1 %",
        "expression  <= 2 %",
        "pose        <= 2 %",
        "accessory   <= 1.5 %",
        "verdict (synthetic sample): fail",
    ):
        assert line in printed
    (directory,) = (tmp_path / "outputs").glob("*/kisa-null")
    names = {path.name for path in directory.iterdir()}
    assert names == {
        "kisa.json", "figures.csv", "report.ko.html", "report.ko.pdf", "report.en.html", "report.en.pdf",
    }  # fmt: skip
    made = json.loads((directory / "kisa.json").read_text(encoding="utf-8"))
    assert made["database"]["people"] == 4
    assert made["figures"]["total"]["pairs"]["impostor"] == 4 * 3 * 17
    # A second one of the day, with the templates of the first.
    assert run(folder, tmp_path, "languages=en", "pairs.impostors=random", "pairs.number=10") == 0
    second = directory.parent / "kisa-null-2"
    assert not (second / "report.ko.pdf").exists()
    again = json.loads((second / "kisa.json").read_text(encoding="utf-8"))
    assert again["work"]["templates_made"] == 0
    assert again["figures"]["light"]["pairs"]["impostor"] == 10


def test_strict_makes_a_failed_mark_a_status(folder, tmp_path):
    assert run(folder, tmp_path, "strict=true", "languages=en") == 1
    marks = [f"criteria.{name}=1" for name in ("light", "expression", "pose", "accessory")]
    assert run(folder, tmp_path, "strict=true", "languages=en", *marks) == 0


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("engine=c", "engine: must be one of python, library, null, not 'c'"),
        ("bundle=DIR", "bundle: is not read by engine=null"),
        ("library=a.so", "library: is for engine=library"),
        ("embedder=pb", "embedder: is for engine=library"),
        ("engine=library precision=int8", "precision: int8 is for engine=python"),
        ("engine=library runtime=onnxruntime", "runtime: onnxruntime is for engine=python"),
        ("criteria.light=1.5", "criteria.light: must be a number, at least 0, at most 1, not 1.5"),
        ("criteria.light=null", "criteria.light: must be a number"),
        ("pairs.impostors=all", "pairs.impostors: must be one of full_cross, one_direction, random, not 'all'"),
        ("pairs.number=0", "pairs.number: must be a whole number"),
        ("bootstrap=-1", "bootstrap: must be a whole number"),
        ("languages=[ko,jp]", "languages: must be a list of ko, en"),
        ("languages=[]", "languages: must be a list of ko, en"),
        ("worst=51", "worst: must be a whole number"),
        ("pictures=maybe", "pictures: must be true or false"),
        ("detector.min_face=5", "detector.min_face: must be a number from 20"),
        ("detector.brighten=[sun]", "detector.brighten: must be a list"),
        ("pair.seed=3", "unknown key"),
        ("database.root=nowhere", "nowhere"),
    ],
)
def test_wrong_input_is_one_line(folder, tmp_path, capfd, argument, said):
    assert run(folder, tmp_path, *argument.split()) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_no_bundle_is_one_line(folder, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KFACE_BUNDLE", raising=False)
    assert run(folder, tmp_path, "engine=python") == 2
    assert "bundle: is not given, and none is found in outputs or bundles; make one" in capfd.readouterr().err
    assert run(folder, tmp_path, "engine=python", "bundle=nowhere") == 2
    error = capfd.readouterr().err
    assert "nowhere" in error
    assert error.count("\n") == 1


def test_what_ends_early_leaves_no_empty_run(tmp_path, capfd):
    root = write_folder(small_database(people=3), tmp_path / "faces")
    (root / "index.csv").unlink()
    first, second = sorted(root.glob("*/enrolment_neutral.png"))[:2]
    second.write_bytes(first.read_bytes())
    assert run(root, tmp_path) == 2
    error = capfd.readouterr().err
    assert "1 x same image twice" in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "outputs").glob("*/*"))


def test_a_directory_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds a manifest.json"):
        stage.directory_of(job(tmp_path, out=tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        stage.directory_of(job(tmp_path, out=tmp_path / "file"))


def test_the_default_settings_are_kisa_s(monkeypatch):
    monkeypatch.setenv("KFACE_BUNDLE", "somewhere")
    made = KisaJob.of(stages.compose("kisa"))
    assert made.criteria == {category: category.criterion for category in Category if category.criterion is not None}
    assert made.policy.impostors == "full_cross"
    assert (made.engine, str(made.bundle), made.strict) == ("python", "somewhere", False)


def test_the_table_says_what_a_reader_must_know(tmp_path):
    database = small_database(left_out=["expression_anger", "accessory_glasses", "accessory_hair-band"])
    report = stage.perform(job(tmp_path), PixelEngine(), database)
    said = stage.table(report)
    assert "(synthetic sample)" in said
    assert "expression: incomplete, the data base lacks images of it" in said
    assert "accessory: the data base has no image of it" in said
    assert stage.status(report, strict=True) == 1
    assert stage.status(report, strict=False) == 0
