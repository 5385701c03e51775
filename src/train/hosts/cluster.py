"""What a training sees of the hosts that train together; of one host it is the same, with nothing to wait for."""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from kface.commands.ending import refuse
from kface.errors import ConfigError, KFaceError, TrainingError
from train.hosts import service
from train.hosts.link import Link, differing
from train.hosts.settings import HostsSettings
from train.registry import Json

#: Seconds that JAX's own service waits for a host that the connection between the hosts still sees: it may be suspended.
HEARTBEAT = 3600
#: Seconds in which the end of another host becomes known after an operation with it has failed.
SOON = 20.0


class Cluster:
    """The hosts of a training; a context manager that reports this host's error to the others.

    Args:
        link: The connection to the others; None for one host.

    Attributes:
        index: Which of the hosts this is.
        count: How many there are.
    """

    def __init__(self, link: Link | None = None) -> None:
        self._link = link
        self._service: subprocess.Popen[bytes] | None = None
        self.index = 0 if link is None else link.index
        self.count = 1 if link is None else link.count

    @classmethod
    def connect(cls, settings: HostsSettings) -> "Cluster":
        """Connect the hosts, and start JAX's service on them; call it before anything computes.

        Raises:
            KFaceError: See :class:`train.hosts.link.Link`.
        """
        if not settings.several:
            return cls()
        settings = settings.resolved()
        link = Link(settings, _leave)
        cluster = cls(link)
        try:
            if cluster.first:
                cluster._service = _start_service(link)
            link.exchange("service")
            _start_jax(link, settings.timeout)
        except BaseException as error:
            cluster._end(error)
            raise
        return cluster

    @property
    def first(self) -> bool:
        """Whether this host writes the run, and reports."""
        return self.index == 0

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> Literal[False]:
        if error is not None:
            self._end(error)
        else:
            self.finish()
        return False

    def exchange(self, name: str, value: Json = None) -> list[Json]:
        """Wait until all hosts are at this place; return the value of each, in their order."""
        return [value] if self._link is None else self._link.exchange(name, value)

    def of_first(self, name: str, value: Json = None) -> Json:
        """Return the first host's value."""
        return self.exchange(name, value)[0]

    @contextlib.contextmanager
    def first_before_the_others(self, name: str) -> Iterator[None]:
        """Run a block on the first host, then, when it has ended, on the others."""
        if not self.first:
            self.exchange(name)
        yield
        if self.first:
            self.exchange(name)

    def agree(self, name: str, values: Mapping[str, Json]) -> None:
        """Compare what must be equal on all hosts.

        Args:
            name: What is compared.
            values: By name.

        Raises:
            ConfigError: A value differs from the first host's; raised on every host.
        """
        everywhere = self.exchange(name, dict(values))
        other = differing(everywhere)
        if other is None:
            return
        mine, theirs = (value if isinstance(value, dict) else {} for value in (everywhere[0], everywhere[other]))
        keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
        shown = ", ".join(
            f"{key} is {_short(mine.get(key))} on host 0 and {_short(theirs.get(key))} on host {other}"
            for key in keys[:3]
        )
        more = f", and {len(keys) - 3} more" if len(keys) > 3 else ""
        raise ConfigError(f"the hosts differ: {shown}{more}", name, "start all with the same settings and data")

    def finish(self) -> None:
        """End the common work: from here on the first host goes on alone, and the others have nothing left to do."""
        link, self._link = self._link, None
        if link is None:
            return
        link.exchange("end")
        import jax

        jax.distributed.shutdown()
        link.exchange("shut down")
        link.close()
        if self._service is not None:
            self._service.kill()
            self._service.communicate()

    def explain(self) -> None:
        """Call where an operation with the others has failed: if one has ended, this process ends with a line about it."""
        if self._link is not None:
            time.sleep(SOON)

    def _end(self, error: BaseException) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        line = str(error) if isinstance(error, KFaceError) else type(error).__name__
        link.end(f"host {self.index} has ended: {line}")
        status = 2 if isinstance(error, KFaceError) else 130 if isinstance(error, KeyboardInterrupt) else 1
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            status = error.code
        # Else JAX would wait for the others at the end of the process, and abort it.
        atexit.register(_quit, status)


def _start_service(link: Link) -> subprocess.Popen[bytes]:
    """Start JAX's service in a process of its own, see :mod:`train.hosts.service`."""
    port = link.service.rpartition(":")[2]
    process = subprocess.Popen(
        [sys.executable, service.__file__, f"[::]:{port}", str(link.count), str(HEARTBEAT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the training, which then ends the service.
        start_new_session=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        raise TrainingError("JAX's service cannot be started", link.service, "check that the port is free")
    return process


def _start_jax(link: Link, timeout: float) -> None:
    """Connect JAX to its service."""
    import jax
    from jax._src import distributed

    module: Any = distributed._jax
    make = module.get_distributed_runtime_service
    # The service runs already.
    module.get_distributed_runtime_service = lambda *arguments, **more: None
    try:
        jax.distributed.initialize(
            link.service,
            link.count,
            link.index,
            initialization_timeout=max(1, int(timeout)),
            heartbeat_timeout_seconds=HEARTBEAT,
        )
    except (RuntimeError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise TrainingError(f"JAX's service cannot be reached: {line}", link.service, "check the network of the hosts")
    finally:
        module.get_distributed_runtime_service = make


def _leave(line: str) -> None:
    """End this process at once: its main thread may wait for a host that will never answer."""
    refuse("train", TrainingError(line, None, "then add resume=true"))
    _quit(2)


def _quit(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _short(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
