"""Milliseconds per frame of the detector, of the ``mtcnn`` package and of facenet-pytorch, on the same frames: ``make bench``.

Each runs in a process of its own, pinned to one core or to two, and they take turns. facenet-pytorch takes part where the
environment variable KFACE_TORCH_PYTHON names a Python that has it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants import CONTESTANTS, TORCH_PYTHON, Answer, Contestant
from benchmarks.frames import BenchFrame, frames
from benchmarks.peak import peak
from kface.mtcnn import Detector, pyramid
from kface.native import kernels

#: The minimum ratios of this project, by faces: over mtcnn and over facenet-pytorch, at 640x360.
WANTED = {"1": (10, 6), "6": (8, 7), "many": (14, 12)}
ROUNDS, SECONDS = 2, 0.7
#: Candidates of P-Net in a crowd, for the memory.
CANDIDATES = 5000


def main() -> int:
    every = list(frames())
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, frame in enumerate(every):
            files.append(str(Path(folder) / f"{number}.npy"))
            np.save(files[-1], frame.image)
        for count in (1, 2):
            if len(os.sched_getaffinity(0)) >= count:
                _compare(every, files, sorted(os.sched_getaffinity(0))[:count])
        _memory(files[[frame.faces for frame in every].index("many") + len(every) // 4])
    _arithmetic()
    return 0


def _compare(every: list[BenchFrame], files: list[str], cores: list[int]) -> None:
    contestants = _open(cores)
    print(f"Detector, smallest face 20 px, {len(cores)} core(s): ms per frame, minimum / median, and processor ms")
    for one in contestants:
        print(f"  {one.name}: {one.about}")
    print(f"{'frames':<17}{'size':<10}{'faces':>5}  " + "".join(f"{one.name:>32}" for one in contestants) + "   ratios")
    for frame, file in zip(every, files, strict=True):
        answers: dict[str, list[Answer]] = {one.name: [] for one in contestants}
        for _ in range(ROUNDS):
            for one in contestants:
                answers[one.name].append(one.measure(file, SECONDS))
        print(_row(frame, answers), flush=True)
    for one in contestants:
        one.close()
    print()


def _open(cores: list[int]) -> list[Contestant]:
    found = []
    for name in CONTESTANTS:
        python = os.environ.get(TORCH_PYTHON, "") if name == "facenet-pytorch" else sys.executable
        if not python:
            print(f"{name} is left out: {TORCH_PYTHON} names no Python that has it")
        else:
            found.append(Contestant(name, cores, python))
    return found


def _row(frame: BenchFrame, answers: dict[str, list[Answer]]) -> str:
    cells, least = [], {}
    for name, rounds in answers.items():
        wall = [value for one in rounds for value in one.wall]
        cpu = statistics.median(value for one in rounds for value in one.cpu)
        least[name] = statistics.median(wall)
        cells.append(f"{min(wall):9.1f} /{least[name]:8.1f} ({cpu:8.1f})")
    ratios = ", ".join(
        f"{least[name] / least['kface']:.1f}" + _wanted(frame, place) + f" x {name}"
        for place, name in enumerate(("mtcnn", "facenet-pytorch"))
        if name in least
    )
    same = agreement(answers["mtcnn"][0].landmarks, answers["kface"][0].landmarks)
    size = f"{frame.image.shape[1]}x{frame.image.shape[0]}"
    return (
        f"{frame.source:<17}{size:<10}{frame.faces:>5}  "
        + "".join(f"{cell:>32}" for cell in cells)
        + f"   {ratios}; same faces? {same}"
    )


def _wanted(frame: BenchFrame, place: int) -> str:
    if frame.faces not in WANTED or frame.image.shape[0] != 360 or frame.source != "real clips":
        return ""
    return f" (wanted: {WANTED[frame.faces][place]})"


def agreement(reference: np.ndarray, landmarks: np.ndarray) -> str:
    """Return the numbers of faces of both, and the largest distance between their landmarks, (n, 5, 2) each."""
    if len(reference) != len(landmarks):
        return f"no: {len(reference)} and {len(landmarks)}"
    if not len(landmarks):
        return "yes: none"
    apart = np.abs(reference[:, None] - landmarks[None]).max(axis=(2, 3)).min(axis=1)
    return f"yes: {len(landmarks)}, landmarks at most {apart.max():.4f} px apart"


def _arithmetic() -> None:
    """Print which share of a core's arithmetic peak P-Net reaches, the shrinking included."""
    if not kernels().compiled:
        print("P-Net's share of the arithmetic peak: the kernels are not compiled here")
        return
    from kface.mtcnn import native_weights, weights
    from kface.timing import interleaved

    arranged = native_weights.arrange("pnet", (weights.prepare() / "pnet.onnx").read_bytes())
    image = np.random.RandomState(0).randint(0, 256, (360, 640, 3)).astype(np.uint8)
    shapes = [pyramid.level_shape(image.shape, scale) for scale in pyramid.scales(360, 640, 20, 0.709)]
    multiplications = sum(_multiplications(*shape) for shape in shapes)
    for variant in kernels().variants()[1:]:
        run = lambda chosen=variant: [kernels().pnet(image, shape, arranged, 5.0, variant=chosen) for shape in shapes]  # noqa: E731
        rate = multiplications / min(interleaved({0: run}, 30)[0]) / 1e6
        most = peak(variant)
        share = "peak not measured" if most is None else f"{100 * rate / most:.0f} % of {most:.0f}, a core's peak"
        print(f"P-Net, 640x360, {variant}: {rate:.1f} 10^9 multiplications with additions a second ({share})")


def _multiplications(height: int, width: int) -> int:
    """Return P-Net's multiplications on a level, without what is padded."""
    pooled = ((height - 1) // 2, (width - 1) // 2)
    layers = [(height - 2, width - 2, 270)]
    layers += [(pooled[0] - 2, pooled[1] - 2, 1440), (pooled[0] - 4, pooled[1] - 4, 4608 + 32)]
    return sum(rows * columns * each for rows, columns, each in layers)


def _memory(file: str) -> None:
    """Print how much a crowd adds to a process's memory."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.detector", file], capture_output=True, text=True, check=False
    )
    print(done.stdout.strip() or done.stderr.strip().splitlines()[-1])


def memory(file: str) -> int:
    """Detect the faces of a crowd at a threshold that lets thousands of candidates pass, in a process of its own."""
    detector = Detector(threads=1)
    detector.detect(np.zeros((720, 1280, 3), np.uint8))
    crowd = np.load(file)
    counts: list[int] = []
    refine = detector._stages.refine

    def count(name: str, images: Sequence[Any], boxes: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        counts.extend(len(some) for some in boxes if name == "rnet")
        return refine(name, images, boxes)

    # The kernel forgets the largest size that the process has had so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmHWM")
    threshold = 0.6
    while not counts or counts[-1] < CANDIDATES:
        detector.thresholds = (threshold, 0.7, 0.8)
        detector._stages.refine = count  # type: ignore[method-assign]
        detector.detect(crowd)
        threshold /= 2
    grown = (_kilobytes("VmHWM") - before) / 1024
    print(
        f"Memory: {counts[-1]} candidates in a crowd, {crowd.shape[1]}x{crowd.shape[0]}, add {grown:.0f} MB (wanted: < 200)"
    )
    return 0


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


if __name__ == "__main__":
    sys.exit(memory(sys.argv[1]) if sys.argv[1:] else main())
