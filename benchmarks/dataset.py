"""Images per second of the data set's builder and of a loop over the ``mtcnn`` package, in one run: ``make bench``.

On the synthetic sample. The loop is that of a tutorial: read, detect, align the largest face, write a JPEG; in a process that
is pinned to one core. The builder runs on one core and on two, and also shards, hashes and keeps a journal; the start of its
workers is part of its time. A profile says where the time of one core goes, and a plan what K-Face would take.
"""

import cProfile
import os
import pstats
import subprocess
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

PEOPLE = 60
#: The loop, which is much slower, is measured on every 60th image.
EVERY = 60
ROUNDS = 3
#: Images a core and second, as a multiple of the loop's; and of the rate on one core, on two.
WANTED, WANTED_ON_TWO = 35.0, 1.8
#: K-Face as it is handed out: images, and people.
KFACE = 4_320_000, 1000
#: What the profile adds up, by a part of the name of the function that does it.
PARTS = {
    "decode JPEG": ("imdecode",),
    "find faces: kernels": ("compiled.py:", "_call"),
    "read headers": ("'search' of 're.Pattern'",),
    "align": ("warpAffine",),
    "encode JPEG": ("imencode",),
    "write": ("fsync",),
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "sample"
        began, spent = time.perf_counter(), time.process_time()
        images = write_sample(root, identities=PEOPLE, jobs=1, progress=False).images
        took, spent = time.perf_counter() - began, time.process_time() - spent
        print(
            f"Synthetic sample: {images} images of {PEOPLE} people written in {took:.1f} s ({spent:.1f} s of processor)"
        )
        loops, one, two = [], [], []
        for _ in range(ROUNDS):
            loops.append(_child("loop", root, [0]))
            one.append(_child("build", root, [0]))
            if len(os.sched_getaffinity(0)) > 1:
                two.append(_child("build", root, [0, 1]))
        _report(images, loops, one, two)
        print(_child("profile", root, [0]))
    return 0


def _report(images: int, loops: list[str], one: list[str], two: list[str]) -> None:
    rates = {
        name: [float(line.split()[0]) for line in lines] for name, lines in (("loop", loops), ("1", one), ("2", two))
    }
    slow, fast = float(np.median(rates["loop"])), float(np.median(rates["1"]))
    print(f"Data set, synthetic sample, 864x576: images/s, median of {ROUNDS} rounds in turn (maximum)")
    print(
        f"  loop over mtcnn, one core         {slow:7.1f} ({max(rates['loop']):.1f})   faces in {loops[0].split()[1]}"
    )
    print(
        f"  kface.data.dataset, one core      {fast:7.1f} ({max(rates['1']):.1f})   faces in {one[0].split()[1]} of {images}"
    )
    print(f"  ratio                             {fast / slow:7.1f}   (wanted: {WANTED:.0f})")
    if two:
        both = float(np.median(rates["2"]))
        print(f"  kface.data.dataset, two cores     {both:7.1f} ({max(rates['2']):.1f})   faces in {two[0].split()[1]}")
        print(f"  two cores over one                {both / fast:7.2f}   (wanted: {WANTED_ON_TWO:.1f})")
    size = float(one[0].split()[2])
    hours = KFACE[0] / fast / 3600
    print(
        f"  K-Face ({KFACE[0]:,} images of {KFACE[1]:,} people, of this size): {hours:.1f} hours on one core, "
        f"{hours / 16:.1f} on 16; {size / 1000:.1f} kB an image, {size * KFACE[0] / 1e9:.0f} GB of shards"
    )


def _child(what: str, root: Path, places: list[int]) -> str:
    """Run one of the measurements in a process that may use these cores, and return what it prints."""
    command = [sys.executable, "-m", "benchmarks.dataset", what, str(root), ",".join(map(str, places))]
    threads = str(len(places))
    env = dict(os.environ, OMP_NUM_THREADS=threads, TF_NUM_INTRAOP_THREADS=threads, TF_NUM_INTEROP_THREADS="1")
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.rstrip()


def measure(what: str, root: Path, places: list[int]) -> None:
    """Print images per second, and images with a face; of the builder also bytes an image, or the profile."""
    os.sched_setaffinity(0, places)
    with tempfile.TemporaryDirectory() as folder:
        if what == "loop":
            from train import backend

            backend.start_quietly()
            import mtcnn

            oracle = mtcnn.MTCNN()
            files = sorted(root.rglob("*.jpg"))[::EVERY]
            loop(oracle, files[:2], Path(folder))
            start = time.perf_counter()
            found = loop(oracle, files, Path(folder))
            print(f"{len(files) / (time.perf_counter() - start):.2f} {found}/{len(files)}")
            return
        out = Path(folder) / "out"
        profile = cProfile.Profile()
        if what == "profile":
            # Once for what is only done once.
            build(root, Path(folder) / "first", DatasetSettings(), jobs=1, progress=False, synthetic=True)
            profile.enable()
        start = time.perf_counter()
        report = build(root, out, DatasetSettings(), jobs=len(places), progress=False, synthetic=True)
        took = time.perf_counter() - start
        profile.disable()
        if what == "profile":
            print(_shares(pstats.Stats(profile)))
            return
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / report.built
        print(f"{report.built / took:.2f} {report.manifest.images()} {size:.0f}")


def _shares(stats: Any) -> str:
    """Return where the time went, the largest share first."""
    total = sum(entry[2] for entry in stats.stats.values())
    shares = {}
    for name, words in PARTS.items():
        shares[name] = sum(
            entry[2]
            for (file, line, function), entry in stats.stats.items()
            if all(word in f"{os.path.basename(file)}:{line} {function}" for word in words)
        )
    shares["everything else, all of it Python"] = total - sum(shares.values())
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    return "  one core's time: " + ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in ordered)


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
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]), [int(core) for core in sys.argv[3].split(",")])
        sys.exit(0)
    sys.exit(main())
