"""What belongs to the service: its user, directories, settings, credentials, key, unit, and starting it."""

import base64
import os
import re
import secrets
import time
from typing import List, Optional

from deploy.jetson.board import Board
from deploy.jetson.checks import PYTHON, probe, python
from deploy.jetson.command import (
    CACHE,
    CURRENT,
    ENVIRONMENT_FILE,
    GALLERY,
    HOME,
    INTERPRETER,
    SETTINGS,
    STATE,
    USER,
    read_environment,
)
from deploy.jetson.system import InstallError, System

NAME = "kface.service"
UNIT = "/etc/systemd/system/" + NAME
DEVICES = UNIT + ".d/devices.conf"
COMMAND = "/usr/local/bin/kface"
CONFIGURATION = SETTINGS + "/deploy.yaml"
KEY = SETTINGS + "/gallery.key"
#: What was installed there last: whether the user changed the file shows in comparison.
SHIPPED = HOME + "/deploy.yaml.shipped"
#: Seconds that a service has to live after it has reported that it is ready.
SETTLED = 5.0


def make_user(system: System) -> None:
    """Make the service's user, and let it use cameras and the GPU.

    Raises:
        InstallError: It cannot be made.
    """
    if system.entry("passwd", USER) is None:
        argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", STATE]
        system.must(argv + ["--shell", "/usr/sbin/nologin", USER], "create the user by hand, and run it again")
    for group in ("video", "render"):
        entry = system.entry("group", group)
        if entry is not None and USER not in entry[-1].split(","):
            system.must(["usermod", "-a", "-G", group, USER], "add the user to the group by hand, and run it again")


def make_folders(system: System) -> None:
    """Make the directories for the gallery, the engines and the settings.

    Raises:
        InstallError: One cannot be made.
    """
    system.folder(STATE, 0o700, USER, USER)
    system.folder(CACHE, 0o700, USER, USER)
    system.folder(SETTINGS, 0o750, "root", USER)


def put_settings(system: System, text: bytes) -> str:
    """Install ``deploy.yaml``, unless the user changed it; the new one then lies beside it.

    Returns:
        What was done.

    Raises:
        InstallError: It cannot be written.
    """
    found, shipped = system.read_bytes(CONFIGURATION), system.read_bytes(SHIPPED)
    if found is None or found in (shipped, text):
        system.write(CONFIGURATION, text, 0o640, "root", USER)
        system.remove(CONFIGURATION + ".new")
        outcome = "is the archive's"
    elif shipped == text:
        outcome = "has your changes and is kept; the archive's is unchanged"
    else:
        system.write(CONFIGURATION + ".new", text, 0o640, "root", USER)
        outcome = "has your changes and is kept; the archive's new one is deploy.yaml.new beside it"
    system.write(SHIPPED, text, 0o600)
    return outcome


def put_environment(system: System, template: str, board: Board) -> None:
    """Write the file of credentials where there is none, with a new token for the web page; one that is there stays.

    Raises:
        InstallError: It cannot be written.
    """
    found = system.read_bytes(ENVIRONMENT_FILE)
    if found is None:
        text = template.replace("@TOKEN@", secrets.token_urlsafe(24))
        if board.major == "4":
            text += (
                "\n# OpenBLAS mistakes the Nano's processor for one with more instructions:\nOPENBLAS_CORETYPE=ARMV8\n"
            )
        found = text.encode("utf-8")
    # Its mode is put right in any case: it holds passwords.
    system.write(ENVIRONMENT_FILE, found, 0o640, "root", USER)


def put_key(system: System) -> str:
    """Make the gallery's key, where there is neither a key nor a gallery.

    Returns:
        What was done.

    Raises:
        InstallError: There is a gallery, but no key.
    """
    given = system.read(ENVIRONMENT_FILE) or ""
    if read_environment(given).get("KFACE_GALLERY_KEY"):
        return "is in {}".format(ENVIRONMENT_FILE)
    found = system.read_bytes(KEY)
    if found is not None:
        system.write(KEY, found, 0o600, USER, USER)
        return "is {}".format(KEY)
    if system.has(GALLERY):
        raise InstallError(
            "is missing, and the gallery {} cannot be read without it".format(GALLERY),
            KEY,
            "restore the key, or move the gallery elsewhere",
        )
    system.write(KEY, base64.b64encode(os.urandom(32)) + b"\n", 0o600, USER, USER)
    return "is new: {}; keep a copy of it elsewhere".format(KEY)


def put_unit(system: System, release: str, board: Board) -> None:
    """Install a release's unit, the devices that it may use on this board, and the command.

    Args:
        system: The board.
        release: Directory of the release.
        board: What it is.

    Raises:
        InstallError: Something cannot be written.
    """
    unit = system.read_bytes(release + "/" + NAME)
    if unit is None:
        # A dry run has copied nothing yet.
        if not system.dry:
            raise InstallError("is missing", release + "/" + NAME, "install the archive again")
        unit = b""
    if python() != PYTHON:
        unit = unit.replace(b"=" + PYTHON.encode() + b" ", b"=" + python().encode() + b" ")
    system.folder(os.path.dirname(UNIT), 0o755)
    system.write(UNIT, unit, 0o644)
    system.folder(os.path.dirname(DEVICES), 0o755)
    system.write(DEVICES, devices(board).encode("utf-8"), 0o644)
    system.folder(os.path.dirname(COMMAND), 0o755)
    system.link(COMMAND, CURRENT + "/kface")
    if python() == PYTHON:
        system.remove(INTERPRETER)
    else:
        system.link(INTERPRETER, python())


def devices(board: Board) -> str:
    """Return the drop-in of the unit that allows a board's devices alone; all, where no device of its GPU is seen."""
    lines = [
        "# Written by the installer from the devices found; add others with: sudo systemctl edit kface",
        "[Service]",
    ]
    if board.is_jetson and not any(node.startswith("/dev/nv") for node in board.nodes):
        return "\n".join(lines + ["# No GPU device found: nothing is restricted.", "DevicePolicy=auto", ""])
    lines += [
        "DevicePolicy=closed",
        "# Cameras, including those plugged in later.",
        "DeviceAllow=char-video4linux rw",
    ]
    # systemd takes no patterns in paths, so each is named.
    lines += ["DeviceAllow={} rw".format(node) for node in board.nodes if not node.startswith("/dev/video")]
    return "\n".join(lines + [""])


def booted(system: System) -> bool:
    """Return whether systemd runs this machine; in a chroot or a container it does not."""
    return os.path.isdir(system.path("/run/systemd/system"))


def running(system: System) -> bool:
    """Return whether the service runs."""
    return booted(system) and system.ask(["systemctl", "is-active", "--quiet", NAME]).status == 0


def stop(system: System) -> None:
    """Stop the service; raises InstallError."""
    system.must(["systemctl", "stop", NAME], "see journalctl -u kface")


def start(system: System, settled: Optional[float] = None) -> None:
    """Restart the service, now and at every boot, and wait until it has lived for some seconds.

    Args:
        system: The board.
        settled: How long; :data:`SETTLED` where None.

    Raises:
        InstallError: It does not start or does not live; with the last line of its journal.
    """
    remedy = "see journalctl -u kface"
    system.must(["systemctl", "daemon-reload"], remedy)
    system.must(["systemctl", "enable", NAME], remedy)
    system.must(["systemctl", "restart", NAME], remedy)
    if system.dry:
        return
    end = time.monotonic() + (SETTLED if settled is None else settled)
    while True:
        if not running(system):
            answer = system.ask(["journalctl", "-u", NAME, "-n", "4", "-o", "cat", "--no-pager"]).output.strip()
            reason = _reason(answer.splitlines())
            raise InstallError("exited after the start ({})".format(reason), NAME, remedy)
        if time.monotonic() >= end:
            return
        time.sleep(min(0.5, max(end - time.monotonic(), 0.0)))


def _reason(lines: List[str]) -> str:
    # The service's own line says more than systemd's about it.
    own = [line for line in lines if line.startswith("deploy")]
    return (own or lines or ["its journal is empty"])[-1]


def tell_page(system: System, source: str, file: str) -> None:
    """Say where the web page is, how to see it from another machine, and what is watched.

    Args:
        system: The board.
        source: Directory of ``kface`` and ``deploy``, on this machine.
        file: The settings, on this machine.
    """
    answer = probe(system, source, "settings", file)
    if "error" in answer:
        system.log("    cannot read {}: {}".format(CONFIGURATION, answer["error"]))
        return
    system.log("    source: {}; settings: {}".format(answer["source"], CONFIGURATION))
    if not answer["web"]:
        system.log("    the web page is off (web.enabled: false)")
        return
    host, port = str(answer["host"]), int(answer["port"])
    name = re.sub(r"[^\w.-]", "", system.read("/etc/hostname") or "") or "the-board"
    local = host in ("127.0.0.1", "localhost", "::1")
    system.log("    page:     http://{}:{}/?token=TOKEN".format("127.0.0.1" if local else name, port))
    system.log("    token:    sudo sed -n 's/^KFACE_WEB_TOKEN=//p' {}".format(ENVIRONMENT_FILE))
    if local:
        system.log(
            "    from a PC: ssh -L {0}:127.0.0.1:{0} YOU@{1}, then open the page's address there".format(port, name)
        )


def take_away(system: System, purge: bool) -> None:
    """Remove the service, and with ``purge`` what it knew.

    Raises:
        InstallError: Something cannot be removed.
    """
    if booted(system) and system.has(UNIT):
        system.must(["systemctl", "disable", "--now", NAME], "sudo systemctl stop kface, and run it again")
    for name in (UNIT, os.path.dirname(DEVICES), COMMAND, CACHE, HOME):
        system.remove(name)
    if booted(system):
        system.must(["systemctl", "daemon-reload"], "sudo systemctl daemon-reload")
    if purge:
        for name in (STATE, SETTINGS):
            system.remove(name)
        if system.entry("passwd", USER) is not None:
            system.must(["userdel", USER], "sudo userdel " + USER)
