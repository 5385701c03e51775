"""Every damage to a run's files is reported in one line that names the file; nothing in them is trusted."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_training import run

from kface.errors import KFaceError, TrainingError
from kface.evaluation import runs
from kface.evaluation.evaluate import read_report
from kface.files import sha256_file
from train import checkpoints, weights
from train.callbacks import Checkpoint, TrainingContext
from train.history import COLUMNS, OLD_COLUMNS, read_history
from train.trained import load_backbone


@pytest.fixture
def copy(undisturbed, tmp_path):
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(undisturbed[0], tmp_path / "copy"))


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(copy, tiny_manifest, capsys):
    (copy / "checkpoints" / "epoch-0003.weights.h5").write_bytes(b"half")
    assert run(tiny_manifest, copy, resume=True).epochs == 3
    printed = capsys.readouterr().err
    assert re.fullmatch(
        r"train: .*epoch-0003\.weights\.h5: is missing or damaged .*; continuing from epoch 2\n", printed
    )
    assert [row["epoch"] for row in read_history(copy / "history.csv")] == ["1", "2", "3"]


def test_damaged_files_are_named(copy, tiny_manifest, tmp_path):
    state = json.loads((copy / "checkpoints" / "state.json").read_text())
    for one in (state, *state["older"]):
        with open(copy / "checkpoints" / one["file"], "r+b") as stream:
            stream.truncate(1000)
    with pytest.raises(TrainingError, match=r"epoch-0003\.weights\.h5: is missing or damaged"):
        run(tiny_manifest, copy, resume=True)
    with open(copy / "checkpoints" / "backbone.weights.h5", "ab") as stream:
        stream.write(b"x")
    with pytest.raises(TrainingError, match="SHA-256 differs"):
        load_backbone(copy)
    with pytest.raises(TrainingError, match="holds no trained network"):
        load_backbone(tmp_path)


HASH = "0" * 64
POSITION = {"seconds": 1.5, "metrics": {"loss": [2.5, 40.0]}, "seeds": [[3, 7]]}
#: What becomes of any JSON file of a run in the end.
DAMAGED = [
    b"",
    b"{",
    b"[1]",
    b"null",
    b"\xb1\xe8\xc3\xb6\xbc\xf6",
    b'\xef\xbb\xbf{"schema": 1}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"schema": 1' + b"0" * 400 + b"}",
    b'{"schema": 1e999}',
    b'{"schema": NaN}',
    b'{"schema": "\\ud800"}',
    b'{"schema": [1]}',
    b'{"schema": true}',
    b"{}",
]


@pytest.mark.parametrize("name", ["model.json", "run.json", "checkpoints/state.json", "report.json"])
@pytest.mark.parametrize("data", DAMAGED, ids=[str(number) for number in range(len(DAMAGED))])
def test_damaged_json_is_one_line_that_names_the_file(name, data, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    read = {
        "model.json": load_backbone,
        "run.json": runs.read_about,
        "checkpoints/state.json": lambda directory: checkpoints.read_state(directory / "checkpoints"),
        "report.json": lambda directory: read_report(directory / "report.json"),
    }[name]
    with pytest.raises(KFaceError, match=re.escape(str(path))) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(KFaceError, match=re.escape(str(path))):
        read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"file": -1},
        {"file": "../../../etc/passwd"},
        {"file": ["epoch-0003.weights.h5"]},
        {"epoch": 0},
        {"epoch": True},
        {"epoch": "3"},
        {"epoch": 1.5},
        {"sha256": None},
        {"sha256": HASH.upper().replace("0", "Z")},
        {"run": []},
        {"older": {}},
        {"older": [3]},
        {"older": [{"epoch": 2}]},
    ],
)
def test_a_state_of_wrong_types_is_one_line_that_names_the_file(change, tmp_path):
    right = {"schema": 3, "epoch": 3, "file": "epoch-0003.weights.h5", "sha256": HASH, "older": [], "run": {}}
    path = tmp_path / "state.json"
    path.write_text(json.dumps(right))
    assert checkpoints.read_state(tmp_path).saved[0].epoch == 3
    path.write_text(json.dumps({**right, **change}))
    with pytest.raises(TrainingError, match=rf"{re.escape(str(path))}: is damaged, .*; leave resume out"):
        checkpoints.read_state(tmp_path)
    for key in change:
        path.write_text(json.dumps({name: value for name, value in right.items() if name != key}))
        with pytest.raises(TrainingError, match=f"has no field {key}"):
            checkpoints.read_state(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1},
        {"step": "5"},
        {"file": "epoch-0003-step-5.weights.h5"},
        {"position": None},
        {"position": {}},
        {"position": {**POSITION, "seconds": "long"}},
        {"position": {**POSITION, "metrics": {"loss": ["x"]}}},
        {"position": {**POSITION, "metrics": {"loss": 1}}},
        {"position": {**POSITION, "seeds": [3]}},
        {"best": 5},
        {"best": {"epoch": 1, "eer": 2, "file": "best-0001.weights.h5", "sha256": HASH}},
        {"best": {"epoch": 1, "eer": 0.5, "file": "../best-0001.weights.h5", "sha256": HASH}},
        {"ended": "yes"},
    ],
)
def test_a_state_within_an_epoch_of_wrong_types_is_one_line_that_names_the_file(change, tmp_path):
    right = {"schema": 4, "epoch": 0, "step": 5, "file": "epoch-0000-step-000005.weights.h5", "sha256": HASH}
    right |= {"older": [], "run": {}, "position": POSITION, "best": None, "ended": False}
    path = tmp_path / "state.json"
    path.write_text(json.dumps(right))
    state = checkpoints.read_state(tmp_path)
    assert state.saved[0].place == (0, 5)
    assert (state.saved[0].position.metrics, state.best, state.ended) == ({"loss": [2.5, 40.0]}, None, False)
    path.write_text(json.dumps({**right, **change}))
    with pytest.raises(TrainingError, match=rf"{re.escape(str(path))}: is damaged, .*; leave resume out"):
        checkpoints.read_state(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": 3},
        {"backbone": {}},
        {"backbone": {"name": "resnet51"}},
        {"backbone": {"name": "tiny", "embedding": "x"}},
        {"backbone": {"name": "tiny", "no such": 1}},
        {"weights": None},
        {"weights": {"file": "../secret.weights.h5", "sha256": HASH}},
        {"weights": {"file": "checkpoints/backbone.weights.h5", "sha256": 5}},
    ],
)
def test_a_model_of_wrong_types_is_one_line_that_names_the_file(change, copy):
    path = copy / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(TrainingError, match=rf"{re.escape(str(path))}: is damaged"):
        load_backbone(copy)


ROW = "1,2.2,0.1,9e-04,0.0,3.1,59.6"
#: The columns of a history and a row, of the previous version and of this one, where a GPU and a validation may be absent.
FORMS = [(",".join(OLD_COLUMNS), ROW), (",".join(COLUMNS), f"{ROW},812,,0.1,,0.95")]


@pytest.mark.parametrize(
    "data",
    [
        data
        for header, row in FORMS
        for data in (
            f"epch,loss,accuracy,learning_rate,margin,images_per_second,seconds\n{row}\n",
            f"{header}\n{row.replace('2.2', '2.2z')}\n",
            f"{header}\n{row.replace('2.2', '')}\n",
            f"{header}\n{row[:-5]}\n",
            f"{header}\n{row},7\n",
            f"{header}\n{row}\n{row}\n",
            f"{header}\n{row.replace('1,', '²,', 1)}\n",
            f"{header}\n{row.replace('1,', '1' * 5000 + ',', 1)}\n",
            f'{header}\n"1\n',
            f"{header}\n{row}\0\n",
            row + "\n",
            "\n",
        )
    ],
)
def test_a_damaged_history_is_one_line_that_names_the_file(data, tmp_path):
    path = tmp_path / "history.csv"
    for header, row in FORMS:
        path.write_text(f"\ufeff{header}\r\n{row}\r\n", encoding="utf-8")
        (read,) = read_history(path)
        assert (read["epoch"], read["memory_mib"]) == ("1", "812" if row != ROW else "")
    path.write_text(data, encoding="utf-8")
    with pytest.raises(TrainingError, match=rf"{re.escape(str(path))}: is damaged.*; move it away"):
        read_history(path)
    path.write_bytes("손실".encode("cp949"))
    with pytest.raises(TrainingError, match="not UTF-8"):
        read_history(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(TrainingError, match=re.escape(str(path))):
        read_history(path)


def test_a_history_that_was_moved_away_is_begun_again(copy, tiny_manifest):
    (copy / "history.csv").unlink()
    (copy / "checkpoints" / "epoch-0003.weights.h5").unlink()
    run(tiny_manifest, copy, resume=True)
    assert [row["epoch"] for row in read_history(copy / "history.csv")] == ["3"]


def test_weights_that_reach_out_of_their_file_are_refused(copy):
    path = copy / "checkpoints" / "backbone.weights.h5"
    model = json.loads((copy / "model.json").read_text())
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["secret"] = np.zeros(3)

    def soft(file):
        file["link"] = h5py.SoftLink("/layers")

    def external_link(file):
        file["link"] = h5py.ExternalLink("other.h5", "/secret")

    def external_data(file):
        file.create_dataset("data", (3,), "f4", external=[(str(path.with_name("other.h5")), 0, 12)])

    def virtual(file):
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "secret", (3,))
        file.create_virtual_dataset("data", layout)

    def opaque(file):
        file["data"] = np.void(b"cos\nsystem\n")

    intact = path.read_bytes()
    for damage in (soft, external_link, external_data, virtual, opaque):
        path.write_bytes(intact)
        with h5py.File(path, "a") as file:
            damage(file)
        model["weights"]["sha256"] = sha256_file(path)
        (copy / "model.json").write_text(json.dumps(model))
        with pytest.raises(TrainingError, match="do not trust this file"):
            load_backbone(copy)
    path.write_bytes(b"not HDF5")
    model["weights"]["sha256"] = sha256_file(path)
    (copy / "model.json").write_text(json.dumps(model))
    with pytest.raises(TrainingError, match="is not a file of weights"):
        load_backbone(copy)


def test_what_killed_processes_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = [f"tmp-{ended.pid}.weights.h5", f"tmp-{os.getpid()}-backbone.weights.h5", "tmp-99999999999.weights.h5"]
    kept = [f"tmp-{os.getppid()}.weights.h5", "tmp-mine.weights.h5", "epoch-0001.weights.h5"]
    for name in gone + kept:
        (tmp_path / name).write_bytes(b"half")
    assert sorted(path.name for path in weights.remove_left_over(tmp_path)) == sorted(gone)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert weights.remove_left_over(tmp_path / "absent") == []


def test_a_loss_that_is_no_number_is_no_checkpoint(tmp_path):
    class Model:
        metrics = ()

        def save_weights(self, path):
            Path(path).write_bytes(b"")

        def _flatten_layers(self, include_self):
            return []

    hook = Checkpoint(TrainingContext(tmp_path, None, 2, 0, 4, 8))
    hook.set_model(Model())
    hook.on_epoch_end(0, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())
    hook.on_epoch_end(0, {"loss": 1.0})
    assert (tmp_path / "checkpoints" / "epoch-0001.weights.h5").is_file()
