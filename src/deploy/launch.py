"""Runs a module by this file's path: ``python3 -I -B .../deploy/launch.py [--guard] [--wheels DIR] MODULE ARGUMENT...``.

``python3 -m`` looks for every module, the standard library's included, in the current directory first. That may be anyone's, so
what is started with root's or the service's rights is started by path and with ``-I``, which ignores that directory, the user's
site-packages and every ``PYTHON...`` variable (Python 3.4 or newer). This file imports the standard library alone.
"""

import sys

if __name__ == "__main__" and not sys.flags.isolated:
    # Without -I, the directory of a script comes first: its modules must not be taken for the standard library's.
    del sys.path[0]

import os
import runpy
import stat
from typing import Iterator, List, Optional, Set, Tuple

#: The directory of ``deploy`` and ``kface``.
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_REMEDY = "unpack the archive where only you can write, such as your home directory"


def command(python: str, source: str, wheels: str, module: str, arguments: List[str]) -> List[str]:
    """Return the words that run a module of a release, whatever the current directory and the environment are.

    Args:
        python: The interpreter.
        source: Directory of ``deploy`` and ``kface``.
        wheels: Directory of further packages; need not exist.
        module: What is run, such as "deploy".
        arguments: For it.
    """
    # -u: a service's lines are to reach the journal as they are written.
    return [
        python,
        "-I",
        "-B",
        "-u",
        os.path.join(source, "deploy", "launch.py"),
        "--wheels",
        wheels,
        module,
    ] + arguments


def weakness(folder: str) -> Optional[str]:
    """Return why others than root and the user of sudo can change what is in a directory; None where they cannot.

    Looks at the directory, everything in it, and all directories above it.
    """
    users, groups = _trusted()
    folder = os.path.realpath(folder)
    above = folder
    while above != os.path.dirname(above):
        above = os.path.dirname(above)
        # In a sticky directory such as /tmp, users can only move their own files; the next step checks the owner.
        reason = _weak(above, os.lstat(above), users, groups, sticky=True)
        if reason:
            return reason
    for path in _everything(folder):
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return "{} is a link".format(path)
        reason = _weak(path, found, users, groups)
        if reason:
            return reason
    return None


def _everything(folder: str) -> Iterator[str]:
    yield folder
    for place, folders, names in os.walk(folder):
        for name in folders + names:
            yield os.path.join(place, name)


def _trusted() -> Tuple[Set[int], Set[int]]:
    """Return the users, and the groups without other members, that may write what this process runs."""
    users, groups = {os.geteuid()}, {0}
    user_id = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else str(os.geteuid())
    if user_id.isdigit() and len(user_id) < 10:
        users.add(int(user_id))
        groups |= _private_groups(int(user_id))
    return users, groups


def _private_groups(user: int) -> Set[int]:
    """Return the group that Ubuntu makes for each user, where it has no other member."""
    import grp
    import pwd

    try:
        entry = pwd.getpwuid(user)
        group = grp.getgrgid(entry.pw_gid)
    except KeyError:
        return set()
    alone = group.gr_name == entry.pw_name and set(group.gr_mem) <= {entry.pw_name}
    return {entry.pw_gid} if alone else set()


def _weak(path: str, found: os.stat_result, users: Set[int], groups: Set[int], sticky: bool = False) -> Optional[str]:
    if found.st_uid not in users and found.st_uid != 0:
        return "{} belongs to another user (number {})".format(path, found.st_uid)
    mode = found.st_mode
    if sticky and mode & stat.S_ISVTX:
        return None
    if mode & stat.S_IWOTH:
        return "{} is writable by everyone".format(path)
    # With an access control list, the group's rights are the most that any user or group in the list may have.
    if mode & stat.S_IWGRP and (found.st_gid not in groups or _has_list(path)):
        return "{} is writable by its group (number {})".format(path, found.st_gid)
    return None


def _has_list(path: str) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except OSError:
        return False


def main(argv: List[str]) -> int:
    """Run the module that the arguments name."""
    arguments = list(argv)
    places = [SOURCE]
    if arguments[:1] == ["--guard"]:
        del arguments[0]
        reason = weakness(os.path.dirname(SOURCE)) if os.geteuid() == 0 else None
        if reason:
            print("install: {}; {}".format(ascii(reason)[1:-1], _REMEDY), file=sys.stderr)
            return 2
        # Whatever is made from here on, only root may change it, and others may read it.
        os.umask(0o022)
    if arguments[:1] == ["--wheels"]:
        places += arguments[1:2]
        del arguments[:2]
    if not arguments:
        print("usage: launch.py [--guard] [--wheels DIR] MODULE ARGUMENT...", file=sys.stderr)
        return 2
    sys.path[0:0] = places
    sys.argv[:] = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
