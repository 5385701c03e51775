"""What the figures were measured on."""

import os
import platform
import subprocess
import sys
from typing import Any, Dict, List, Optional, Sequence

import kface
from kface.networks import RUNTIMES, runtimes
from kface.workers import cores

#: What lists the GPU memory of processes.
NVIDIA_SMI = ("nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits")
#: Where a Jetson says which board it is.
BOARD = "/proc/device-tree/model"


def describe() -> Dict[str, Any]:
    """Return the machine: processor, cores, memory, versions of Python, kface and the runtimes that are installed.

    Of a runtime that this process has not loaded the version is not known: loading TensorFlow to ask takes seconds.
    """
    return {
        "cpu": processor(),
        "board": _text(BOARD).strip("\0 \n") or None,
        "cores": cores(),
        "memory_mb": _field("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kface": kface.__version__,
        "runtimes": {name: version(RUNTIMES[name].package) for name in runtimes()},
    }


def processor() -> str:
    """Return the processor's name."""
    for line in _text("/proc/cpuinfo").splitlines():
        if line.startswith("model name") and ":" in line:
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def load() -> Optional[List[float]]:
    """Return the load average over 1, 5 and 15 minutes; None where the system has no such figure."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):
        return None


def version(package: str) -> str:
    """Return a loaded package's version: what it says itself, as OpenCV of a JetPack is not a Python package."""
    module = sys.modules.get(package)
    return "not used" if module is None else str(getattr(module, "__version__", "unknown")).split("-")[0]


def resident_mb() -> Optional[float]:
    """Return how much memory this process holds, in MB; None where the system does not report it."""
    return _field("/proc/self/status", "VmRSS")


def peak_mb() -> Optional[float]:
    """Return how much memory this process has held at most, in MB; None where the system does not report it."""
    return _field("/proc/self/status", "VmHWM")


def gpu_mb(command: Sequence[str] = NVIDIA_SMI) -> Optional[float]:
    """Return how much memory of GPUs this process holds, in MB; None where that is not known, as on a Jetson."""
    try:
        out = subprocess.check_output(list(command), stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    held = 0.0
    for line in out.decode("utf-8", "replace").splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 2 and cells[0] == str(os.getpid()):
            try:
                held += float(cells[1])
            except ValueError:
                return None
    return held


def _field(path: str, name: str) -> Optional[float]:
    """Return a field of a file of /proc that counts kB, in MB."""
    for line in _text(path).splitlines():
        if line.startswith(name + ":"):
            return round(float(line.split()[1]) / 1024, 1)
    return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
