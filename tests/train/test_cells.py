"""The grid of Table 5: what belongs to a cell, what is kept, resumed and started, and what a failure leaves."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from kface import stage
from kface.evaluation import runs
from kface.evaluation.reports import SETS
from train import cells, table5
from train.cells import FINISHED, STARTED, Cell

PRINT = "f" * 64
SMALL = ["corpus=sample-small", "fit.epochs=2"]
MINE = ["backbone=resnet50", "loss=arcface", *SMALL]


def figure(value):
    return {"value": value, "interval": [value - 0.02, value + 0.02]}


def result(title, synthetic=False):
    return {
        "title": title,
        "synthetic_sample": synthetic,
        "accuracy": figure(0.63),
        "eer": figure(0.37),
        "tar_at_far": {"1e-02": figure(0.1), "1e-03": None, "1e-04": None},
        "pairs": {"genuine": 100, "impostor": 100},
        "people": 30,
        "images": 200,
        "failed_to_acquire": 3,
        "raw_pixels": {"eer": 0.45},
    }


@functools.cache
def composed(*arguments):
    return stage.compose("train", arguments)


def write_run(directory, arguments, data_set=PRINT, upto="report", asked=("kface",)):
    """Write a run as the stage leaves it, up to its settings, its first checkpoint, its network or its report."""
    config = composed(*arguments)
    settings = cells.settings_of(config)
    backbone, loss = (next(word for word in arguments if word.startswith(axis)) for axis in ("backbone=", "loss="))
    about = {
        "backbone": backbone.partition("=")[2],
        "loss": loss.partition("=")[2],
        "trained_on": "the synthetic sample",
        "epochs": settings["fit"]["epochs"],
        "seed": 0,
        "data_set": "data/aligned/x",
        "data_set_fingerprint": data_set,
        "backbone_arguments": {"name": "x"},
    }
    directory.mkdir(parents=True, exist_ok=True)
    runs.write_down(directory, about, OmegaConf.to_yaml(config, resolve=True))
    if upto == "settings":
        return directory
    (directory / "checkpoints").mkdir(exist_ok=True)
    (directory / "checkpoints" / "state.json").write_text("{}")
    if upto == "checkpoint":
        return directory
    (directory / "model.json").write_text("{}")
    if upto == "network":
        return directory
    sets = {key: result(SETS[key]) if key in asked else None for key in SETS}
    if "kface" in asked:
        sets["kface"] = result("K-Face-shaped synthetic sample", True)
    report = {"schema": 1, "made": "2026-01-02T00:00:00+00:00", "run": about, "sets": sets}
    (directory / "report.json").write_text(json.dumps(report))
    return directory


def cell(*arguments, data_set=PRINT):
    return Cell("resnet50", "arcface", cells.settings_of(composed(*MINE, *arguments)), data_set)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("outputs") / "2026-01-02"


@pytest.mark.parametrize(
    ("upto", "state"), [("settings", None), ("checkpoint", STARTED), ("network", STARTED), ("report", FINISHED)]
)
def test_how_far_a_run_has_come(place, upto, state):
    assert cell().find() is None
    write_run(place / "resnet50-arcface", MINE, upto=upto)
    found = cell().find()
    assert (found and found.state) == state


@pytest.mark.parametrize(
    "changed",
    ["optimizer.learning_rate=0.5", "fit.epochs=3", "loss=cosface", "seed=1", "corpus.identities=13", "evaluate.lfw=x"],
)
def test_only_the_same_settings_are_the_cell_s(place, changed):
    write_run(place / "resnet50-arcface", [*(word for word in MINE if not changed.startswith(word[:8])), changed])
    # What does not affect the weights may differ.
    assert (cell().find() is not None) == (changed == "evaluate.lfw=x")


def test_another_data_set_under_the_same_settings_is_another_run(place):
    write_run(place / "resnet50-arcface", MINE)
    assert cell(data_set="0" * 64).find() is None


def test_a_report_without_a_test_set_that_is_asked_for_is_completed(place, tmp_path):
    (tmp_path / "lfw").mkdir()
    write_run(place / "resnet50-arcface", MINE)
    assert cell("evaluate.lfw=lfw").find().state == STARTED
    write_run(place / "resnet50-arcface", MINE, asked=("kface", "lfw"))
    assert cell("evaluate.lfw=lfw").find().state == FINISHED
    assert cell("evaluate.pairs=null").find().state == FINISHED


def test_a_report_from_before_more_epochs_is_not_the_cell_s(place):
    run = write_run(place / "resnet50-arcface", MINE)
    report = json.loads((run / "report.json").read_text())
    report["run"]["epochs"] = 1
    (run / "report.json").write_text(json.dumps(report))
    assert cell().find().state == STARTED


def test_a_finished_run_goes_before_a_newer_one(place):
    old = write_run(place / "resnet50-arcface", MINE)
    new = write_run(place / "resnet50-arcface-2", MINE, upto="checkpoint")
    os.utime(old / "config.yaml", (1, 1))
    assert cell().find() == (old, FINISHED)
    (old / "report.json").write_text("{")
    assert cell().find() == (new, STARTED)


@pytest.mark.parametrize("damage", ["[", "", "a: 1"])
def test_a_damaged_run_is_no_cell(place, damage):
    run = write_run(place / "resnet50-arcface", MINE)
    (run / "config.yaml").write_text(damage)
    assert cell().find() is None
    write_run(run, MINE)
    (run / "run.json").write_text("{")
    assert cell().find() is None


@pytest.fixture
def grid(place, monkeypatch):
    """The command with a stand-in for the trainings: returns what they were given, by cell, and who fails."""
    trained, failing = [], {}

    def process(arguments):
        words = [word for word in arguments if not word.startswith("resume=")]
        key = tuple(word.partition("=")[2] for word in words if word.startswith(("backbone=", "loss=")))
        trained.append((*key, next((word for word in arguments if word.startswith("resume=")), "")))
        directory = Path("outputs/2026-01-02") / "-".join(key)
        if key in failing:
            upto = failing.pop(key)
            if upto is KeyboardInterrupt:
                raise KeyboardInterrupt
            write_run(directory, words, upto=upto)
            return 3
        write_run(directory, words)
        return 0

    manifest = SimpleNamespace(fingerprint=PRINT)
    monkeypatch.setattr(cells, "_process", process)
    monkeypatch.setattr(table5, "prepare", lambda job: SimpleNamespace(manifest=manifest))
    monkeypatch.setattr(table5, "summary", lambda report: "data set: ready")
    return trained, failing


ROW = ["backbone=mobilenetv2", *SMALL]


def test_the_grid_is_the_paper_s():
    assert table5.BACKBONES == ["resnet50", "mobilenetv2"]
    assert table5.LOSSES == ["arcface", "cosface", "softmax"]


def test_the_grid_is_trained_and_kept(grid, capfd):
    trained, _ = grid
    words = ["run", *SMALL, "loss=arcface", "backbone=resnet50,mobilenetv2"]
    assert table5.main(words) == 0
    assert trained == [("resnet50", "arcface", ""), ("mobilenetv2", "arcface", "")]
    out = capfd.readouterr().out
    assert out.count("data set: ready") == 1
    text = Path("outputs/table5/table5.md").read_text()
    assert text in out
    assert [line.split(" | ")[0] for line in text.splitlines()[4:6]] == [
        "| ResNet-50 + ArcFace", "| MobileNetV2 + ArcFace"
    ]  # fmt: skip
    assert table5.main(words) == 0
    assert len(trained) == 2
    assert capfd.readouterr().out.count(": kept, outputs") == 2


def test_a_failed_cell_stops_no_other_and_is_named(grid, capfd):
    trained, failing = grid
    failing["mobilenetv2", "softmax"] = "settings"
    failing["mobilenetv2", "arcface"] = "checkpoint"
    assert table5.main(["run", *ROW, "loss=softmax,arcface,cosface"]) == 1
    assert [loss for _, loss, _ in trained] == ["softmax", "arcface", "cosface"]
    assert "not finished: mobilenetv2 + softmax, mobilenetv2 + arcface; " in capfd.readouterr().err
    text = Path("outputs/table5/table5.md").read_text()
    assert "Not finished: mobilenetv2 + softmax, mobilenetv2 + arcface." in text
    del trained[:]
    assert table5.main(["run", *ROW]) == 0
    resumed = "resume=outputs/2026-01-02/mobilenetv2-arcface"
    assert trained == [("mobilenetv2", "arcface", resumed), ("mobilenetv2", "softmax", "")]
    assert "Not finished" not in Path("outputs/table5/table5.md").read_text()


def test_ctrl_c_stops_the_grid(grid, capfd):
    trained, failing = grid
    failing["mobilenetv2", "arcface"] = KeyboardInterrupt
    assert table5.main(["run", *ROW, "loss=arcface,softmax"]) == 130
    assert len(trained) == 1
    assert "stopped" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("seed=0,1", "seed=0,1: lists several values; only backbone and loss may; run this once for each value"),
        ("resume=true", "resume=true: is decided for each cell; remove it"),
        ("--multirun", "--multirun: unknown option; see kface table5 run --help"),
        ("loss=arcface,", "loss=arcface,: names an empty choice; write loss=arcface,cosface,softmax"),
        ("loss=arcfac", "loss=arcfac: unknown choice; choose one of: arcface, cosface, softmax"),
        ("evaluate.lfw=nowhere", "evaluate.lfw=nowhere: does not exist; correct the path or leave it out"),
    ],
)
def test_a_wrong_setting_is_one_line_before_anything_is_trained(grid, word, line, capfd):
    axes = [] if word.startswith("loss") else ["loss=arcface"]
    assert table5.main(["run", *ROW, *axes, word]) == 2
    assert capfd.readouterr().err == f"table5: {line}\n"
    assert grid[0] == []


def test_a_grid_that_is_at_work_is_not_started_twice(grid, capfd):
    handle = table5._locked(Path("outputs/table5"))
    try:
        assert table5.main(["run", *MINE]) == 2
    finally:
        os.close(handle)
    assert "another kface table5 run is at work here; wait for it" in capfd.readouterr().err
    assert table5.main(["run", *MINE]) == 0


def test_the_page_of_run(capsys):
    with pytest.raises(SystemExit) as ended:
        table5.main(["run", "--help"])
    assert ended.value.code == 0
    assert "kface table5 run - train Table 5's grid" in capsys.readouterr().out


SCRIPT = """
import signal, sys, time
from train import cells
cells.command = lambda arguments: [sys.executable, "-c", arguments[0]]
print(cells._process([sys.argv[1]]), flush=True)
"""


def run_script(child, **keywords):
    path = os.pathsep.join(word for word in sys.path if word)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, child], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path}, **keywords,
    )  # fmt: skip


def test_a_killed_training_is_a_line(capfd, monkeypatch):
    monkeypatch.setattr(cells, "command", lambda arguments: ["sh", "-c", arguments[0]])
    assert cells._process(["kill -9 $$"]) == 137
    assert capfd.readouterr().err == "table5: killed by SIGKILL; run again to continue\n"
    assert cells._process(["exit 4"]) == 4
    with pytest.raises(KeyboardInterrupt):
        cells._process(["exit 130"])


def test_sigterm_reaches_the_training_which_may_finish(tmp_path):
    # As a training does that writes a checkpoint before it ends.
    child = (
        "import signal, sys, time\n"
        "def end(*_):\n    time.sleep(0.3); print('checkpoint', flush=True); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('training', flush=True)\ntime.sleep(60)"
    )
    with run_script(child) as process:
        assert process.stdout.readline() == "training\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("checkpoint\n", "", 143)


def test_a_training_ends_with_the_grid(tmp_path):
    child = (
        "import os, time\nfrom kface import workers\n"
        "workers.end_with(os.getppid())\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    with run_script(child) as process:
        number = int(process.stdout.readline())
        process.kill()
        process.wait()
        until = time.monotonic() + 20
        while Path(f"/proc/{number}/stat").exists() and time.monotonic() < until:
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.05)
        else:
            assert not Path(f"/proc/{number}").exists()
