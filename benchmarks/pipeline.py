"""Measures the training's input: images a second of the pipeline alone, and the share of a step spent waiting for it.

Drawn crops of the size of real ones, in memory and read from their shards, at the default settings. ``python -m
benchmarks.pipeline`` prints a table; the machine's load is part of it, as waiting grows with what else runs.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from kface.data.dataset import DatasetManifest, DatasetSettings, build
from kface.images import encode_jpeg
from kface.workers import cores
from train import backend

PEOPLE, IMAGES = 40, 30
#: Images that each measurement of the pipeline alone takes, after as many as fill its buffers.
MEASURED, FIRST = 768, 128
#: Steps that are measured, after those that compile and fill the buffers.
STEPS, FIRST_STEPS = 8, 2
#: Images a step, as in the sample's schedule.
BATCH = {"mobilenetv2": 16, "resnet50": 16}
WANTED = 0.05


def main() -> int:
    """Measure and print; return 1 where the training waits for more than 5 % of the time."""
    backend.start_quietly()
    from train import pipeline
    from train.augment import Augmentation
    from train.pipeline import TrainingSplit
    from train.samplers import Balanced, Natural

    with tempfile.TemporaryDirectory() as folder:
        split = TrainingSplit.of(data_set(Path(folder)))
        print(
            f"Training's input, {split.images} drawn crops of {len(split.subjects)} people, {cores()} cores, load "
            f"{os.getloadavg()[0]:.1f}"
        )
        print("  pipeline alone                              images/s   CPU ms an image")
        places = {"in memory": pipeline.CACHE_BYTES, "from shards": 0}
        for place, limit in places.items():
            pipeline.CACHE_BYTES = limit
            for title, augmentation in (("no augmentation", None), ("default augmentation", Augmentation())):
                for sampler in (Natural(), Balanced()):
                    rate, cost = _alone(pipeline.batches(split, 64, 1 << 14, 1, 0, 0, augmentation, sampler=sampler))
                    name = f"{place}, {title}, {sampler.name}"
                    print(f"    {name:<42}{rate:8.0f}   {cost:8.2f}", flush=True)
        print("  training                            step alone   with input   waiting (wanted: below 5 %)")
        worst = 0.0
        for network, size in BATCH.items():
            step = _step(network, len(split.subjects))
            for place, limit in places.items():
                pipeline.CACHE_BYTES = limit
                batches = pipeline.batches(split, size, 1 << 14, 1, 0, 0, Augmentation())
                alone, complete, waiting = _waited(iter(batches), step)
                worst = max(worst, waiting)
                name = f"{network}, batch {size}, {place}"
                print(f"    {name:<34}{alone * 1e3:8.0f} ms  {complete * 1e3:8.0f} ms   {waiting:7.2%}", flush=True)
    print(f"  load at the end {os.getloadavg()[0]:.1f}")
    return int(worst > WANTED)


def data_set(folder: Path) -> DatasetManifest:
    """Write crops whose JPEGs are about as large as those of faces, and build a data set of them."""
    random = np.random.default_rng(0)
    for person in range(PEOPLE):
        (folder / "crops" / f"p{person:03d}").mkdir(parents=True)
        for number in range(IMAGES):
            small = random.integers(0, 256, (14, 14, 3), np.uint8)
            face = cv2.resize(small, (112, 112), interpolation=cv2.INTER_CUBIC)
            (folder / "crops" / f"p{person:03d}" / f"{number}.jpg").write_bytes(encode_jpeg(face))
    settings = DatasetSettings(layout="crops", landmarks="aligned", test=None)
    return build(folder / "crops", folder / "out", settings, jobs=1, progress=False).manifest


def _alone(batches: object) -> tuple[float, float]:
    """Return images a second, and CPU milliseconds an image."""
    images = iter(batches)  # type: ignore[call-overload]
    _take(images, FIRST)
    start, used = time.perf_counter(), time.process_time()
    count = _take(images, MEASURED)
    return count / (time.perf_counter() - start), (time.process_time() - used) / count * 1e3


def _take(images: Iterator, least: int) -> int:
    count = 0
    while count < least:
        count += int(next(images)[1].shape[0])
    return count


def _step(network: str, identities: int) -> object:
    """Return a compiled training step that takes images and labels, and returns when it is done."""
    import keras
    import tensorflow as tf

    from train.backbones import BACKBONES
    from train.losses import ArcFace
    from train.model import FaceModel
    from train.optimizers import AdamW

    keras.utils.set_random_seed(0)
    model = FaceModel(BACKBONES.make(network, {})(), ArcFace()(identities))
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    model.compile(optimizer=AdamW()(100, 10, 64), jit_compile="auto" if on_gpu else False)
    return lambda images, labels: float(np.asarray(model.train_on_batch(images, labels)).ravel()[0])


def _waited(batches: Iterator, step: object) -> tuple[float, float, float]:
    """Return seconds of a step without input, seconds of a step with it, and the share of these spent waiting."""
    for _ in range(FIRST_STEPS):
        images, labels = next(batches)
        step(images, labels)  # type: ignore[operator]
    waited, times = 0.0, []
    for _ in range(STEPS):
        start = time.perf_counter()
        images, labels = next(batches)
        waited += time.perf_counter() - start
        step(images, labels)  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    # The same batch again, once the buffers are full and the pipeline is idle.
    time.sleep(1)
    alone = []
    for _ in range(STEPS // 2):
        start = time.perf_counter()
        step(images, labels)  # type: ignore[operator]
        alone.append(time.perf_counter() - start)
    return float(np.median(alone)), float(np.mean(times)), waited / sum(times)


if __name__ == "__main__":
    sys.exit(main())
