"""``python -m benchmarks.training``: a training step beside Keras's own networks and PyTorch, in turn.

Each candidate is a process of its own, which waits while the others have their turn. ``KFACE_TORCH_PYTHON`` names a Python with
PyTorch where this one has none:

    python3 -m venv DIR && DIR/bin/pip install torch
    KFACE_TORCH_PYTHON=DIR/bin/python .venv/bin/python -m benchmarks.training [resnet50] [mobilenetv2]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.training.turns import BATCH, STEPS
from kface.workers import cores

#: Turns of each candidate at least, and seconds in which they take more.
ROUNDS, SECONDS = 3, 60.0
NETWORKS = ("resnet50", "mobilenetv2")
#: By module and case, what the table calls it.
TENSORFLOW = {
    "training": "kface, complete training",
    "step": "kface, step alone",
    "applications": "keras.applications",
}
TORCH = {"plain": "PyTorch, same network", "channels-last": "PyTorch, same network, channels_last"}


class Candidate:
    """A process that is measured.

    Args:
        title: In the table.
        command: Starts it.
        folder: Takes a file of what it writes to standard error.
    """

    def __init__(self, title: str, command: list[str], folder: Path) -> None:
        self.title = title
        self.times: list[tuple[float, float]] = []
        self._errors = folder / title
        with self._errors.open("w") as stream:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True
            )
        self.facts = self._line()

    def turn(self) -> None:
        """Let it run some steps."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._line()
        self.times.append((line["seconds"], line["cpu_seconds"]))

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()

    def row(self) -> str:
        """Return its row of the table."""
        walls = [wall for wall, _ in self.times]
        used = sum(cpu for _, cpu in self.times) / sum(walls)
        best, median = BATCH / min(walls), BATCH / statistics.median(walls)
        million, giga = self.facts["parameters"] / 1e6, self.facts["multiplications"] / 1e9
        cpu = 1e3 * statistics.median(cpu for _, cpu in self.times) / BATCH
        return (
            f"  {self.title:<40}{million:8.2f} M{giga:8.3f}{best:9.1f}{median:8.1f}{cpu:9.1f}{used:7.2f}"
            f"{best * giga:10.1f}{median * giga:8.1f}"
        )

    def _line(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise RuntimeError(f"{self.title}: ended with {status}\n{self._errors.read_text()[-2000:]}")
        return json.loads(line)


def main(networks: list[str]) -> int:
    """Measure and print."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    python = os.environ.get("KFACE_TORCH_PYTHON", sys.executable)
    torch = subprocess.run(
        [python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=False
    )
    found = f"PyTorch {torch.stdout.strip()}" if torch.returncode == 0 else "PyTorch is not installed"
    print(
        f"Training, batch {BATCH}, 112x112, float32, AdamW, ArcFace; {cores()} cores, load {os.getloadavg()[0]:.1f}; "
        f"turns of {STEPS} steps; {found}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for network in networks or NETWORKS:
            print(
                f"{network:<42}  trained  GMAC an  images/s, best   CPU ms   cores   GMAC/s, best\n"
                f"{'':<42}  weights    image      and median an image    used     and median",
                flush=True,
            )
            compared(network, python if torch.returncode == 0 else None, Path(folder))
    return 0


def compared(network: str, torch: str | None, folder: Path) -> None:
    """Measure a network's candidates and print their rows; `torch` is a Python with PyTorch, or None."""
    module = [sys.executable, "-m", "benchmarks.training.of_tensorflow"]
    candidates = [Candidate(title, [*module, case, network], folder) for case, title in TENSORFLOW.items()]
    if torch is not None:
        module = [torch, "-m", "benchmarks.training.of_torch"]
        candidates += [Candidate(title, [*module, case, network], folder) for case, title in TORCH.items()]
    began, rounds = time.monotonic(), 0
    while rounds < ROUNDS or time.monotonic() - began < SECONDS:
        for candidate in candidates:
            candidate.turn()
        rounds += 1
    for candidate in candidates:
        candidate.end()
        print(candidate.row(), flush=True)
    print(f"  {rounds} turns, load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
