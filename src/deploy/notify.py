"""Reports to systemd that the program is ready and alive (sd_notify); does nothing without systemd."""

import contextlib
import os
import socket
from typing import Optional

from kface.redaction import redact

#: Seconds that the manager gets to take a message.
PATIENCE_S = 1.0


class Notifier(object):
    """Speaks the protocol of ``Type=notify`` and ``WatchdogSec=``: a datagram to the socket that NOTIFY_SOCKET names."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        #: Seconds after which systemd takes the program for stuck; None where it does not watch.
        self.watchdog: Optional[float] = int(microseconds) / 1e6 if microseconds.isdigit() else None

    def ready(self, status: str) -> None:
        """Say that the program has started."""
        self._send("READY=1\nSTATUS=" + " ".join(status.split()))

    def alive(self, status: str) -> None:
        """Say that the program is not stuck."""
        self._send("WATCHDOG=1\nSTATUS=" + " ".join(status.split()))

    def stopping(self) -> None:
        """Say that the program ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # Recognition goes on without the manager.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, contextlib.suppress(OSError):
            # A manager that does not read must hold up neither the recogniser nor its end.
            channel.settimeout(PATIENCE_S)
            channel.sendto(redact(text).encode("utf-8", "backslashreplace"), address)
