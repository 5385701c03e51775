"""Training runs: they learn, write their files, resume after a kill, and refuse in one line."""

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_training import SMALL_ADAMW, TINY, run

from kface.data.dataset import read_arrays
from kface.errors import ConfigError, TrainingError
from train import backbones, checkpoints, memory, optimizers
from train.callbacks import MarginRamp, ProgressLine, StopAtNaN, TrainingProgress
from train.fit import FitSettings, train_run
from train.history import read_history
from train.losses import ArcFace, Softmax
from train.trained import KerasEmbedder, load_backbone


def test_it_learns_and_leaves_its_files(undisturbed, tiny_manifest):
    directory, result = undisturbed
    rows = read_history(directory / "history.csv")
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[-1]["accuracy"]) > 0.5
    assert float(rows[0]["margin"]) < float(rows[-1]["margin"]) == 0.25
    described = json.loads((directory / "model.json").read_text())
    assert described["backbone"] == {"name": "tiny", **dataclasses.asdict(TINY)}
    assert described["subjects"] == list(tiny_manifest.subjects("train"))
    assert not list((directory / "checkpoints").glob("tmp-*"))

    images, _ = read_arrays(tiny_manifest, "test")
    loaded = KerasEmbedder(load_backbone(directory))(images)
    np.testing.assert_allclose(loaded, KerasEmbedder(result.backbone)(images), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(loaded, axis=1), 1, atol=1e-5)
    mirrored = KerasEmbedder(result.backbone, mirror=True)
    np.testing.assert_allclose(mirrored(images), mirrored(np.ascontiguousarray(images[:, :, ::-1])), atol=1e-4)
    assert KerasEmbedder(result.backbone)(images[:0]).shape == (0, 16)


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from kface.data.dataset import load
    from train import checkpoints
    import tiny_training
    save = checkpoints.save
    def then_die(directory, model, position, *more):
        save(directory, model, position, *more)
        if position.epoch == 2:
            (directory / "tmp-1.weights.h5").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    checkpoints.save = then_die
    tiny_training.register(dict.__setitem__)
    tiny_training.run(load(Path({data!r})), {run!r})
"""


@pytest.mark.slow
def test_killed_and_resumed_it_ends_as_an_undisturbed_run(undisturbed, tiny_manifest, tmp_path):
    code = KILLED.format(tests=str(Path(__file__).parent), data=str(tiny_manifest.directory), run=str(tmp_path))
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=dict(os.environ)
    )
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]
    ends_as(undisturbed[0], tmp_path, tiny_manifest)


def ends_as(undisturbed, killed, manifest):
    """Resume a run that was killed after its second epoch: it ends as the undisturbed one did."""
    assert len(read_history(killed / "history.csv")) == 2
    run(manifest, killed, resume=True)
    complete, resumed = read_history(undisturbed / "history.csv"), read_history(killed / "history.csv")
    assert [row["epoch"] for row in resumed] == ["1", "2", "3"]
    assert float(resumed[-1]["loss"]) == pytest.approx(float(complete[-1]["loss"]), rel=0.02)
    images, _ = read_arrays(manifest, "test")
    expected = KerasEmbedder(load_backbone(undisturbed))(images)
    assert (KerasEmbedder(load_backbone(killed))(images) * expected).sum(axis=1).min() > 0.995


def test_what_a_kill_leaves_is_resumed(undisturbed, left_by_a_kill, tiny_manifest, tmp_path):
    # What is on the disk at that moment: nothing that a living process would still have written or tidied up.
    shutil.copytree(left_by_a_kill, tmp_path / "run")
    ends_as(undisturbed[0], tmp_path / "run", tiny_manifest)


def test_resuming_a_finished_run_does_nothing(undisturbed, tiny_manifest):
    directory, _ = undisturbed
    before = (directory / "history.csv").read_bytes()
    assert run(tiny_manifest, directory, resume=True).epochs == 3
    assert (directory / "history.csv").read_bytes() == before


def test_what_does_not_fit_is_not_resumed(undisturbed, tiny_manifest, tmp_path):
    directory, _ = undisturbed
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(tiny_manifest, tmp_path, resume=True)
    with pytest.raises(TrainingError, match=r"other settings: fit\.epochs 3 -> 2; leave resume out"):
        run(tiny_manifest, directory, epochs=2, resume=True)
    with pytest.raises(TrainingError, match=r"other settings: loss ArcFace -> Softmax;"):
        run(tiny_manifest, directory, resume=True, loss=Softmax())


def test_a_full_disk_ends_in_one_line(tiny_manifest, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "sha256_file", full)
    with pytest.raises(TrainingError, match="cannot be written .No space left"):
        run(tiny_manifest, tmp_path, epochs=1)
    assert not list((tmp_path / "checkpoints").glob("*.h5"))


def test_memory_is_estimated_beforehand(tiny_manifest, tmp_path, monkeypatch):
    network = backbones.build("resnet50", embedding=128)
    assert 50e6 < memory.bytes_per_image(network) < 300e6
    fits = memory.fitting_batch(network, memory.HeadSize(54, 54), 8 << 30)
    assert memory.too_large(network, memory.HeadSize(54, 54), fits, 8 << 30) is None
    error = memory.too_large(network, memory.HeadSize(54, 54), 4 * fits, 8 << 30)
    assert f"add fit.batch_size={fits}" in str(error)
    assert "smaller backbone" in str(memory.too_large(network, memory.HeadSize(54, 54), 1, 1 << 20))
    assert memory.too_large(network, memory.HeadSize(54, 54), 1 << 20, None) is None
    monkeypatch.setattr(memory, "available", lambda: 1 << 17)
    with pytest.raises(
        TrainingError,
        match=r"a batch of 8 needs about .* GiB are free; (add fit|choose a smaller)",
    ):
        train_run(tiny_manifest, tmp_path, TINY, ArcFace(), SMALL_ADAMW, FitSettings(epochs=1, batch_size=8))


def test_memory_that_runs_out_in_the_training(tiny_manifest, tmp_path, monkeypatch):
    def out(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(keras.Model, "fit", out)
    with pytest.raises(TrainingError, match=r"start a new run with fit\.batch_size=4"):
        run(tiny_manifest, tmp_path)


@pytest.mark.parametrize("callbacks", [(), (StopAtNaN(),)])
def test_a_loss_that_is_not_finite(tiny_manifest, tmp_path, callbacks):
    exploding = optimizers.SGD(learning_rate=1e30, warmup_epochs=0)
    settings = FitSettings(epochs=2, batch_size=8)
    with pytest.raises(
        TrainingError, match="the loss is not finite.*; start a new run with a lower optimizer"
    ) as caught:
        train_run(tiny_manifest, tmp_path, TINY, ArcFace(), exploding, settings, callbacks)
    # With the callback the training ends at the step, the first one after the weights have exploded.
    assert ("not finite in step 2 of epoch 1 (kept in " in str(caught.value)) == bool(callbacks)
    assert len(read_history(tmp_path / "history.csv")) == (0 if callbacks else 2)
    assert not (tmp_path / "model.json").exists()


def test_a_callback_is_closed_however_the_training_ends(tiny_manifest, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(TrainingProgress, "close", lambda self: closed.append(self.epochs))
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **more: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_run(
            tiny_manifest,
            tmp_path,
            TINY,
            ArcFace(),
            SMALL_ADAMW,
            FitSettings(epochs=1, batch_size=8),
            (ProgressLine(enabled=False),),
        )
    assert closed == [1]


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"images_per_epoch": 3}, "images_per_epoch"),
        ({"margin_full": 2}, "margin_full"),
        ({"label_smoothing": "x"}, "label_smoothing"),
    ],
)
def test_wrong_settings_are_named(wrong, key):
    with pytest.raises(ConfigError, match=rf"fit\.{key}"):
        FitSettings(**wrong)


def test_a_batch_larger_than_the_epoch(tiny_manifest, tmp_path):
    with pytest.raises(ConfigError, match="more than the 40 images"):
        train_run(tiny_manifest, tmp_path, TINY, ArcFace(), SMALL_ADAMW, FitSettings(batch_size=64))


def test_margin_ramp():
    head = ArcFace(margin=0.4)(10)
    ramp = MarginRamp(head, start=1.0, full=3.0, steps_per_epoch=10)
    assert [ramp.margin_at(epoch) for epoch in (0, 1, 2, 3, 9)] == pytest.approx([0, 0, 0.2, 0.4, 0.4])


@pytest.mark.parametrize("make", [optimizers.AdamW, optimizers.SGD])
def test_optimizers(make):
    optimizer = make(learning_rate=0.1, warmup_epochs=1)(steps_per_epoch=10, epochs=4, batch_size=256)
    rates = [float(optimizer._learning_rate(step)) for step in range(41)]
    top = 0.1 if make is optimizers.AdamW else 0.05
    assert max(rates) == pytest.approx(top, rel=0.01)
    assert rates.index(max(rates)) == pytest.approx(10, abs=1)
    assert rates[0] < 0.01 * top
    assert rates[40] == pytest.approx(0.01 * top, rel=0.2)
    network = TINY()
    optimizer.build(network.trainable_variables)
    decayed = {variable.name for variable in network.trainable_variables if optimizer._use_weight_decay(variable)}
    assert decayed == {"kernel"}
    with pytest.raises(ConfigError, match="learning_rate"):
        make(learning_rate=0)
    with pytest.raises(ConfigError, match="warmup_epochs"):
        make(warmup_epochs=5)(10, 4, 8)


def test_progress_without_a_terminal(monkeypatch):
    stream = io.StringIO()
    shown = TrainingProgress(epochs=3, steps_per_epoch=2, batch_size=8, first_epoch=1, stream=stream)
    monkeypatch.setattr(shown.progress, "_every", 0.02)

    def wait_for(text):
        until = time.monotonic() + 10
        while text not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
        assert text in stream.getvalue()

    shown.on_train_begin()
    wait_for("training: 0/4 steps, 0 %, 0:00 elapsed, compiling the first step\n")
    shown.on_epoch_begin(1)
    shown.on_train_batch_end(0, {"loss": 2.5, "accuracy": 0.25})
    wait_for("training: 1/4 steps, 25 %")
    wait_for("loss 2.500  accuracy 0.250  memory ")
    shown.on_epoch_end(1, {"loss": 2.5, "accuracy": 0.25, "validation_eer": 0.125})
    wait_for("\nepoch 2/3  loss 2.500  accuracy 0.250")
    wait_for("GiB  EER 12.5 %  ")
    shown.close()
    shown.close()
    assert "finished" not in stream.getvalue()
