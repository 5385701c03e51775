"""Releases side by side in ``/opt/kface``, with a link to the one that runs and one to the one before."""

import contextlib
import os
import re
import shutil
import stat
from typing import Dict, Iterator, List, Optional

from deploy.jetson.command import CURRENT, HOME
from deploy.jetson.system import InstallError, System
from kface.files import read_regular, sha256_file
from kface.locks import lock

PREVIOUS = HOME + "/previous"
SUMS = "SHA256SUMS"
NAME = re.compile(r"[0-9][0-9A-Za-z.+]*-[0-9a-f]{12}\Z")
#: Bytes of the largest list of hashes.
_LARGEST_SUMS = 1 << 22
_AGAIN = "copy the archive again"


def read_sums(folder: str) -> Dict[str, str]:
    """Return the hashes of an unpacked archive by name, after having compared every file with them.

    Raises:
        InstallError: A file (named) is missing, changed, or not listed.
    """
    path = os.path.join(folder, SUMS)
    try:
        # Not splitlines(): names may hold what it takes for the end of a line.
        lines = read_regular(path, _LARGEST_SUMS).decode("utf-8").split("\n")
        rows = [line.partition("  ") for line in (lines if lines[-1] else lines[:-1])]
    except (OSError, UnicodeDecodeError) as error:
        raise InstallError("cannot be read ({})".format(getattr(error, "strerror", None) or error), path, _AGAIN)
    sums = {name: digest for digest, _, name in rows}
    for name, digest in sums.items():
        parts = name.split("/")
        if not name or ".." in parts or "" in parts or not re.match(r"[0-9a-f]{64}\Z", digest):
            raise InstallError("has an invalid line", path, _AGAIN)
        _compare(os.path.join(folder, name), digest)
    for place, folders, names in os.walk(folder):
        # What Python writes while the installer runs is not part of the archive.
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            inside = os.path.relpath(os.path.join(place, name), folder)
            if inside not in sums and inside != SUMS:
                raise InstallError("is not part of the archive", os.path.join(place, name), "unpack the archive again")
    return sums


def _compare(path: str, digest: str) -> None:
    if os.path.islink(path) or not os.path.isfile(path):
        raise InstallError("is missing", path, _AGAIN)
    try:
        found = sha256_file(path)
    except OSError as error:
        raise InstallError("cannot be read ({})".format(error.strerror or error), path, _AGAIN)
    if found != digest:
        raise InstallError("was changed: its SHA-256 does not match {}".format(SUMS), path, _AGAIN)


def release_name(folder: str) -> str:
    """Return an archive's release: the version, and the first twelve digits of the hash of all its hashes.

    Raises:
        InstallError: The version cannot be read.
    """
    source = os.path.join(folder, "src", "kface", "__init__.py")
    try:
        with open(source, encoding="utf-8") as stream:
            found = re.search(r'^__version__ = "([0-9][0-9A-Za-z.+]*)"$', stream.read(), re.MULTILINE)
        digest = sha256_file(os.path.join(folder, SUMS))
    except OSError as error:
        raise InstallError("cannot be read ({})".format(error.strerror or error), folder, _AGAIN)
    if not found:
        raise InstallError("has no version", source, _AGAIN)
    return "{}-{}".format(found.group(1), digest[:12])


class Releases(object):
    """The releases of a board.

    Args:
        system: The board.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    @property
    def current(self) -> Optional[str]:
        """The release that runs; None where there is none."""
        return self._linked(CURRENT)

    @property
    def previous(self) -> Optional[str]:
        """The release that ran before; None where there is none."""
        return self._linked(PREVIOUS)

    def all(self) -> List[str]:
        """Return the releases that are there, sorted."""
        names = [os.path.basename(name) for name in self._system.glob(HOME + "/*")]
        return [name for name in names if NAME.match(name)]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second installer out.

        Raises:
            InstallError: One is at work.
        """
        if self._system.dry:
            yield
            return
        home = self._system.path(HOME)
        if os.path.lexists(home) and not _ours(home):
            # What another user has prepared in it would run as root, or as the service.
            raise InstallError("belongs to another user, or is writable by others", HOME, "move it elsewhere")
        self._system.folder(HOME, 0o755)
        handle = os.open(home + "/.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if not lock(handle, wait=False):
                raise InstallError("another installer is running", HOME, "wait until it has finished")
            yield
        finally:
            os.close(handle)

    def put(self, folder: str, name: str, sums: Dict[str, str]) -> bool:
        """Copy an archive's files to their place; a copy that was cut short is never taken for a release.

        Args:
            folder: The unpacked archive.
            name: Of the release.
            sums: What :func:`read_sums` returned.

        Returns:
            Whether it was copied: a release that is there and whole stays.

        Raises:
            InstallError: The disk is full, and so on.
        """
        place = "{}/{}".format(HOME, name)
        if self._whole(place, sums):
            return False
        if self._system.dry:
            self._system.log("    would copy {} files to {}".format(len(sums), place))
            return True
        part = "{}/.part-{}".format(HOME, name)
        self._system.remove(part)
        try:
            self._copy(folder, self._system.path(part), sums)
            if sha256_file(self._system.path(part + "/" + SUMS))[:12] != name[-12:]:
                raise InstallError("was changed during the installation", os.path.join(folder, SUMS), _AGAIN)
            os.chmod(self._system.path(part), 0o755)
            if self._system.has(place):
                # What is damaged makes room in two renames: the service that runs from it keeps its open files.
                old = "{}/.old-{}".format(HOME, name)
                self._system.remove(old)
                os.rename(self._system.path(place), self._system.path(old))
            os.rename(self._system.path(part), self._system.path(place))
        except InstallError:
            self._system.remove(part)
            raise
        except OSError as error:
            self._system.remove(part)
            raise InstallError("cannot be copied ({})".format(error.strerror or error), place, "free some disk space")
        return True

    def _copy(self, folder: str, target: str, sums: Dict[str, str]) -> None:
        # No one else may read it before every file has been compared.
        os.mkdir(target, 0o700)
        for name, digest in list(sums.items()) + [(SUMS, "")]:
            to = os.path.join(target, name)
            above = target
            # Not makedirs, whose modes the umask decides: the service is another user, and has to read them.
            for part in name.split("/")[:-1]:
                above = os.path.join(above, part)
                if not os.path.isdir(above):
                    os.mkdir(above)
                    os.chmod(above, 0o755)
            shutil.copyfile(os.path.join(folder, name), to)
            os.chmod(to, 0o755 if os.access(os.path.join(folder, name), os.X_OK) else 0o644)
            if digest:
                _compare(to, digest)

    def _whole(self, place: str, sums: Dict[str, str]) -> bool:
        path = self._system.path(place)
        try:
            # Its own bytecode counts as well: Python takes it in place of the sources.
            return read_sums(path) == sums and all(
                _ours(os.path.join(above, name))
                for above, folders, names in os.walk(path)
                for name in [""] + folders + names
            )
        except InstallError:
            return False

    def switch(self, name: str) -> None:
        """Make a release the one that runs, and remember the one before.

        Raises:
            InstallError: It cannot be linked.
        """
        before = self.current
        if before is not None and before != name:
            self._system.link(PREVIOUS, before)
        self._system.link(CURRENT, name)

    def prune(self) -> List[str]:
        """Remove all releases but the one that runs and the one before; return their names."""
        kept = (self.current, self.previous)
        old = [name for name in self.all() if name not in kept]
        for name in old + [os.path.basename(name) for name in self._system.glob(HOME + "/.old-*")]:
            self._system.remove("{}/{}".format(HOME, name))
        return old

    def _linked(self, link: str) -> Optional[str]:
        path = self._system.path(link)
        if not os.path.islink(path):
            return None
        name = os.readlink(path)
        there = NAME.match(name) and os.path.isdir(self._system.path("{}/{}".format(HOME, name)))
        return name if there else None


def _ours(path: str) -> bool:
    """Return whether a file or directory is this user's, and no other can change it."""
    found = os.lstat(path)
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and not found.st_mode & 0o022


def sums_text(sums: Dict[str, str]) -> str:
    """Return hashes by name as ``sha256sum --check`` reads them."""
    return "".join("{}  {}\n".format(sums[name], name) for name in sorted(sums))
