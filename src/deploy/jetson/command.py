"""``kface COMMAND ...`` on a board: ``python3 -m deploy``, as the service's user and with its settings."""

import grp
import os
import pwd
import re
import shlex
import sys
from typing import Dict, List, Optional

from kface.errors import ConfigError, KFaceError

USER = "kface"
STATE, CACHE, SETTINGS = "/var/lib/kface", "/var/cache/kface", "/etc/kface"
ENVIRONMENT_FILE = SETTINGS + "/environment"
GALLERY = STATE + "/gallery.db"
HOME = "/opt/kface"
CURRENT, WHEELS = HOME + "/current", HOME + "/wheels"


def environment(release: str = CURRENT) -> Dict[str, str]:
    """Return what the unit sets, for a release's directory."""
    return {
        "PYTHONPATH": release + "/src:" + WHEELS,
        "KFACE_BUNDLE": release + "/bundle",
        "KFACE_GALLERY": GALLERY,
        "KFACE_ENGINES": CACHE + "/engines",
        "CUDA_CACHE_PATH": CACHE + "/cuda",
        "HOME": STATE,
        "XDG_CONFIG_HOME": os.path.dirname(SETTINGS),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def read_environment(text: str) -> Dict[str, str]:
    """Return the variables of a file as systemd's ``EnvironmentFile`` reads it.

    Args:
        text: Lines ``NAME=value``; a value may be quoted; lines that begin with # or ; are comments.

    Raises:
        ConfigError: A line is none of these; it is told by its number, because it may hold a password.
    """
    made = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", name):
            raise ConfigError("is no NAME=value", "{}, line {}".format(ENVIRONMENT_FILE, number), "mend the line")
        try:
            made[name] = " ".join(shlex.split(value))
        except ValueError:
            raise ConfigError(
                "has a quote that is not closed",
                "{}, line {}".format(ENVIRONMENT_FILE, number),
                "put the value in single quotes",
            )
    return made


def become(user: str) -> None:
    """Give up root's rights for a user's, for good.

    Raises:
        ConfigError: This is neither root nor that user, or there is no such user.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError("there is no such user", user, "install kface: sudo ./install.sh")
    if os.geteuid() == entry.pw_uid:
        return
    if os.geteuid() != 0:
        raise ConfigError("only root and {} may use the service's gallery".format(user), "kface", "sudo kface ...")
    os.setgroups([group.gr_gid for group in grp.getgrall() if user in group.gr_mem] + [entry.pw_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main(argv: Optional[List[str]] = None) -> int:
    """Become the service's user and run the command; returns only where that cannot be: 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        # Root reads the file first: the user that the command runs as need not.
        with open(ENVIRONMENT_FILE, encoding="utf-8") as stream:
            given = read_environment(stream.read())
        become(USER)
        if arguments[:1] == ["run"]:
            # Paths in the settings are meant from where the service runs; pictures to enrol, from where one stands.
            os.chdir(STATE)
        _replace(dict(os.environ, **dict(environment(), **given)), arguments)
    except PermissionError:
        print("kface: {}: may not be read; sudo kface ...".format(ENVIRONMENT_FILE), file=sys.stderr)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        print("kface: {}: cannot be used ({})".format(ENVIRONMENT_FILE, reason), file=sys.stderr)
    except KFaceError as error:
        print("kface: {}".format(error), file=sys.stderr)
    return 2


def _replace(env: Dict[str, str], arguments: List[str]) -> None:
    os.umask(0o077)
    os.execve(sys.executable, [sys.executable, "-s", "-m", "deploy"] + arguments, env)


if __name__ == "__main__":
    sys.exit(main())
