"""Signals: a training stops at the next step, and goes on from there as if nothing had happened."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from omegaconf import OmegaConf
from tiny_training import run

from kface.errors import ConfigError
from train import checkpoints
from train.callbacks import StopAtNaN, StopOnSignal
from train.history import read_history
from train.loggers import Csv
from train.position import Position
from train.stopping import Signals, StoppedError
from train.trained import load_backbone
from train.usage import Measures

STOPPING = (StopAtNaN(), StopOnSignal(("TERM", "INT", "USR1")))


def weights_of(directory):
    return load_backbone(directory).get_weights()


def signalled(monkeypatch, number, epoch, step):
    """Send this process a signal within a step of a training."""
    count = Measures.on_train_batch_end

    def then_send(self, batch, logs=None):
        count(self, batch, logs)
        if (self._epoch, self.step) == (epoch, step):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Measures, "on_train_batch_end", then_send)


def test_stopped_within_an_epoch_and_resumed_it_ends_as_an_undisturbed_run(
    undisturbed, tiny_manifest, tmp_path, monkeypatch
):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        signalled(patch, signal.SIGTERM, 1, 3)
        with pytest.raises(StoppedError) as caught:
            run(tiny_manifest, tmp_path, callbacks=STOPPING, loggers=[Csv(every=1)])
    assert signal.getsignal(signal.SIGTERM) is before
    assert caught.value.exit_status == 143
    assert (
        str(caught.value) == "stopped by SIGTERM after step 3 of epoch 2, which is saved; add resume=true to continue"
    )
    state = checkpoints.read_state(tmp_path / "checkpoints")
    assert [one.place for one in state.saved] == [(1, 3), (1, 0)]
    assert not (tmp_path / "model.json").exists()

    # Stopped a second time, now by the last step but one, and then to the end.
    with monkeypatch.context() as patch:
        signalled(patch, signal.SIGUSR1, 1, 4)
        with pytest.raises(StoppedError, match="stopped by SIGUSR1 after step 4 of epoch 2"):
            run(tiny_manifest, tmp_path, callbacks=STOPPING, loggers=[Csv(every=1)], resume=True)
    run(tiny_manifest, tmp_path, callbacks=STOPPING, loggers=[Csv(every=1)], resume=True)
    complete, resumed = (read_history(place / "history.csv") for place in (undisturbed[0], tmp_path))
    for column in ("epoch", "loss", "accuracy", "learning_rate", "margin"):
        assert [row[column] for row in resumed] == [row[column] for row in complete]
    for one, other in zip(weights_of(tmp_path), weights_of(undisturbed[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    steps = [line.split(",")[:2] for line in (tmp_path / "steps.csv").read_text().splitlines()[1:]]
    assert steps == [[str(epoch), str(step)] for epoch in (1, 2, 3) for step in range(1, 6)]


def test_a_signal_in_the_last_step_of_an_epoch(tiny_manifest, tmp_path, monkeypatch):
    signalled(monkeypatch, signal.SIGINT, 0, 5)
    with pytest.raises(StoppedError, match="stopped by SIGINT after epoch 1, which is saved") as caught:
        run(tiny_manifest, tmp_path, epochs=2, callbacks=STOPPING)
    assert caught.value.exit_status == 130
    assert [one.place for one in checkpoints.read_state(tmp_path / "checkpoints").saved] == [(1, 0)]
    # In the last step of all the run is complete anyway.
    signalled(monkeypatch, signal.SIGINT, 1, 5)
    assert run(tiny_manifest, tmp_path, epochs=2, callbacks=STOPPING, resume=True).epochs == 2


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)


def test_the_second_signal_has_its_usual_effect():
    signals = Signals(("INT",))
    before = signal.getsignal(signal.SIGINT)
    signals.open()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert signals.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    finally:
        signals.close()
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_no_signal_is_noted():
    before = signal.getsignal(signal.SIGTERM)
    signals = Signals(("TERM",))
    thread = threading.Thread(target=lambda: (signals.open(), signals.close()))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_signals_that_cannot_be_chosen():
    for wrong in ("TERM", ["KILL"], ["SIGTERM"], [15]):
        with pytest.raises(ConfigError, match=r"callbacks\.stop_on_signal\.signals: must be a list of TERM, INT"):
            StopOnSignal(wrong)


def test_the_random_numbers_of_dropout_go_on():
    """Keras saves the state of a dropout's generator with no weights; a position does."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5)])
    inputs = np.ones((1, 64), np.float32)
    model(inputs, training=True)
    position = Position.of(model, 1)
    masks = [np.asarray(model(inputs, training=True)) for _ in range(2)]
    Position.read(1, 0, position.as_json()).restore_seeds(model)
    for mask in masks:
        np.testing.assert_array_equal(np.asarray(model(inputs, training=True)), mask)
    assert not np.array_equal(*masks)


PROCESS = """
    import sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from types import SimpleNamespace
    import tiny_training
    from kface import stage
    from kface.data.dataset import load
    from train import verification
    import train.__main__ as main
    tiny_training.register(dict.__setitem__)
    main.prepare = lambda job: SimpleNamespace(manifest=load(Path({data!r})))
    main.summary = lambda report: "the tiny data set"
    verification.verify_run = lambda *arguments: "a row"
    sys.exit(stage.run("train", main.main, sys.argv[1:]))
"""
SETTINGS = (
    "backbone={_target_: tiny_training.Tiny}",
    "corpus=sample-small",
    "evaluate.pairs=null",
    "fit.batch_size=8",
    "fit.images_per_epoch=null",
    "fit.deterministic=true",
    "logger=none",
)


@pytest.mark.slow
def test_a_process_that_is_terminated_and_a_run_from_its_own_configuration(tiny_manifest, tmp_path):
    code = textwrap.dedent(PROCESS.format(tests=str(Path(__file__).parent), data=str(tiny_manifest.directory)))

    def start(*arguments):
        places = (f"output_dir={tmp_path}/outputs", f"data_dir={tmp_path}/data")
        command = [sys.executable, "-c", code, *places, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)

    def finished(process):
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err[-3000:]
        return out

    def newest():
        return max(tmp_path.glob("outputs/*/*"), key=lambda path: path.stat().st_mtime)

    epochs = "fit.epochs=150"
    process = start(*SETTINGS, epochs)
    history = tmp_path / "outputs"
    until = time.monotonic() + 300
    while not list(history.glob("*/*/history.csv")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143, err[-3000:]
    assert "stopped by SIGTERM after " in err.splitlines()[-1]
    assert "Traceback" not in err
    stopped = newest()
    done = checkpoints.read_state(stopped / "checkpoints").saved[0]
    assert 1 <= done.epoch < 150

    finished(start(*SETTINGS, epochs, "resume=true"))
    assert newest() == stopped
    # The same run again from its own configuration, undisturbed.
    finished(start(f"recipe={stopped}"))
    again = newest()
    assert again != stopped
    written, rewritten = (OmegaConf.load(place / "config.yaml") for place in (stopped, again))
    written.resume = False
    assert rewritten == written
    first, second = ((place / "checkpoints" / "backbone.weights.h5") for place in (stopped, again))
    import h5py

    found = []

    def compare(name, item):
        if isinstance(item, h5py.Dataset):
            with h5py.File(second, "r") as other:
                np.testing.assert_array_equal(item[()], other[name][()])
            found.append(name)

    with h5py.File(first, "r") as file:
        file.visititems(compare)
    assert len(found) > 5
