"""Which board this is, and what runs on it."""

import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from deploy.jetson.system import System

#: JetPack by L4T's release: the first whose release is not newer than the board's, within the same major one.
JETPACK: Tuple[Tuple[Tuple[int, ...], str], ...] = (
    ((38, 2), "7.0"),
    ((36, 4, 3), "6.2"),
    ((36, 4), "6.1"),
    ((36, 3), "6.0"),
    ((36, 0), "6.0 DP"),
    ((35, 6), "5.1.4"),
    ((35, 5), "5.1.3"),
    ((35, 4), "5.1.2"),
    ((35, 3), "5.1.1"),
    ((35, 2), "5.1"),
    ((35, 1), "5.0.2"),
    ((34, 0), "5.0"),
    ((32, 7, 1), "4.6.1"),
    ((32, 6), "4.6"),
)
#: TensorRT, CUDA, OpenCV and Python that a JetPack brings, by its major version.
BRINGS: Dict[str, Tuple[str, str, str, str]] = {
    "4": ("8.2", "10.2", "4.1.1", "3.6"),
    "5": ("8.4-8.5", "11.4", "4.5", "3.8"),
    "6": ("8.6-10.3", "12.2-12.6", "4.8", "3.10"),
    "7": ("10.13", "13.0", "none", "3.12"),
}
#: The oldest L4T release that the code is written for, and its JetPack.
OLDEST_L4T, OLDEST = (32, 6), "4.6"
#: Nodes of the GPU, of its video units and of cameras.
NODES = (
    "/dev/nvhost-*",
    "/dev/nvmap",
    "/dev/nvidia*",
    "/dev/nvidia-caps/*",
    "/dev/nvgpu/*/*",
    "/dev/nvsciipc",
    "/dev/host1x-fence",
    "/dev/dri/*",
    "/dev/v4l2-nv*",
    "/dev/video*",
    "/dev/media*",
)
#: Where NVIDIA lists what a container needs of the board; the service needs the same.
_LISTS = "/etc/nvidia-container-runtime/host-files-for-container.d/*.csv"


class Board(NamedTuple):
    """A board.

    Attributes:
        model: As its device tree names it; "a PC or an unknown board" without one.
        l4t: NVIDIA's Linux release, such as (32, 7, 1); None on other machines than a Jetson.
        jetpack: Such as "4.6.1"; None where it is unknown.
        memory: In MiB.
        swap: In MiB, on a disk; compressed memory (zram) is not counted.
        nodes: Device nodes that the service may need.
    """

    model: str
    l4t: Optional[Tuple[int, ...]]
    jetpack: Optional[str]
    memory: int
    swap: int
    nodes: Tuple[str, ...]

    @property
    def is_jetson(self) -> bool:
        """Whether it is one."""
        return self.l4t is not None

    @property
    def major(self) -> str:
        """JetPack's major version; "" where it is unknown."""
        return (self.jetpack or "").partition(".")[0]

    @property
    def supported(self) -> bool:
        """Whether this JetPack is not too old for the code; True on other machines."""
        return self.l4t is None or self.l4t >= OLDEST_L4T


def read_board(system: System) -> Board:
    """Look at a board; nothing is changed, and nothing raised."""
    packages = installed(system, ["nvidia-jetpack", "nvidia-l4t-core"])
    release = _release(system.read("/etc/nv_tegra_release") or "")
    if release is None and "nvidia-l4t-core" in packages:
        release = _numbers(packages["nvidia-l4t-core"].partition("-")[0])
    model = system.read("/proc/device-tree/model") if release else None
    return Board(
        model or ("an unnamed Jetson" if release else "a PC or an unknown board"),
        release,
        jetpack_of(release, packages.get("nvidia-jetpack")),
        _memory(system.read("/proc/meminfo") or ""),
        _swap(system.read("/proc/swaps") or ""),
        tuple(_nodes(system)),
    )


def jetpack_of(release: Optional[Tuple[int, ...]], package: Optional[str] = None) -> Optional[str]:
    """Return the JetPack of an L4T release.

    Args:
        release: Such as (32, 7, 1).
        package: Version of the package ``nvidia-jetpack``, where it is installed: it knows best.
    """
    if release is None:
        return None
    found = re.match(r"\d+\.\d+(\.\d+)?", package or "")
    if found:
        return found.group()
    for least, jetpack in JETPACK:
        # A major release that is newer than the table has no JetPack here, rather than a wrong one.
        if release[0] == least[0] and release >= least:
            return jetpack
    return None


def installed(system: System, patterns: List[str]) -> Dict[str, str]:
    """Return the versions of the installed Debian packages that patterns fit, by name."""
    listing = system.ask(["dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Status}\n"] + patterns).output
    rows = [line.split() for line in listing.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def _release(text: str) -> Optional[Tuple[int, ...]]:
    found = re.match(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)", text)
    return _numbers("{}.{}".format(*found.groups())) if found else None


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _memory(text: str) -> int:
    found = re.search(r"MemTotal:\s*(\d+) kB", text)
    return int(found.group(1)) // 1024 if found else 0


def _swap(text: str) -> int:
    rows = [line.split() for line in text.splitlines()[1:]]
    return sum(int(row[2]) for row in rows if len(row) > 2 and "zram" not in row[0] and row[2].isdigit()) // 1024


def _nodes(system: System) -> List[str]:
    found = {name for pattern in NODES for name in system.glob(pattern)}
    for listing in system.glob(_LISTS):
        for line in (system.read(listing) or "").splitlines():
            kind, _, name = (part.strip() for part in line.partition(","))
            if kind == "dev" and re.match(r"/dev/[\w./*-]+\Z", name) and ".." not in name:
                found.update(system.glob(name))
    return sorted(name for name in found if not os.path.isdir(system.path(name)))
