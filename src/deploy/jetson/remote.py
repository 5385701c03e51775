"""Sends an archive to a board and runs its installer there, through ssh and scp."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import Iterator, List, NamedTuple, Optional, Sequence

from kface.errors import ConfigError, KFaceError

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_HOST = re.compile(r"(?:({name})@)?({name}|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])\Z".format(name=_NAME))
#: Seconds until a board that does not answer is given up.
CONNECT_SECONDS = 15


class RemoteError(KFaceError):
    """A board that cannot be reached, or on which a command fails."""


class Host(NamedTuple):
    """A board's address.

    Attributes:
        user: None for ssh's own choice.
        name: A name or an address; IPv6 without brackets.
        port: None for ssh's own choice.
    """

    user: Optional[str]
    name: str
    port: Optional[int] = None

    @classmethod
    def parse(cls, text: str, port: Optional[int] = None) -> "Host":
        """Read ``user@board``.

        Raises:
            ConfigError: It could be anything else, such as an option of ssh.
        """
        found = _HOST.match(text)
        if not found:
            raise ConfigError("is not a board's address", ascii(text), "use user@board, such as kim@10.0.0.7")
        if port is not None and not 1 <= port <= 65535:
            raise ConfigError("must be from 1 to 65535, not {}".format(port), "--port")
        return cls(found.group(1), found.group(2).strip("[]"), port)

    def target(self, brackets: bool = False) -> str:
        """Return it as ssh, or with brackets around IPv6 as scp, takes it."""
        name = "[{}]".format(self.name) if brackets and ":" in self.name else self.name
        return name if self.user is None else "{}@{}".format(self.user, name)


class Remote(object):
    """A connection that asks for a password at most once.

    Args:
        host: The board.
        sockets: A directory of one's own, for the connection that all commands share.
        terminal: Whether a user is there to type a password.
    """

    def __init__(self, host: Host, sockets: str, terminal: bool) -> None:
        self.host = host
        self._sockets = sockets
        self.terminal = terminal

    def ask(self, command: Sequence[str]) -> str:
        """Run a command there and return what it prints, without the last line's end.

        Raises:
            RemoteError: ssh fails, or the command does; with the last line that it printed.
        """
        argv = ["ssh"] + self._options("-p") + ["--", self.host.target(), _quoted(command)]
        return self._run(argv, subprocess.PIPE).strip()

    def send(self, path: str, folder: str) -> None:
        """Copy a file into a directory there.

        Raises:
            RemoteError: scp fails.
        """
        target = "{}:{}/".format(self.host.target(brackets=True), folder)
        # scp takes what has a colon before its first slash for another machine's.
        self._run(["scp", "-q"] + self._options("-P") + ["--", os.path.abspath(path), target], None)

    def show(self, command: str) -> int:
        """Run a shell command there on this terminal, and return its exit status; 255 is ssh's own."""
        tty = ["-t"] if self.terminal else []
        argv = ["ssh"] + tty + self._options("-p") + ["--", self.host.target(), command]
        try:
            return subprocess.call(argv, stdin=None if self.terminal else subprocess.DEVNULL)
        except OSError as error:
            raise RemoteError(
                "cannot be started ({})".format(error.strerror or error), "ssh", "install OpenSSH's client"
            )

    def close(self) -> None:
        """End the shared connection."""
        argv = ["ssh", "-O", "exit"] + self._options("-p") + ["--", self.host.target()]
        with contextlib.suppress(OSError):
            subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _options(self, port: str) -> List[str]:
        made = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", "ControlPath={}/%C".format(self._sockets)]
        made += ["-o", "ConnectTimeout={}".format(CONNECT_SECONDS)]
        if not self.terminal:
            made += ["-o", "BatchMode=yes"]
        return made + ([port, str(self.host.port)] if self.host.port is not None else [])

    def _run(self, argv: List[str], stdout: Optional[int]) -> str:
        # ssh's questions go to the terminal itself, so that what comes by standard error are reasons.
        stdin = None if self.terminal else subprocess.DEVNULL
        try:
            with tempfile.TemporaryFile() as errors:
                made = subprocess.run(argv, check=False, stdin=stdin, stdout=stdout, stderr=errors)
                errors.seek(0)
                lines = errors.read().decode("utf-8", "replace").strip().splitlines()
        except OSError as error:
            raise RemoteError(
                "cannot be started ({})".format(error.strerror or error), argv[0], "install OpenSSH's client"
            )
        if made.returncode != 0:
            reason = lines[-1] if lines else "no reason given"
            remedy = "try by hand: ssh {}".format(self.host.target())
            raise RemoteError("{} failed ({})".format(argv[0], reason), self.host.target(), remedy)
        return (made.stdout or b"").decode("utf-8", "replace")


def install(path: str, release: str, host: Host, options: Sequence[str] = ()) -> int:
    """Send an archive, run its installer, and leave nothing of it in between.

    Args:
        path: The archive.
        release: Its only top directory.
        host: The board.
        options: For the installer.

    Returns:
        The installer's exit status.

    Raises:
        RemoteError: The board cannot be reached, or the archive does not fit there.
    """
    with _connected(host) as remote:
        folder = remote.ask(["mktemp", "-d"])
        # What a login script prints would else become a part of a path.
        if not re.match(r"/[A-Za-z0-9._/-]+\Z", folder):
            raise RemoteError(
                "unexpected output of mktemp: {}".format(ascii(folder[:80])),
                host.target(),
                "its login scripts must not print anything",
            )
        try:
            remote.send(path, folder)
            status = remote.show(_script(folder, os.path.basename(path), release, options, remote.terminal))
        finally:
            with contextlib.suppress(KFaceError):
                remote.ask(["rm", "-rf", "--", folder])
        if status == 255:
            raise RemoteError("the connection was lost", host.target(), "run it again; every step can be repeated")
        return status


@contextlib.contextmanager
def _connected(host: Host) -> Iterator[Remote]:
    terminal = sys.stdin is not None and sys.stdin.isatty()
    # A short path: a socket's may not have more than about 100 signs.
    sockets = tempfile.mkdtemp(prefix="kface-")
    remote = Remote(host, sockets, terminal)
    try:
        yield remote
    finally:
        remote.close()
        shutil.rmtree(sockets, ignore_errors=True)


def _script(folder: str, file: str, release: str, options: Sequence[str], terminal: bool) -> str:
    # Without a terminal sudo's password cannot be asked for.
    sudo = [] if "--dry-run" in options else ["sudo"] if terminal else ["sudo", "-n"]
    parts = [
        _quoted(["cd", folder]),
        _quoted(["tar", "-xzf", file]),
        _quoted(sudo + ["./{}/install.sh".format(release)] + list(options)),
    ]
    return " && ".join(parts)


def _quoted(words: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
