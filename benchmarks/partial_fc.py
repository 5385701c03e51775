"""Memory and time of a training step by number of identities, all of them or a sample: ``python -m benchmarks.partial_fc``.

A step of a batch of 64 with embeddings of 512 numbers, SGD with momentum and no backbone worth mentioning. Each case is in a
process of its own, so that its peak is its own. ``KERAS_BACKEND=jax`` measures JAX.

    python -m benchmarks.partial_fc                   (200,000 identities, both ways, and 1,000,000 sampled: up to 6 GB)
    python -m benchmarks.partial_fc 100000:1 1000000:0.1
"""

import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CASES = ("200000:1", "200000:0.1", "1000000:0.1")
BATCH, EMBEDDING, STEPS = 64, 512, 4


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--case"]:
        measure(arguments[1])
        return 0
    print(
        f"batch {BATCH}, embedding {EMBEDDING}, SGD with momentum, Keras on {os.environ.get('KERAS_BACKEND', 'tensorflow')}"
    )
    print("identities  rate  computed  peak memory  above start  estimate  seconds a step")
    for case in arguments or CASES:
        result = subprocess.run([sys.executable, "-m", "benchmarks.partial_fc", "--case", case], check=False)
        if result.returncode:
            print(f"{case}: ended with {result.returncode}; is there enough memory?")
    return 0


def measure(case: str) -> None:
    from train import backend

    backend.start_quietly()
    import keras
    import numpy as np

    from train import memory
    from train.losses import ArcFace
    from train.partial import Sampling

    classes, rate = int(case.partition(":")[0]), float(case.partition(":")[2])
    keras.utils.set_random_seed(0)
    image = keras.Input((64,))
    backbone = keras.Model(image, keras.layers.Dense(EMBEDDING, use_bias=False)(image))
    random = np.random.default_rng(0)
    x = random.normal(size=(STEPS, BATCH, 64)).astype(np.float32)
    y = random.integers(0, classes, (STEPS, BATCH)).astype(np.int32)
    start = peak()
    sampling = Sampling(rate)
    head = sampling.head(ArcFace(), classes, BATCH, 0)
    model = sampling.model(backbone, head, 0.0)
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    seconds = []
    for images, labels in zip(x, y, strict=True):
        began = time.monotonic()
        model.train_on_batch(images, labels)
        seconds.append(time.monotonic() - began)
    size = memory.HeadSize.of(head)
    # The estimate is for two moments; this optimizer has one.
    estimate = size.bytes_fixed(EMBEDDING) - (classes + (size.drawn if rate < 1 else 0)) * EMBEDDING * 4
    estimate += BATCH * size.bytes_per_image()
    print(
        f"{classes:10,}  {rate:4}  {size.drawn:8,}  {peak() / 1e9:8.2f} GB  {(peak() - start) / 1e9:8.2f} GB"
        f"  {estimate / 1e9:5.2f} GB  {min(seconds[1:]):.2f}",
        flush=True,
    )


def peak() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
