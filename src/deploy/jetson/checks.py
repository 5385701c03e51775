"""What a board needs and what it has: a list of findings, those that apt can mend, and those that only advise."""

import json
import os
import platform
import re
import signal
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from deploy import launch
from deploy.jetson.board import Board
from deploy.jetson.command import WHEELS
from deploy.jetson.system import System

#: Runs the service as well; not the first python3 of the PATH, which may be one that apt's packages are not for.
PYTHON = "/usr/bin/python3"
#: MiB that are to be free where a release goes: the release, its engines, and what apt brings.
DISK = 2048
#: MiB of memory below which building engines wants swap, and MiB of that.
SMALL_MEMORY, SWAP = 5120, 3072
#: GStreamer's elements, the package that brings each, what is lacking without it, and whether only a Jetson has it.
ELEMENTS = (
    ("rtspsrc", "gstreamer1.0-plugins-good", "network cameras", False),
    ("h264parse", "gstreamer1.0-plugins-bad", "network cameras and files", False),
    ("avdec_h264", "gstreamer1.0-libav", "software decoding", False),
    ("nvv4l2decoder", "nvidia-l4t-gstreamer", "hardware decoding", True),
    ("nvvidconv", "nvidia-l4t-gstreamer", "cameras and hardware decoding", True),
    ("nvarguscamerasrc", "nvidia-l4t-gstreamer", "the ribbon camera", True),
)
#: The last ones for Python 3.6.
_WHEELS_36 = ("onnxruntime==1.10.0", "numpy==1.19.5")
#: Runs the pip of the directory that the first argument names.
_RUN_PIP = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('pip', run_name='__main__')"
OK, MISSING, ADVICE = "ok", "missing", "advice"


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: Of the thing.
        state: :data:`OK`; :data:`MISSING`, without which nothing works; or :data:`ADVICE`, without which it works worse.
        text: What was found.
        packages: Debian packages that bring it.
        wheels: Python packages that bring it, where no Debian package does.
        remedy: What else brings it.
    """

    name: str
    state: str
    text: str
    packages: Tuple[str, ...] = ()
    wheels: Tuple[str, ...] = ()
    remedy: str = ""

    def __str__(self) -> str:
        line = "    {:<8} {:<13} {}".format(
            {OK: "ok", MISSING: "MISSING", ADVICE: "advice"}[self.state], self.name, self.text
        )
        ways = ["apt: " + " ".join(self.packages)] if self.packages else []
        ways += ["pip: " + " ".join(self.wheels)] if self.wheels else []
        ways += [self.remedy] if self.remedy else []
        return line + ("; " + "; ".join(ways) if ways else "")


def python() -> str:
    """Return the interpreter that the service gets: KFACE_PYTHON, or the system's."""
    return os.environ.get("KFACE_PYTHON") or PYTHON


def launched(system: System, source: str, module: str, arguments: Sequence[str]) -> List[str]:
    """Return the words that run a module of a directory of ``kface`` and ``deploy`` on this machine."""
    return launch.command(python(), source, system.path(WHEELS), module, list(arguments))


def probe(system: System, source: str, name: str, *arguments: str) -> Dict[str, Any]:
    """Ask :mod:`deploy.jetson.probe` in a process of its own; ``{"error": ...}`` where it fails or dies.

    Args:
        system: Where.
        source: Directory of ``kface`` and ``deploy``, on this machine.
        name: What is asked.
        arguments: For it.
    """
    # Harmless elsewhere: OpenBLAS knows this name on ARM only.
    env = {"OPENBLAS_CORETYPE": "ARMV8"} if platform.machine() == "aarch64" else {}
    made = system.ask(launched(system, source, "deploy.jetson.probe", (name,) + arguments), env)
    if made.status == -signal.SIGILL:
        return {
            "error": "crashes with an illegal instruction",
            "remedy": "export OPENBLAS_CORETYPE=ARMV8 and try again",
        }
    if made.status < 0:
        return {"error": "is killed by signal {}".format(-made.status)}
    lines = made.output.strip().splitlines()
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):
        found = None
    if not isinstance(found, dict):
        return {"error": (made.error.strip().splitlines() or ["no output (status {})".format(made.status)])[-1]}
    return found


def check(system: System, board: Board, source: str) -> List[Finding]:
    """Look at everything that the recogniser needs; nothing is changed, and nothing raised."""
    return (
        _libraries(system, board, source)
        + _gstreamer(system, board)
        + [_disk(system), _swap(board)]
        + (_power(system) if board.is_jetson else [])
    )


def _libraries(system: System, board: Board, source: str) -> List[Finding]:
    found = []
    version = str(probe(system, source, "python").get("version", "?"))
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    found.append(
        Finding("python", OK, version)
        if numbers >= [3, 6]
        else Finding("python", MISSING, version, ("python3",), remedy="3.6 or newer is needed")
    )
    numpy = _library(system, source, "numpy", ("python3-numpy",))
    found.append(numpy)
    found.append(_opencv(system, board, source))
    found.append(_library(system, source, "yaml", ("python3-yaml",)))
    found.append(_library(system, source, "cryptography", ("python3-cryptography",)))
    if board.is_jetson:
        found.append(_library(system, source, "tensorrt", ("python3-libnvinfer",)))
        found.append(_library(system, source, "gpu"))
    # On a Jetson TensorRT does the work, and another runtime is what its engines are compared with.
    found.append(_runtimes(system, source, version, numpy, ADVICE if board.is_jetson else MISSING))
    return found


def _runtimes(system: System, source: str, version: str, numpy: Finding, state: str) -> Finding:
    facts = probe(system, source, "runtimes", os.path.join(os.path.dirname(source), "bundle"))
    if "error" not in facts:
        return Finding("runtimes", OK, str(facts["version"]))
    if version.startswith("3.6."):
        wheels = _WHEELS_36
    else:
        # What apt brings was built for one of NumPy's two ABIs.
        wheels = ("onnxruntime", "numpy<2" if numpy.state != OK or numpy.text.startswith("1") else "numpy>=2")
    return Finding("runtimes", state, str(facts["error"]), ("python3-pip",), wheels)


def _library(system: System, source: str, name: str, packages: Tuple[str, ...] = ()) -> Finding:
    facts = probe(system, source, name)
    if "error" in facts:
        return Finding(name, MISSING, str(facts["error"]), packages, remedy=str(facts.get("remedy", "")))
    return Finding(name, OK, str(facts["version"]))


def _opencv(system: System, board: Board, source: str) -> Finding:
    packages = opencv_packages(board)
    facts = probe(system, source, "cv2")
    if "error" in facts:
        return Finding("opencv", MISSING, str(facts["error"]), packages, remedy=str(facts.get("remedy", "")))
    text = ("{} with GStreamer" if facts["gstreamer"] else "{} without GStreamer").format(facts["version"])
    if facts["gstreamer"]:
        return Finding("opencv", OK, text)
    where = str(facts["path"])
    text += ": no ribbon camera, no hardware decoding"
    if "dist-packages" in where and "local" not in where:
        return Finding("opencv", ADVICE, text, packages)
    return Finding(
        "opencv", ADVICE, text, remedy="pip's in {} hides the system's: sudo pip3 uninstall it".format(where)
    )


def opencv_packages(board: Board) -> Tuple[str, ...]:
    """Return the packages of an OpenCV with GStreamer: NVIDIA's up to JetPack 6, the distribution's elsewhere."""
    return ("libopencv-python",) if board.major in ("4", "5", "6") else ("python3-opencv",)


def _gstreamer(system: System, board: Board) -> List[Finding]:
    tool = "gst-inspect-1.0"
    if system.ask([tool, "--version"]).status == 127:
        packages = tuple(sorted({row[1] for row in ELEMENTS if not row[3]} | {"gstreamer1.0-tools"}))
        return [Finding("gstreamer", ADVICE, "its tools are not installed: cameras not checked", packages)]
    missing = [
        row
        for row in ELEMENTS
        if (board.is_jetson or not row[3]) and system.ask([tool, "--exists", row[0]]).status != 0
    ]
    if not missing:
        return [Finding("gstreamer", OK, "all elements")]
    return [Finding("gstreamer", ADVICE, "no {}, for {}".format(row[0], row[2]), (row[1],)) for row in missing]


def _disk(system: System) -> Finding:
    place = system.path("/opt")
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize >> 20
    text = "{} MiB are free".format(free)
    if free >= DISK:
        return Finding("disk", OK, text)
    return Finding(
        "disk", MISSING, "{}, {} are needed".format(text, DISK), remedy="sudo apt-get clean, or a larger card"
    )


def _swap(board: Board) -> Finding:
    text = "{} MiB, {} MiB swap on disk".format(board.memory, board.swap)
    if board.memory and board.memory < SMALL_MEMORY and board.swap < SWAP:
        return Finding(
            "memory", ADVICE, text + ": engine builds may run out of memory", remedy="add 4 GB of swap (docs/jetson.md)"
        )
    return Finding("memory", OK, text)


def _power(system: System) -> List[Finding]:
    return [finding for finding in (_mode(system), _clocks(system), _fan(system)) if finding is not None]


def _mode(system: System) -> Optional[Finding]:
    facts = system.ask(["nvpmodel", "-q"])
    found = re.search(r"NV Power Mode:\s*(\S+)\s+(\d+)", facts.output)
    if not found:
        return Finding("power", ADVICE, "nvpmodel reports no mode", remedy="sudo nvpmodel -q shows why")
    # Mode 0 is the largest on a Nano, but 15 W on an Orin Nano: the names show it.
    modes = re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", system.read("/etc/nvpmodel.conf") or "")
    best = [(number, name) for number, name in modes if name.upper().startswith("MAXN")]
    name, number = found.groups()
    if not best or name.upper().startswith("MAXN"):
        return Finding("power", OK, "mode {} ({})".format(name, number))
    # MAXN_SUPER comes after MAXN and is more.
    way = "sudo nvpmodel -m {} selects {}".format(*best[-1])
    return Finding("power", ADVICE, "mode {} ({}) limits the board".format(name, number), remedy=way)


def _clocks(system: System) -> Optional[Finding]:
    for folder in system.glob("/sys/class/devfreq/*"):
        if not re.search("gpu|gp10b|gv11b|ga10b", os.path.basename(folder)):
            continue
        least, most = (system.read("{}/{}_freq".format(folder, side)) for side in ("min", "max"))
        if least is None or most is None:
            continue
        if least == most:
            return Finding("clocks", OK, "the GPU clock is fixed")
        return Finding("clocks", ADVICE, "the GPU clock follows the load", remedy="sudo jetson_clocks")
    return None


def _fan(system: System) -> Optional[Finding]:
    speeds = [system.read(name) for name in system.glob("/sys/devices/pwm-fan/target_pwm")]
    speeds += [system.read(name) for name in system.glob("/sys/class/hwmon/hwmon*/pwm1")]
    if not speeds:
        return Finding(
            "fan", ADVICE, "not found", remedy="without one the board throttles under load: watch tegrastats"
        )
    if all(speed == "0" for speed in speeds):
        return Finding("fan", OK, "not spinning")
    return Finding("fan", OK, "turns")


def fetch_wheels(system: System, wheels: List[str]) -> None:
    """Let pip put Python packages into a directory of their own; where that fails, the next look at them says so."""
    install = [python(), "-I", "-m", "pip", "install", "--quiet"]
    env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    newer = system.path(WHEELS + "-pip")
    if _WHEELS_36[0] in wheels:
        # The pip of Ubuntu 18.04 does not see wheels for ARM; 21.3.1 is the last one for Python 3.6.
        system.work(install + ["--target", newer, "pip==21.3.1"], env)
        install[2:4] = ["-c", _RUN_PIP, newer]
    system.work(install + ["--upgrade", "--only-binary", ":all:", "--target", system.path(WHEELS)] + wheels, env)
    system.remove(WHEELS + "-pip")
