"""``kface COMMAND ...`` on a board: ``python3 -m kface``, as the service's user and with its settings."""

import grp
import os
import pwd
import re
import shlex
import sys
from typing import Dict, List, Optional

from deploy import launch
from kface.errors import ConfigError, KFaceError
from kface.files import read_regular

USER = "kface"
STATE, CACHE, SETTINGS = "/var/lib/kface", "/var/cache/kface", "/etc/kface"
ENVIRONMENT_FILE = SETTINGS + "/environment"
SETTINGS_FILE = SETTINGS + "/deploy.yaml"
GALLERY = STATE + "/gallery.db"
HOME = "/opt/kface"
CURRENT, WHEELS = HOME + "/current", HOME + "/wheels"
#: Where commands are looked for, whatever the caller's shell says.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Points at the interpreter, where it is not the system's.
INTERPRETER = HOME + "/python"
#: Variables that a command takes over from the caller's shell; the rest are the service's own.
KEPT = re.compile(
    r"(TERM|COLORTERM|COLUMNS|LINES|TZ|NO_COLOR|DISPLAY|XAUTHORITY|GST_DEBUG\w*|CUDA_VISIBLE_DEVICES|KFACE_\w+)\Z"
)
#: What only asks needs neither rights nor the service's settings: manual pages, and completion at every TAB.
ASKS = ("-h", "--help", "help", "--version", "version", "completion", "__complete")
#: Bytes of the largest file of variables.
_LARGEST = 1 << 16


def environment(release: str = CURRENT) -> Dict[str, str]:
    """Return what the unit sets, for a release's directory."""
    return {
        "KFACE_BUNDLE": release + "/bundle",
        "KFACE_GALLERY": GALLERY,
        "KFACE_ENGINES": CACHE + "/engines",
        "CUDA_CACHE_PATH": CACHE + "/cuda",
        "HOME": STATE,
        "XDG_CONFIG_HOME": os.path.dirname(SETTINGS),
        "LANG": "C.UTF-8",
    }


def read_environment(text: str) -> Dict[str, str]:
    """Return the variables of a file as systemd's ``EnvironmentFile`` reads it.

    Args:
        text: Lines ``NAME=value``; a value may be quoted; lines that begin with # or ; are comments.

    Raises:
        ConfigError: A line is none of these; it is named by its number, because it may hold a password.
    """
    made = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", name):
            raise ConfigError("is not NAME=value", "{}, line {}".format(ENVIRONMENT_FILE, number), "correct the line")
        try:
            made[name] = " ".join(shlex.split(value))
        except ValueError:
            raise ConfigError(
                "has an unclosed quote",
                "{}, line {}".format(ENVIRONMENT_FILE, number),
                "put the value in single quotes",
            )
    return made


def become(user: str) -> None:
    """Give up root's rights for a user's, for good.

    Raises:
        ConfigError: The user is neither root nor that user, or does not exist.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError("no such user", user, "install kface: sudo ./install.sh")
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
    kept = {name: value for name, value in os.environ.items() if KEPT.match(name)}
    # The service's file is what a command takes its settings from, unless another one is named.
    kept = dict({"KFACE_CONFIG": SETTINGS_FILE}, **kept)
    try:
        if os.geteuid() != 0 and asks(arguments):
            _replace(dict(kept, PATH=PATH, **environment()), arguments)
        # Root does nothing but read the file, which the user need not be able to.
        data = read_regular(ENVIRONMENT_FILE, _LARGEST)
        become(USER)
        given = read_environment(data.decode("utf-8"))
        if arguments[:1] in (["deploy"], ["run"]):
            # Paths in the settings are meant from where the service runs; pictures to enrol, from where one stands.
            os.chdir(STATE)
        _replace(dict(dict(kept, PATH=PATH, **environment()), **given), arguments)
    except PermissionError:
        print("kface: {}: permission denied; run sudo kface ...".format(ENVIRONMENT_FILE), file=sys.stderr)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        print("kface: {}: cannot be used ({})".format(ENVIRONMENT_FILE, reason), file=sys.stderr)
    except KFaceError as error:
        print("kface: {}".format(error), file=sys.stderr)
    return 2


def asks(arguments: List[str]) -> bool:
    """Return whether arguments ask for a manual page or the like, and do nothing."""
    return not arguments or arguments[0] in ASKS or bool({"-h", "--help"} & set(arguments[1:]))


def _replace(env: Dict[str, str], arguments: List[str]) -> None:
    os.umask(0o077)
    python = os.readlink(INTERPRETER) if os.path.islink(INTERPRETER) else sys.executable
    argv = launch.command(python, CURRENT + "/src", WHEELS, "kface", arguments)
    os.execve(argv[0], argv, env)


if __name__ == "__main__":
    sys.exit(main())
