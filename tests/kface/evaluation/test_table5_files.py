"""Table 5 as files, and the pictures of its notebook: what stands beside what, and what is said of it."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from kface.evaluation import table5, table5_files, table5_plots
from kface.evaluation.score_files import PairScores
from kface.evaluation.table5_plots import ReportedRun
from kface.images import read_image

ROOT = Path(__file__).resolve().parents[3]


def figure(value, width=0.02):
    return {"value": value, "interval": [value - width, value + width]}


def result(title, value, synthetic=False):
    return {
        "title": title,
        "synthetic_sample": synthetic,
        "accuracy": figure(value),
        "eer": figure(1 - value),
        "tar_at_far": {"1e-02": figure(0.1), "1e-03": None, "1e-04": None},
        "pairs": {"genuine": 100, "impostor": 100},
        "people": 30,
        "images": 200,
        "failed_to_acquire": 3,
        "raw_pixels": {"eer": 0.45},
    }


def report(backbone, loss, corpus="the synthetic sample", own=("K-Face-shaped synthetic sample", True), **values):
    sets = {key: result(table5.SETS[key], value) for key, value in values.items() if key != "kface"}
    sets["kface"] = result(own[0], values.get("kface", 0.9), own[1])
    run = {"backbone": backbone, "loss": loss, "trained_on": corpus}
    return {
        "schema": 1,
        "made": "2026-01-02T00:00:00+00:00",
        "run": run,
        "sets": {**dict.fromkeys(table5.SETS), **sets},
    }


@pytest.fixture
def reports():
    return [report("resnet50", "arcface", lfw=0.631), report("mobilenetv2", "softmax", lfw=0.649, cfp_fp=0.584)]


def rows_of(text):
    """Return the first table of a Markdown text: rows of cells."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    table = [line for line in lines[first:] if line.startswith("|")][: lines[first:].index("")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_paper_s_figures_stand_beside_ours(reports):
    text = table5_files.markdown(reports, ["mobilenetv2 + arcface"])
    head, _, *rows = rows_of(text)
    assert head == [
        "network", "LFW", "paper", "AgeDB-30", "paper", "CFP-FP", "paper", "synthetic sample", "K-Face", "paper",
    ]  # fmt: skip
    ours = "90.00 [88.00, 92.00]"
    assert rows == [
        ["ResNet-50 + ArcFace", "63.10 [61.10, 65.10]", "60.38", "-", "50.30", "-", "53.67", ours, "-", "99.38"],
        [
            "MobileNetV2 + Softmax", "64.90 [62.90, 66.90]", "66.10", "-", "53.73", "58.40 [56.40, 60.40]", "60.36", ours,
            "-", "97.95",
        ],
    ]  # fmt: skip
    assert "Ours: trained on the synthetic sample." in text
    assert "(synthetic sample) cannot be compared with the paper's on K-Face" in text
    assert "Not finished: mobilenetv2 + arcface." in text
    assert "| MobileNetV2 + Softmax | CFP-FP | 41.6 [39.6, 43.6] | 10.0 [8.0, 12.0] | not available |" in text


def test_k_face_itself_is_compared():
    text = table5_files.markdown([report("resnet50", "cosface", "K-Face", own=("K-Face", False))])
    head, _, row = rows_of(text)
    assert head[-2:] == ["K-Face", "paper"]
    assert "synthetic" not in text
    assert "cannot be compared" not in text
    assert row[-2:] == ["90.00 [88.00, 92.00]", "99.10"]


def test_runs_of_several_corpora_have_their_own_columns(reports):
    mine = report("resnet50", "softmax", "내 사진 | x", own=("own photographs", False))
    text = table5_files.markdown([*reports, mine])
    head, _, *rows = rows_of(text)
    assert head[-4:] == ["synthetic sample", "own photographs", "K-Face", "paper"]
    assert [row[-4:-2] for row in rows] == [["90.00 [88.00, 92.00]", "-"]] * 2 + [["-", "90.00 [88.00, 92.00]"]]
    assert "ResNet-50 + Softmax: trained on 내 사진 | x." in text


def test_the_figures_as_csv(reports):
    rows = list(csv.DictReader(io.StringIO(table5_files.comma_separated(reports))))
    assert [(row["backbone"], row["test_set"]) for row in rows] == [
        ("resnet50", "lfw"), ("resnet50", "kface"),
        ("mobilenetv2", "lfw"), ("mobilenetv2", "cfp_fp"), ("mobilenetv2", "kface"),
    ]  # fmt: skip
    first, own = rows[:2]
    assert (first["accuracy"], first["accuracy_low"], first["accuracy_high"]) == ("63.1000", "61.1000", "65.1000")
    assert (first["paper_accuracy"], first["synthetic_sample"]) == ("60.38", "false")
    assert (own["paper_accuracy"], own["synthetic_sample"], own["title"]) == ("", "true", "synthetic sample")
    assert (first["tar_at_far_1e-02"], first["tar_at_far_1e-03"]) == ("10.0000", "")


def test_the_files(reports, tmp_path):
    paths = table5_files.write(tmp_path / "table5", reports, ["resnet50 + softmax"])
    assert [path.name for path in paths] == ["table5.md", "table5.csv", "table5.png"]
    picture = read_image(paths[2])
    assert picture.shape[1] > picture.shape[0] > 300
    # Text reaches neither edge.
    assert (picture[:, :5] == 255).all()
    assert (picture[:, -5:] == 255).all()
    assert (picture != 255).any(axis=2).mean() > 0.02


def test_the_reports_are_in_the_paper_s_order(tmp_path):
    keys = [("mobilenetv2", "softmax"), ("resnet50", "other"), ("resnet50", "arcface")]
    for number, key in enumerate(keys):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "report.json").write_text(json.dumps(report(*key)))
    found = table5_files.read(tmp_path / str(number) for number in range(3))
    assert [each["run"]["loss"] for each in found] == ["arcface", "softmax", "other"]


def pair_scores():
    scores = np.array([0.9, 0.1, 0.3, -0.2, 0.6, -2.0], np.float32)
    genuine = np.array([True, True, True, False, False, False])
    hardest = np.array([1, 2, 0, 4, 3], np.int32)
    faces = np.arange(5, dtype=np.uint8)[:, None, None, None, None] * np.ones((5, 2, 112, 112, 3), np.uint8)
    empty = np.zeros(0, np.int32)
    pairs = np.zeros((6, 2), np.int32)
    return PairScores(scores, genuine, pairs, empty, empty, np.zeros(0, np.str_), empty > 0, hardest, faces)


@pytest.fixture
def run(tmp_path):
    made = report("resnet50", "arcface", lfw=0.631)
    made["sets"]["lfw"].update(scores="scores/lfw.npz", threshold_at_eer=0.2)
    (tmp_path / "scores").mkdir()
    np.savez(tmp_path / "scores" / "lfw.npz", **pair_scores()._asdict())
    return ReportedRun(tmp_path, made)


def test_runs_without_scores_have_no_pictures_of_them(run):
    assert table5_plots.sets_with_scores([run]) == ["lfw"]
    assert table5_plots.hardest(run, "kface") is None
    (run.directory / "scores" / "lfw.npz").write_bytes(b"PK")
    assert run.scores("lfw") is None
    assert table5_plots.sets_with_scores([run]) == []
    assert table5_plots.hardest(run, "lfw") is None
    assert table5_plots.by_condition([run]) is None


def test_by_condition_a_handful_of_pairs_gives_no_figure(run, monkeypatch):
    from matplotlib.axes import Axes

    def cell(panel, number, only, genuine, eer):
        estimate = None if eer is None else {"value": eer, "interval": None}
        return {"panel": panel, panel: number, "only": only, "genuine": genuine, "eer": estimate}

    cells = [cell("camera", number, True, 30, 0.01 * number) for number in (6, 8)]
    cells += [cell("camera", number, False, 90, 0.3) for number in (6, 7, 8)]
    cells += [
        cell("accessory", 2, True, 1, 0.0),
        cell("accessory", 3, True, 40, 0.02),
        cell("accessory", 1, True, 0, None),
    ]
    cells += [
        cell("accessory", 1, False, 80, 0.11),
        cell("accessory", 2, False, 90, 0.12),
        cell("accessory", 3, False, 9, 0.5),
    ]
    run.report["conditions"] = {"cells": cells, "title": "the sample"}
    written, titles = [], []
    monkeypatch.setattr(Axes, "text", lambda self, x, y, text, **more: written.append(text))
    monkeypatch.setattr(Axes, "set_title", lambda self, text, **more: titles.append(text))
    assert table5_plots.by_condition([run]).startswith(b"\x89PNG")
    # S002 alone is one pair, so that panel shows all pictures, and of these S003 has too few.
    assert titles == ["accessory\nall else varies", "camera\nalone"]
    assert written == ["11", "12", "6", "8"]


def test_the_hardest_pairs_and_what_was_decided(run, monkeypatch):
    from matplotlib.axes import Axes

    written = []
    monkeypatch.setattr(Axes, "text", lambda self, x, y, text, **more: written.append(text))
    assert table5_plots.hardest(run, "lfw").startswith(b"\x89PNG")
    assert written == [
        "0.10\nfalse non-match", "0.30\nmatch", "0.90\nmatch", "0.60\nfalse match", "-0.20\nnon-match",
    ]  # fmt: skip


def test_pairs_of_faces_are_columns():
    faces = pair_scores().hardest_faces[3:]
    canvas = table5_plots._mosaic(faces, 3)
    assert canvas.shape == (232, 352, 3)
    assert (canvas[0, 0], canvas[231, 111], canvas[0, 120], canvas[115, 0], canvas[0, 351])[0][0] == 3
    assert [canvas[y, x, 0] for y, x in ((0, 0), (231, 111), (0, 120), (231, 231), (115, 0), (0, 115), (0, 351))] == [
        3, 3, 4, 4, 255, 255, 255,
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_no_notebook_has_outputs(path):
    # They may show real faces.
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert "attachments" not in cell
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.slow
def test_the_notebook_runs_in_jupyter(run, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="Jupyter is not installed (the extra notebooks)")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    (run.directory / "report.json").write_text(json.dumps(run.report))
    monkeypatch.setenv("KFACE_OUTPUTS", str(run.directory))
    notebook = nbformat.read(ROOT / "notebooks" / "table5.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
    kinds = [kind for cell in notebook.cells for out in cell.get("outputs", ()) for kind in out.get("data", {})]
    assert kinds.count("image/png") == 4
    assert "text/markdown" in kinds
