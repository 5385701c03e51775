"""Trainings of one host among several, for test_hosts_training.py: run by file, with a JSON of what to do."""

import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

TESTS = Path(__file__).resolve().parents[1]
#: Rows are drawn from two parts of the identities, one for each device.
SAMPLED = {"sample_rate": 0.3, "shards": 2}


def main(task):
    from train import backend
    from train.hosts import Cluster, HostsSettings

    hosts = HostsSettings(**task["hosts"])
    backend.start_quietly(hosts)
    with Cluster.connect(hosts) as cluster:
        out = Path(task["out"])
        results = {name: train(name, task, cluster, out / name) for name in task["trainings"]}
        cluster.finish()
        if cluster.first:
            results["embeddings"] = embeddings(task, out / task["trainings"][0])
        (out / f"{task['name']}-{cluster.index}.json").write_text(json.dumps(results))


def embeddings(task, directory):
    """Load a run, and embed test people with this backend."""
    import tiny_training

    from kface.data.dataset import load, read_arrays
    from train.trained import KerasEmbedder, load_backbone

    tiny_training.register(dict.__setitem__)
    images, _ = read_arrays(load(Path(task["data"])), "test")
    return KerasEmbedder(load_backbone(directory), batch_size=3)(images).tolist()


def train(name, task, cluster, directory):
    """Train; return the loss and accuracy of each epoch, and the weights of the backbone."""
    import keras
    import tiny_training

    from kface.data.dataset import load
    from kface.errors import TrainingError
    from train.callbacks import CallbackSettings
    from train.fit import FitSettings, train_run
    from train.losses import ArcFace
    from train.optimizers import SGD
    from train.partial import Sampling
    from train.validation import Validation

    figures = []

    @dataclass(frozen=True)
    class Watch(CallbackSettings):
        name: ClassVar[str] = "watch"

        def __call__(self, training):
            return Watcher()

    class Watcher(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if task.get("killed") == cluster.index and batch == 1:
                print(f"host {cluster.index} is killed", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)

        def on_epoch_end(self, epoch, logs=None):
            figures.append([float(logs["loss"]), float(logs["accuracy"])])

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2 and interrupted:
                raise TrainingError("interrupted")

    tiny_training.register(dict.__setitem__)
    directory.mkdir(exist_ok=True)
    single = task.get("single", False)
    averaged = "averaged" in name
    validation = Validation(people=6, images=2, pairs=24) if averaged else Validation()
    settings = FitSettings(epochs=3, batch_size=4, seed=3, validation=validation)

    def run(resume=False):
        # Undecorated, it uses one of the devices.
        kind = train_run.__wrapped__ if single else train_run
        return kind(
            load(Path(task["data"])),
            directory,
            tiny_training.TINY,
            ArcFace(margin=0.3),
            # Adam divides by the gradient's size: where that is rounding alone, it takes a full step in either direction.
            tiny_training.SMALL_ADAMW
            if "sampled" in name
            else SGD(learning_rate=2.0, warmup_epochs=0.2, average=0.8 if averaged else 0.0),
            settings,
            (Watch(),),
            resume=resume,
            sampling=Sampling(**SAMPLED) if "sampled" in name else None,
            cluster=cluster,
        )

    interrupted = "resumed" in name
    if interrupted:
        with contextlib.suppress(TrainingError):
            run()
        interrupted = False
        cluster.exchange("interrupted")
        result = run(resume=True)
    else:
        result = run()
    return {"figures": figures, "weights": [weight.tolist() for weight in result.backbone.get_weights()]}


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS / "train")]
    main(json.loads(sys.argv[1]))
