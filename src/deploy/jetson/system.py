"""The one door through which the installer touches a board: its files below a root, and its commands."""

import collections
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

from kface.errors import KFaceError

#: Seconds after which a command that only asks something is given up.
ASK_SECONDS = 120
#: The same for one that builds or installs; a Nano takes half an hour for the engines of a ResNet-50.
WORK_SECONDS = 3 * 3600
_KEPT_LINES = 6
#: Variables that make a program load or run what they name; sudo may be configured to keep them.
_LOADS = re.compile(
    r"(LD_|PYTHON|PERL|BASH|DYLD_|APT_|DPKG_|GIO_|GST_PLUGIN|GST_REGISTRY|GCONV_PATH\Z|LOCPATH\Z|NLSPATH\Z|ENV\Z|IFS\Z"
    r"|CDPATH\Z|SHELLOPTS\Z|PS4\Z)"
)


class InstallError(KFaceError):
    """A step of the installation that cannot be done."""


class Outcome(NamedTuple):
    """What a command left: its exit status (negative: the signal that ended it, 127: it is not there), and its texts."""

    status: int
    output: str
    error: str = ""


class System(object):
    """A board, or a directory that stands for one.

    Args:
        root: Directory below which all files are; commands are always those of this machine.
        dry: Change nothing; say what would be changed.
        log: Takes each line that is printed.
    """

    def __init__(self, root: str = "/", dry: bool = False, log: Callable[[str], None] = print) -> None:
        self.root = os.path.abspath(root)
        self.dry = dry
        self.log = log

    def path(self, name: str) -> str:
        """Return where a file of the board is on this machine; links of the board are not followed here."""
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name: str) -> Optional[str]:
        """Return a file's text without the NULs of a device tree; None where it cannot be read."""
        try:
            with open(self.path(name), "rb") as stream:
                return stream.read(1 << 20).replace(b"\0", b"").decode("utf-8", "replace").strip()
        except OSError:
            return None

    def read_bytes(self, name: str) -> Optional[bytes]:
        """Return a file's content, all of it and as it is; None where it cannot be read."""
        try:
            with open(self.path(name), "rb") as stream:
                return stream.read()
        except OSError:
            return None

    def glob(self, pattern: str) -> List[str]:
        """Return the board's names of the files that a pattern fits, sorted."""
        start = len(self.root.rstrip("/"))
        return sorted(name[start:] for name in glob.glob(self.path(pattern)))

    def has(self, name: str) -> bool:
        """Return whether there is such a file, directory or (even dangling) link."""
        return os.path.lexists(self.path(name))

    def ask(self, argv: Sequence[str], env: Optional[Dict[str, str]] = None, seconds: float = ASK_SECONDS) -> Outcome:
        """Run a command that changes nothing, a dry run or not."""
        try:
            made = subprocess.run(
                list(argv),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(env),
                cwd="/",
                timeout=seconds,
            )
        except OSError as error:
            return Outcome(127, "", error.strerror or str(error))
        except subprocess.TimeoutExpired:
            return Outcome(124, "", "did not finish within {:.0f} s".format(seconds))
        return Outcome(made.returncode, _text(made.stdout), _text(made.stderr))

    def work(
        self,
        argv: Sequence[str],
        env: Optional[Dict[str, str]] = None,
        folder: Optional[str] = None,
        seconds: float = WORK_SECONDS,
    ) -> Outcome:
        """Run a command that changes something, and tell its lines as they come; a dry run only tells the command.

        Returns:
            The exit status, and the last lines.
        """
        if self.dry:
            self.log("    would run: {}".format(" ".join(argv)))
            return Outcome(0, "")
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(env),
                # Not where the caller stands, which may be anyone's directory: some programs read files from there.
                cwd=folder or "/",
            )
        except OSError as error:
            return Outcome(127, error.strerror or str(error))
        timer = threading.Timer(seconds, process.kill)
        timer.daemon = True
        timer.start()
        lines: Deque[str] = collections.deque(maxlen=_KEPT_LINES)
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                line = _text(raw).rstrip()
                self.log("    | {}".format(line))
                if line:
                    lines.append(line)
            return Outcome(process.wait(), "\n".join(lines))
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def must(self, argv: Sequence[str], remedy: str, **options: Any) -> None:
        """Run a command that changes something.

        Raises:
            InstallError: It fails; with the last line that it printed.
        """
        made = self.work(argv, **options)
        if made.status != 0:
            reason = made.output.splitlines()[-1] if made.output else "no output"
            raise InstallError("failed with status {} ({})".format(made.status, reason), " ".join(argv[:4]), remedy)

    def write(self, name: str, data: bytes, mode: int, owner: str = "root", group: str = "root") -> bool:
        """Make a file's content, mode and owner what they should be, at once or not at all.

        Returns:
            Whether the content was another one before, or none.

        Raises:
            InstallError: It cannot be written.
        """
        path = self.path(name)
        same = os.path.isfile(path) and not os.path.islink(path) and self.read_bytes(name) == data
        if self.dry:
            if not same:
                self.log("    would write {} ({:04o} {}:{})".format(name, mode, owner, group))
            return not same
        try:
            if same:
                os.chmod(path, mode)
                self.own(name, owner, group)
                return False
            handle, temporary = tempfile.mkstemp(prefix=".kface-", dir=os.path.dirname(path))
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.chmod(temporary, mode)
                self._chown(temporary, owner, group)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise InstallError("cannot be written ({})".format(error.strerror or error), name)
        return True

    def folder(self, name: str, mode: int, owner: str = "root", group: str = "root") -> None:
        """Make a directory, with its mode and owner; those above it are made with 0755.

        Raises:
            InstallError: It cannot be made.
        """
        path = self.path(name)
        if self.dry:
            if not os.path.isdir(path):
                self.log("    would make {}/ ({:04o} {}:{})".format(name, mode, owner, group))
            return
        try:
            if not os.path.isdir(path):
                above = os.path.dirname(path)
                if not os.path.isdir(above):
                    os.makedirs(above, 0o755)
                # Never open to others, not even for a moment.
                os.mkdir(path, mode & 0o700)
            self.own(name, owner, group)
            os.chmod(path, mode)
        except OSError as error:
            raise InstallError("cannot be made ({})".format(error.strerror or error), name)

    def link(self, name: str, target: str) -> None:
        """Point a symbolic link at a target, at once: there is never a moment without it.

        Raises:
            InstallError: It cannot be made, or something else than a link is there.
        """
        path = self.path(name)
        if os.path.islink(path) and os.readlink(path) == target:
            return
        if self.dry:
            self.log("    would point {} at {}".format(name, target))
            return
        if os.path.lexists(path) and not os.path.islink(path):
            raise InstallError("exists and is not a link", name, "move it elsewhere")
        temporary = "{}.kface-{}".format(path, os.getpid())
        try:
            os.symlink(target, temporary)
            os.replace(temporary, path)
        except OSError as error:
            raise InstallError("cannot be linked ({})".format(error.strerror or error), name)

    def remove(self, name: str) -> None:
        """Remove a file, link or whole directory, if it is there.

        Raises:
            InstallError: It cannot be removed.
        """
        path = self.path(name)
        if not os.path.lexists(path):
            return
        if self.dry:
            self.log("    would remove {}".format(name))
            return
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except OSError as error:
            raise InstallError("cannot be removed ({})".format(error.strerror or error), name)

    def own(self, name: str, owner: str, group: str) -> None:
        """Give a file to a user and a group of the board; without being root nothing happens.

        Raises:
            InstallError: The user or group does not exist.
        """
        self._chown(self.path(name), owner, group)

    def _chown(self, path: str, owner: str, group: str) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.id_of("passwd", owner), self.id_of("group", group), follow_symlinks=False)

    def id_of(self, table: str, name: str) -> int:
        """Return the number of a user (``passwd``) or group (``group``) of the board.

        Raises:
            InstallError: There is none.
        """
        found = self.entry(table, name)
        if found is None:
            raise InstallError("there is no {}".format("user" if table == "passwd" else "group"), name)
        return int(found[2])

    def entry(self, table: str, name: str) -> Optional[Tuple[str, ...]]:
        """Return the fields of a line of ``/etc/passwd`` or ``/etc/group``; None where there is none."""
        # The files, not the C library: they are those below the root.
        for line in (self.read("/etc/" + table) or "").splitlines():
            fields = tuple(line.split(":"))
            if fields[0] == name and len(fields) > 2:
                return fields
        return None


def _environment(extra: Optional[Dict[str, str]]) -> Dict[str, str]:
    made = {name: value for name, value in os.environ.items() if not _LOADS.match(name)}
    # Messages that are read must be English, whatever the board speaks.
    made.update(LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
    made.update(extra or {})
    return made


def _text(data: bytes) -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return data.decode("utf-8", "replace").encode(encoding, "replace").decode(encoding)
