"""Which hosts train together: settings, or the variables of Slurm."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kface.checks import number, refuse, text, whole
from kface.errors import ConfigError

SLURM = "slurm"
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})")
#: Slurm's jobs get a port from this range by their number.
PORTS = (20_000, 30_000)


@dataclass(frozen=True)
class HostsSettings:
    """Which hosts train together.

    Args:
        coordinator: ``HOST:PORT`` of the first host, or ``slurm`` for the variables that ``srun`` sets; None for one host.
        count: Number of processes, usually one for each host.
        index: Which of them this is, from 0.
        timeout: Seconds to wait for the others at the start.

    Raises:
        ConfigError: A value is out of its range, or Slurm's variables are not set.
    """

    coordinator: str | None = None
    count: int = 1
    index: int = 0
    timeout: float = 300.0

    def __post_init__(self) -> None:
        whole("hosts.count", self.count, 1, 4096)
        whole("hosts.index", self.index, 0)
        number("hosts.timeout", self.timeout, 0, 86_400, open_below=True)
        if self.coordinator is None:
            if self.count != 1:
                refuse(
                    ConfigError(
                        f"needs the address of the first of {self.count} hosts",
                        "hosts.coordinator",
                        "add hosts.coordinator=HOST:PORT, or slurm",
                    )
                )
            return
        text("hosts.coordinator", self.coordinator)
        if self.coordinator != SLURM:
            matched = ADDRESS.fullmatch(str(self.coordinator))
            if matched is None or not 0 < int(matched[2]) < 65_536:
                refuse(ConfigError(f"must be HOST:PORT or slurm, not {self.coordinator!r}", "hosts.coordinator"))
            if isinstance(self.count, int) and isinstance(self.index, int) and self.index >= self.count:
                refuse(
                    ConfigError(
                        f"must be below hosts.count ({self.count}), not {self.index}",
                        "hosts.index",
                        "the hosts are numbered from 0",
                    )
                )

    @property
    def several(self) -> bool:
        """Whether more than one process trains."""
        return self.coordinator is not None and self.resolved().count > 1

    def resolved(self, environment: Mapping[str, str] | None = None) -> "HostsSettings":
        """Return the settings with Slurm's variables filled in.

        Raises:
            ConfigError: They are not set.
        """
        if self.coordinator != SLURM:
            return self
        variables = os.environ if environment is None else environment
        try:
            count, index = int(variables["SLURM_NTASKS"]), int(variables["SLURM_PROCID"])
            nodes = variables.get("SLURM_STEP_NODELIST") or variables["SLURM_JOB_NODELIST"]
            job = int(variables["SLURM_JOB_ID"])
        except (KeyError, ValueError):
            raise ConfigError(
                "is slurm, but srun has not set SLURM_NTASKS, SLURM_PROCID, SLURM_JOB_ID and SLURM_STEP_NODELIST",
                "hosts.coordinator",
                "start with srun, or give HOST:PORT",
            )
        port = PORTS[0] + job % (PORTS[1] - PORTS[0])
        return HostsSettings(f"{first_node(nodes)}:{port}", count, index, self.timeout)

    def address(self) -> tuple[str, int]:
        """Return host and port of the coordinator; for resolved settings of several hosts."""
        matched = ADDRESS.fullmatch(str(self.coordinator))
        if matched is None:
            raise ConfigError(f"must be HOST:PORT, not {self.coordinator!r}", "hosts.coordinator")
        return matched[1].strip("[]"), int(matched[2])


def first_node(nodes: str) -> str:
    """Return the first name of a list as Slurm writes it: of ``gpu[003-007,12],login`` it is ``gpu003``."""
    matched = re.match(r"([^,\[]+)(?:\[([^,\-\]]+)[^\]]*\]([^,\[]*))?", nodes)
    if matched is None:
        raise ConfigError(f"cannot be read: {nodes!r}", "SLURM_STEP_NODELIST", "give hosts.coordinator=HOST:PORT")
    return matched[1] + (matched[2] or "") + (matched[3] or "")
