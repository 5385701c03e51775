"""Evaluation, the plots, Table 5, run directories and the notebook."""

import dataclasses
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from kface_fakes import SUBJECTS, captures_of, faces_of

from kface.data.testsets import Templates, TestSet
from kface.data.testsets.kface_protocols import ConditionFaces
from kface.errors import ConfigError, KFaceError, TrainingError
from kface.evaluation import evaluate as evaluation
from kface.evaluation import runs, summary, table5
from kface.evaluation.reports import read_report
from kface.evaluation.score_files import hardest, read_scores
from kface.verification import FAILED, identify, score_pairs

ROOT = Path(__file__).resolve().parents[3]
ABOUT = {"backbone": "resnet50", "loss": "arcface", "trained_on": "the synthetic sample", "seed": 0}


def made_set(name="kface", synthetic=True, people=8, each=5):
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(people), each)
    images = np.clip(
        128
        + 60 * random.standard_normal((people, 1, 1, 3))[who]
        + 40 * random.standard_normal((people * each, 112, 112, 3)),
        0,
        255,
    ).astype(np.uint8)
    first, second = np.triu_indices(people * each, 1)
    chosen = np.concatenate([np.flatnonzero(who[first] == who[second]), np.flatnonzero(who[first] != who[second])[::5]])
    pairs = np.stack([first[chosen], second[chosen]], axis=1)
    return TestSet(
        name,
        "K-Face-shaped synthetic sample" if synthetic else "LFW",
        images,
        pairs,
        who,
        None,
        np.zeros(len(images), bool),
        synthetic,
    )


def by_colour(images):
    return (images.mean(axis=(1, 2)) - 128).astype(np.float32)


def by_chance(images):
    return np.random.default_rng(1).standard_normal((len(images), 16)).astype(np.float32)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    root = tmp_path_factory.mktemp("outputs")
    run = root / "2026-01-02" / "resnet50-arcface"
    report = evaluation.evaluate(by_colour, [made_set(), made_set("lfw", False)], run, ABOUT, by_chance, replicates=50)
    return root, run, report


def test_the_report(outputs):
    _, run, report = outputs
    assert report == json.loads((run / "report.json").read_text())
    kface = report["sets"]["kface"]
    assert kface["synthetic_sample"]
    assert kface["eer"]["value"] < 0.2 < kface["before_training"]["eer"]
    assert kface["before_training"]["eer_ratio"] == pytest.approx(
        kface["eer"]["value"] / kface["before_training"]["eer"]
    )
    for figure in (kface["accuracy"], kface["eer"], kface["tar_at_far"]["1e-02"]):
        # Without an error there is nothing to resample.
        low, high = figure["interval"] or (figure["value"],) * 2
        assert low <= figure["value"] <= high
        assert (low < high) == (0 < figure["value"] < 1)
    assert report["sets"]["agedb30"] is None
    assert kface["tar_at_far"]["1e-04"] is None


def test_the_scores_are_kept(outputs):
    _, run, report = outputs
    for testset in (made_set(), made_set("lfw", False)):
        assert report["sets"][testset.name]["scores"] == f"scores/{testset.name}.npz"
        kept = read_scores(run / "scores" / f"{testset.name}.npz")
        np.testing.assert_allclose(kept.scores, score_pairs(by_colour(testset.images), testset.pairs))
        np.testing.assert_array_equal(kept.genuine, testset.genuine)
        easiest_last = np.sort(kept.scores[kept.genuine])
        hardest = kept.hardest[kept.genuine[kept.hardest]]
        np.testing.assert_allclose(kept.scores[hardest], easiest_last[:8])
        others = kept.hardest[~kept.genuine[kept.hardest]]
        np.testing.assert_allclose(kept.scores[others], np.sort(kept.scores[~kept.genuine])[::-1][:8])
        np.testing.assert_array_equal(kept.hardest_faces[3, 1], testset.images[testset.pairs[kept.hardest[3], 1]])
    (run / "scores" / "half.npz").write_bytes((run / "scores" / "lfw.npz").read_bytes()[:500])
    for name in ("half.npz", "absent.npz"):
        with pytest.raises(TrainingError, match=name):
            read_scores(run / "scores" / name)


def test_pairs_without_a_face_are_not_among_the_hardest():
    scores, genuine = np.array([0.9, FAILED, 0.1, 0.5, FAILED]), np.array([True, True, True, False, False])
    assert hardest(scores, genuine).tolist() == [2, 0, 3]


def test_shared_images_are_embedded_once():
    seen = []

    def counting(images):
        seen.append(len(images))
        return by_colour(images)

    one, other = made_set(), made_set()
    embeddings = evaluation.Embeddings(counting)
    assert embeddings.of(one) is embeddings.of(dataclasses.replace(one, name="q1"))
    assert embeddings.of(other) is not embeddings.of(one)
    assert sum(seen) == 2 * len(one.images)


def test_one_to_many_is_in_the_report_and_in_the_text(tmp_path):
    testset = dataclasses.replace(made_set("lfw", False, people=16, each=3), known_people=True)
    report = evaluation.evaluate(by_colour, [testset], tmp_path, ABOUT, replicates=20)
    found = read_report(tmp_path / "report.json")["sets"]["lfw"]["identification"]
    assert found == report["sets"]["lfw"]["identification"]
    wanted = identify(by_colour(testset.images), testset.people, replicates=20)
    assert found["rank_1"][0]["value"] == wanted.rank_1[0].rate.value
    assert (
        found["false_positive"][0]["galleries"][0]["fpir"]["value"] == wanted.false_positive[0].galleries[0].fpir.value
    )
    assert found["false_positive"][0]["galleries"][3]["fpir"] is None
    text = summary.text(report)
    assert "LFW, 1:N, 16 people, one template each" in text
    assert f"/ {100 * wanted.false_positive[0].galleries[3].extrapolated:.2f}" in text
    assert "rank 1" in text
    # Who is who in a list of pairs is not known well enough.
    unknown = evaluation.evaluate(by_colour, [made_set("lfw", False, people=16, each=3)], tmp_path, ABOUT, replicates=0)
    assert "identification" not in unknown["sets"]["lfw"]


def test_templates_are_pooled_by_medium():
    """Against the two sums of the definition, written out."""
    random = np.random.RandomState(0)
    embeddings = random.normal(size=(6, 5)).astype(np.float32) * 9
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    templates = Templates(np.array([0, 1, 2, 3, 0, 5]), np.array([0, 1, 1, 1, 2, 3]), np.array([0, 5, 5, 6, 0, 9]))
    failed = np.array([False] * 5 + [True])
    pooled, missing = evaluation.pool(embeddings, templates, failed)
    np.testing.assert_allclose(pooled[0], unit[0], rtol=1e-5)
    np.testing.assert_allclose(pooled[1], (unit[1] + unit[2]) / 2 + unit[3], rtol=1e-5)
    np.testing.assert_allclose(pooled[2], unit[0], rtol=1e-5)
    assert missing.tolist() == [False, False, False, True]
    images = np.repeat(np.arange(6, dtype=np.uint8) * 40, 112 * 112 * 3).reshape(6, 112, 112, 3)
    testset = TestSet(
        "ijbc",
        "IJB-C",
        images,
        np.array([[0, 1], [0, 2], [1, 3]]),
        np.array([0, 1, 0, 1]),
        failed=failed,
        templates=templates,
    )
    scores = evaluation.score_set(embeddings, testset)
    assert scores[0] == pytest.approx(
        pooled[0] @ pooled[1] / np.linalg.norm(pooled[0]) / np.linalg.norm(pooled[1]), abs=1e-6
    )
    assert scores[1] == pytest.approx(1)
    # A template without a face is a failure.
    assert scores[2] == FAILED


def test_conditions_are_in_the_report_and_in_the_text(tmp_path):
    held = captures_of(SUBJECTS)
    faces = ConditionFaces("K-Face-shaped synthetic sample", faces_of(held), tuple(held), True)
    report = evaluation.evaluate(by_colour, [], tmp_path, ABOUT, replicates=0, conditions=faces)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "conditions.csv", "conditions.png"}
    assert read_report(tmp_path / "report.json")["conditions"] == report["conditions"]
    text = summary.text(report)
    assert "K-Face-shaped synthetic sample, by condition, against S001/L1/E01/C7" in text
    # What hides the colour is the worst.
    worst = text.index("S004 sunglasses")
    assert worst < text.index("C13 yaw -90")
    assert "50 of K-Face's 59 conditions are not in the data set's test split." in text


def test_the_plots_are_pictures(outputs):
    from kface.images import read_image

    for name in ("roc.png", "det.png"):
        picture = read_image(outputs[1] / name)
        assert picture.shape[0] > 400
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_the_row(outputs):
    row = table5.row(outputs[2])
    assert "synthetic sample" in row
    assert "AgeDB-30          not available" in row
    assert "60.38" in row
    assert "99.38 % is on K-Face itself" in row
    assert "before training" in row
    assert ", ratio 0." in row
    assert max(len(line) for line in row.splitlines()) <= 130


def test_the_whole_table(outputs, capsys):
    root, _, report = outputs
    newer = root / "2026-01-03" / "resnet50-arcface"
    newer.mkdir(parents=True)
    (newer / "report.json").write_text(json.dumps({**report, "made": "2030-01-01T00:00:00+00:00"}))
    other = root / "2026-01-03" / "mobilenetv2-softmax"
    other.mkdir()
    (other / "report.json").write_text("{")
    found = table5.collect(root)
    assert [one["made"] for one in found] == ["2030-01-01T00:00:00+00:00"]
    assert "report.json: is damaged" in capsys.readouterr().err
    text = table5.table(found)
    assert text.count("\n") == 3
    assert "not available" in text
    assert "(synthetic sample)" in text
    assert "| the paper, trained on K-Face | 60.38 | 50.30 | 53.67 | 99.38 |" in text


def test_a_set_without_an_interval_says_how_large_it_is(outputs):
    report = json.loads(json.dumps(outputs[2]))
    report["sets"]["lfw"].update(pairs={"genuine": 4, "impostor": 8, "failed": 0}, people=4)
    # As reports from before have it.
    for interval in (None, [1.0, 1.0]):
        report["sets"]["lfw"]["accuracy"] = {"value": 1.0, "interval": interval}
        for text in (table5.row(report), table5.table([report])):
            assert "100.00 (12 pairs of 4 people)" in text
            assert "[100" not in text
    assert table5.percent({"value": 0.5, "interval": [0.4, 0.6]}, 1, "12 pairs of 4 people") == "50.0 [40.0, 60.0]"
    assert table5.percent({"value": 0.5, "interval": None}) == "50.00"


def test_the_command_without_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert table5.main() == 2
    assert "contains no runs" in capsys.readouterr().err


def test_reports_of_other_versions_are_refused(outputs, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**outputs[2], "schema": 99}))
    with pytest.raises(KFaceError, match="schema version 99"):
        evaluation.read_report(path)


def test_raw_pixels():
    images = made_set().images
    embedded = evaluation.raw_pixels(images)
    assert embedded.shape == (len(images), 784)
    np.testing.assert_allclose(embedded.mean(axis=1), 0, atol=1e-3)


def test_failures_count(tmp_path):
    testset = made_set()
    failed = np.zeros(len(testset.images), bool)
    failed[:3] = True
    failing = TestSet(**{**vars(testset), "failed": failed})
    report = evaluation.evaluate(by_colour, [failing], tmp_path, ABOUT, replicates=0)["sets"]["kface"]
    assert report["failed_to_acquire"] == 3
    assert report["pairs"]["failed"] > 0
    assert report["eer"]["value"] > report["eer_without_failures"]


def test_run_directories(tmp_path):
    first, second = (runs.new_run(tmp_path, "resnet50", "arcface") for _ in range(2))
    assert second.name == "resnet50-arcface-2"
    with pytest.raises(TrainingError, match="no run of resnet50-arcface"):
        runs.find_run(tmp_path, True, "resnet50", "arcface")
    (first / "checkpoints").mkdir()
    (first / "checkpoints" / "state.json").write_text("{}")
    assert runs.find_run(tmp_path, True, "resnet50", "arcface") == first
    assert runs.find_run(tmp_path, str(second), "resnet50", "arcface") == second
    with pytest.raises(TrainingError, match="no such run"):
        runs.find_run(tmp_path, "nowhere", "resnet50", "arcface")
    with pytest.raises(ConfigError, match="no trained run"):
        runs.newest_run(tmp_path, None)
    (second / "model.json").write_text("{}")
    assert runs.newest_run(tmp_path, None) == second
    with pytest.raises(ConfigError, match="holds no trained network"):
        runs.newest_run(tmp_path, str(first))


def test_the_notebook_reads_what_the_runs_wrote(outputs, monkeypatch):
    monkeypatch.chdir(outputs[0].parent)
    monkeypatch.setenv("KFACE_OUTPUTS", str(outputs[0]))
    notebook = json.loads((ROOT / "notebooks" / "table5.ipynb").read_text())
    names = {}
    out = io.StringIO()
    with redirect_stdout(out):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []
                exec("".join(cell["source"]), names)
    assert "synthetic sample" in out.getvalue()
    assert names["pictures"]


def test_what_a_run_is_is_known_before_it_ends(tmp_path):
    about = {**ABOUT, "data_set": "data/aligned/x", "backbone_arguments": {"name": "resnet50"}}
    runs.write_about(tmp_path, about)
    assert runs.read_about(tmp_path) == about
    for wrong in (5, [3], [{"after_epoch": 1, "changed": {"fit.epochs": 3}}]):
        runs.write_about(tmp_path, {**about, "resumed": wrong})
        with pytest.raises(TrainingError, match=r"run\.json: is damaged"):
            runs.read_about(tmp_path)
    for text, message in (('{"schema": 1}', "schema"), ("{", "damaged"), ("[1]", "damaged")):
        (tmp_path / runs.ABOUT).write_text(text)
        with pytest.raises(TrainingError, match=message):
            runs.read_about(tmp_path)
    with pytest.raises(TrainingError, match=r"give a run's directory: run=DIR"):
        runs.read_about(tmp_path / "absent")
