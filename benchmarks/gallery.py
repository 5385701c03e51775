"""1:N search over a large gallery, beside numpy's product alone and faiss's flat index: ``python -m benchmarks.gallery``.

Makes an encrypted gallery of random templates, one a person, and measures: opening it in a fresh process until the first
answer, and the exact best k people for a batch of probes. Beside it on the same templates, taken in turns so that all see the
same load: numpy's product of probes and templates in single precision without any selection, and, where the package is
installed (``pip install faiss-cpu``), faiss's IndexFlatIP with its selection. All answers are compared with brute force in
double precision.

    python -m benchmarks.gallery                    (1,000,000 templates of 512: 8 GB of disk and of memory, up to 10 minutes)
    python -m benchmarks.gallery --rows 100000
    python -m benchmarks.gallery --gallery FILE     (keeps the gallery, and uses it again)
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import ConfigError
from kface.gallery import Gallery, search_file
from kface.gallery import coarse as coarse_module
from kface.gallery.index import Index
from kface.gallery.sealed_file import SealedMatrix
from kface.gallery.values import unit
from kface.native import status
from kface.workers import cores

MODEL = "f" * 64
KEY = bytes(range(32))
#: Fresh processes that open the gallery.
OPENINGS = 5
#: Templates that are made at once.
BLOCK = 10_000


class Times(NamedTuple):
    """Milliseconds of each repetition: by the clock, and of all threads together."""

    wall: list[float]
    cpu: list[float]

    def __str__(self) -> str:
        return "  ".join(f"{min(each):8.1f} {float(np.median(each)):8.1f}" for each in self)


class Contender(NamedTuple):
    """What takes part, and the number of threads that it may use; None: it does not select."""

    name: str
    threads: int
    search: Callable[[np.ndarray], list[list[int]] | None]
    limited: Callable[[int], Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    if arguments.open:
        return measure_opening(Path(arguments.open), arguments)
    return exit_status("gallery", lambda: run(arguments))


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        prog="python -m benchmarks.gallery",
        description="measure exact 1:N search beside numpy's product alone and faiss's flat index",
        examples=("python -m benchmarks.gallery --rows 100000",),
        exits=((0, "measured, and all answers are right"), (1, "an answer is wrong"), (2, "the line above says why")),
    )
    made.add_argument("--rows", type=int, default=1_000_000, help="templates (default: 1,000,000)")
    made.add_argument("--size", type=int, default=512, help="numbers of a template (default: 512)")
    made.add_argument("--batch", type=int, default=8, help="probes at once (default: 8)")
    made.add_argument("--k", type=int, default=5, help="people to find for each (default: 5)")
    made.add_argument("--repeat", type=int, default=15, help="repetitions (default: 15)")
    made.add_argument("--gallery", metavar="FILE", help="keep the gallery there, or use the one that is there")
    made.add_argument("--open", metavar="FILE", help=argparse.SUPPRESS)
    return made


def run(arguments: argparse.Namespace) -> int:
    """Make the gallery, measure, print, and return 0, or 1 where an answer is wrong.

    Raises:
        ConfigError: A number is out of its range.
    """
    for name in ("rows", "size", "batch", "k", "repeat"):
        if getattr(arguments, name) < 1:
            raise ConfigError("must be at least 1", f"--{name}")
    with tempfile.TemporaryDirectory() as folder:
        # What is noted outside a gallery's file is not left in the user's folder.
        os.environ["XDG_STATE_HOME"] = folder
        path = Path(arguments.gallery) if arguments.gallery else Path(folder) / "gallery.db"
        if not path.exists():
            make(path, arguments.rows, arguments.size)
        return compare(path, arguments)


def make(path: Path, rows: int, size: int) -> None:
    """Enrol random templates, one a person, in one transaction: what enrolment does to each, without waiting for the disk."""
    began = time.perf_counter()
    random = np.random.default_rng(0)
    with Gallery(path, MODEL, KEY) as gallery, gallery._writing() as db:
        fingerprint = gallery._model.claim(size)
        for start in range(0, rows, BLOCK):
            vectors = unit(random.standard_normal((min(BLOCK, rows - start), size), np.float32))
            for place, vector in enumerate(vectors, start):
                person = gallery._rows.add_person(db, f"Person {place}")
                gallery._rows.add_template(db, person, fingerprint, vector.tobytes(), None)
    print(f"gallery made in {time.perf_counter() - began:.0f} s", flush=True)


def probes_of(arguments: argparse.Namespace) -> np.ndarray:
    """Return probes like nobody: their best are close together, which is the hardest."""
    return unit(np.random.default_rng(1).standard_normal((arguments.batch, arguments.size), np.float32))


def compare(path: Path, arguments: argparse.Namespace) -> int:
    with Gallery(path, MODEL, KEY) as gallery:
        began = time.perf_counter()
        sealed = isinstance(gallery._cache.current().matrix, SealedMatrix)
        first = time.perf_counter() - began
        index = gallery.index()
        rows, size = index.matrix.shape
        print(
            f"{rows:,} templates of {size}, {arguments.batch} probes, best {arguments.k}; {cores()} cores; {status()}"
        )
        print(f"gallery {path.stat().st_size / 1e9:.2f} GB", end="")
        if sealed:
            beside = os.path.getsize(search_file.path_of(str(path)))
            print(
                f", search file {beside / 1e9:.2f} GB, encrypted; opened, and made where there was none, in {first:.1f} s"
            )
            opening(path, arguments)
        else:
            print(f"; too small for a search file; opened in {first:.1f} s")
        probes = probes_of(arguments)
        truth = brute_force(index, probes, arguments.k)
        right, found = searches(gallery, index, probes, arguments)
    verdict = {name: sum(a == b for a, b in zip(answer, truth, strict=True)) for name, answer in found.items()}
    for name, count in verdict.items():
        print(f"{name}: {count} of {len(truth)} probes have the best {arguments.k} of double precision, in their order")
    return 0 if right and all(count == len(truth) for name, count in verdict.items() if name == "kface") else 1


def opening(path: Path, arguments: argparse.Namespace) -> None:
    """Open the gallery in fresh processes, and print what it took."""
    # What other memory holds must not be pushed out: the file is in the page cache now.
    command = [sys.executable, "-m", "benchmarks.gallery", "--open", str(path), "--size", str(arguments.size)]
    command += ["--batch", str(arguments.batch), "--k", str(arguments.k)]
    lines = []
    for _ in range(OPENINGS):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        lines.append([float(each) for each in done.stdout.split()])
    wall, cpu, answered, memory, before = (sorted(column) for column in zip(*lines, strict=True))
    middle = OPENINGS // 2
    print(
        f"opened, {OPENINGS} fresh processes, from the page cache: {wall[0]:.2f} s minimum, {wall[middle]:.2f} s median "
        f"(CPU {cpu[0]:.2f}, {cpu[middle]:.2f}); first batch answered after {answered[0]:.2f}, {answered[middle]:.2f} s"
    )
    print(f"resident memory then: {memory[middle]:,.0f} MB ({before[middle]:,.0f} MB before opening)")


def measure_opening(path: Path, arguments: argparse.Namespace) -> int:
    """Print seconds of opening by clock and CPU, seconds until the first answer, and megabytes after and before."""
    probes, before = probes_of(arguments), resident()
    began, cpu = time.perf_counter(), time.process_time()
    with Gallery(path, MODEL, KEY) as gallery:
        gallery.refresh()
        opened, spent = time.perf_counter() - began, time.process_time() - cpu
        gallery.match(probes, arguments.k)
        print(opened, spent, time.perf_counter() - began, resident(), before)
    return 0


def resident() -> float:
    """Return the anonymous memory that this process uses, in megabytes; 0 on a system that does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    # The mapped file is the page cache's.
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def brute_force(index: Index, probes: np.ndarray, k: int) -> list[list[int]]:
    """Return the rows of each probe's best, all rows compared in double precision; the first among equals. One row a person."""
    scores = np.empty((len(probes), len(index.matrix)))
    for start in range(0, len(index.matrix), BLOCK):
        block = index.matrix[start : start + BLOCK].astype(np.float64)
        for place, probe in enumerate(probes.astype(np.float64)):
            scores[place, start : start + BLOCK] = np.einsum("ij,j->i", block, probe)
    return [np.argsort(-row, kind="stable")[:k].tolist() for row in scores]


def searches(
    gallery: Gallery, index: Index, probes: np.ndarray, arguments: argparse.Namespace
) -> tuple[bool, dict[str, list[list[int]]]]:
    """Measure the contenders in turns, print their times, and return whether the answers stayed the same, and the answers."""
    places = {entry[0]: row for row, entry in enumerate(index.entries)}

    def ours(some: np.ndarray) -> list[list[int]]:
        return [[places[match.template] for match in matches] for matches in gallery.match(some, arguments.k)]

    def product(some: np.ndarray) -> None:
        np.dot(some, index.matrix.T)

    counts = sorted({1, cores()})
    contenders = [Contender("numpy product alone", count, product, numpy_threads) for count in counts]
    contenders += [Contender("kface", count, ours, our_threads) for count in counts]
    flat = faiss_flat(index.matrix, arguments.k)
    if flat is not None:
        contenders += [Contender("faiss IndexFlatIP", count, flat[0], flat[1]) for count in counts]
    times = {contender: Times([], []) for contender in contenders}
    answers: dict[str, list[list[int]]] = {}
    same = True
    for turn in range(arguments.repeat + 1):
        for contender in contenders:
            with contender.limited(contender.threads):
                wall, cpu = time.perf_counter(), time.process_time()
                found = contender.search(probes)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if found is not None:
                same = same and answers.setdefault(contender.name, found) == found
            # The first turn warms up.
            if turn:
                times[contender].wall.append(1000 * wall)
                times[contender].cpu.append(1000 * cpu)
    columns = "wall min   median   CPU min   median   times as fast as the product: min, median"
    print(f"{'milliseconds a batch':<22} {'threads':>7}   {columns}")
    for contender in contenders:
        base = next(times[each] for each in contenders if each.threads == contender.threads)
        gains = [min(base.wall) / min(times[contender].wall)]
        gains.append(float(np.median(np.array(base.wall) / np.array(times[contender].wall))))
        print(f"{contender.name:<22} {contender.threads:>7}   {times[contender]}   {gains[0]:.2f} {gains[1]:.2f}")
    return same, answers


@contextmanager
def our_threads(count: int) -> Iterator[None]:
    """Search with so many threads."""
    before = coarse_module.MOST_THREADS
    coarse_module.MOST_THREADS = count
    try:
        yield
    finally:
        coarse_module.MOST_THREADS = before


def numpy_threads(count: int) -> Any:
    """Let numpy's library use so many threads, where the package that can say so is installed."""
    try:
        limits = importlib.import_module("threadpoolctl").threadpool_limits
    except ImportError:
        return nullcontext()
    return limits(count, "blas")


def faiss_flat(
    matrix: np.ndarray, k: int
) -> tuple[Callable[[np.ndarray], list[list[int]]], Callable[[int], Any]] | None:
    """Return faiss's search and what sets its threads, or None where it is not installed, which is printed."""
    try:
        faiss: Any = importlib.import_module("faiss")
    except ImportError:
        print("faiss is not installed (pip install faiss-cpu): left out")
        return None
    flat = faiss.IndexFlatIP(matrix.shape[1])
    flat.add(matrix)

    def search(probes: np.ndarray) -> list[list[int]]:
        found: list[list[int]] = flat.search(probes, k)[1].tolist()
        return found

    def limited(count: int) -> Any:
        faiss.omp_set_num_threads(count)
        return nullcontext()

    return search, limited


if __name__ == "__main__":
    sys.exit(main())
