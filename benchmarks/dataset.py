"""Images per second of the data set's builder and of a loop over the ``mtcnn`` package, in one run: ``make bench``.

The two take turns on the same pictures of the synthetic sample. The loop is that of a tutorial: read, detect, align the largest
face, write a JPEG. The builder does this on all cores, and also shards, hashes and keeps a journal.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from kface.alignment import align
from kface.data.dataset import DatasetSettings, build
from kface.data.sample import write_sample
from kface.files import write_atomic
from kface.images import encode_jpeg, read_image
from kface.workers import cores
from train import backend

PEOPLE = 8
#: The loop, which is much slower, is measured on every 8th image.
EVERY = 8
ROUNDS = 3
WANTED = 10.0


def main() -> int:
    backend.start_quietly()
    import mtcnn

    oracle = mtcnn.MTCNN()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "sample"
        images = write_sample(root, identities=PEOPLE, progress=False).images
        files = sorted(root.rglob("*.jpg"))[::EVERY]
        loop(oracle, files[:2], Path(folder))
        rates: dict[str, list[float]] = {"loop": [], "kface": []}
        found = [0, 0]
        for number in range(ROUNDS):
            start = time.perf_counter()
            found[0] = loop(oracle, files, Path(folder))
            rates["loop"].append(len(files) / (time.perf_counter() - start))
            start = time.perf_counter()
            report = build(root, Path(folder) / f"out{number}", DatasetSettings(), progress=False, synthetic=True)
            rates["kface"].append(report.built / (time.perf_counter() - start))
            found[1] = report.manifest.images()
    slow, fast = (float(np.median(rates[name])) for name in ("loop", "kface"))
    print(f"Data set, synthetic sample, 864x576, {cores()} cores: images/s, median of {ROUNDS} rounds in turn")
    print(f"  loop over mtcnn  {slow:7.1f}   faces in {found[0]} of {len(files)} images")
    print(
        f"  kface.data.dataset    {fast:7.1f}   faces in {found[1]} of {images} images, including the start of the workers"
    )
    print(f"  ratio            {fast / slow:7.1f}   (wanted: {WANTED:.0f})")
    return 0


def loop(oracle: Any, files: list[Path], folder: Path) -> int:
    """Read, detect, align and write one image after the other; return the number of images with a face."""
    count = 0
    for file in files:
        image = read_image(file)
        faces = oracle.detect_faces(image, output_type="numpy", fit_to_image=False, box_format="xyxy")
        if not len(faces):
            continue
        largest = np.argmax((faces[:, 3] - faces[:, 1]) * (faces[:, 4] - faces[:, 2]))
        landmarks = np.stack([faces[largest, 6:11], faces[largest, 11:16]], axis=1).astype(np.float32)
        write_atomic(folder / "crop.jpg", encode_jpeg(align(image, landmarks[None])[0]))
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
