"""Sending to a board, with scripts in place of ssh and scp that work on this machine's directories."""

import os
import sys

import pytest

from deploy.jetson import remote
from deploy.jetson.remote import Host, RemoteError, install
from kface.errors import ConfigError

SSH = r"""#!/bin/sh
# Runs the remote command here; writes down all arguments, one a line.
B=@BOARD@
{ echo "[ssh]"; for one; do echo "$one"; done; } >> "$B/log"
for last; do :; done
case " $* " in *" -O exit "*) exit 0;; esac
[ -f "$B/ssh-fails" ] && { echo "Warning: something" >&2; cat "$B/ssh-fails" >&2; exit 255; }
case "$last" in "mktemp -d") [ -f "$B/mktemp" ] && { cat "$B/mktemp"; exit 0; };; esac
TMPDIR="$B/tmp" exec sh -c "$last"
"""
SCP = r"""#!/bin/sh
B=@BOARD@
{ echo "[scp]"; for one; do echo "$one"; done; } >> "$B/log"
[ -f "$B/scp-fails" ] && { cat "$B/scp-fails" >&2; exit 1; }
while [ "$1" != -- ]; do shift; done
cp -- "$2" "${3#*:}"
"""
INSTALL = r"""#!/bin/sh
pwd > @BOARD@/where
echo "$0 $*" > @BOARD@/installed
exit @STATUS@
"""


class Fake:
    def __init__(self, folder, monkeypatch):
        self.folder = folder
        (folder / "tmp").mkdir(parents=True)
        (folder / "bin").mkdir()
        for name, text in (("ssh", SSH), ("scp", SCP), ("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')):
            (folder / "bin" / name).write_text(text.replace("@BOARD@", str(folder)))
            (folder / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", "{}{}{}".format(folder / "bin", os.pathsep, os.environ["PATH"]))

    def archive(self, status=0):
        import tarfile

        top = self.folder / "kface-1-0"
        top.mkdir(exist_ok=True)
        text = INSTALL.replace("@BOARD@", str(self.folder)).replace("@STATUS@", str(status))
        (top / "install.sh").write_text(text)
        (top / "install.sh").chmod(0o755)
        path = self.folder / "it's an $(archive).tar.gz"
        with tarfile.open(str(path), "w:gz") as made:
            made.add(str(top), "kface-1-0")
        return str(path)

    def calls(self, program):
        text = (self.folder / "log").read_text()
        parts = [part.splitlines() for part in text.split("[")[1:]]
        return [part[1:] for part in parts if part[0] == program + "]"]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    # The log's own marks must not come from a path.
    made = Fake(tmp_path / "board", monkeypatch)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    return made


@pytest.mark.parametrize(
    ("text", "host", "brackets"),
    [
        ("nano", "nano", "nano"),
        ("kim@10.0.0.7", "kim@10.0.0.7", "kim@10.0.0.7"),
        ("kim-2@nano.local", "kim-2@nano.local", "kim-2@nano.local"),
        ("kim@[fe80::1%eth0]", "kim@fe80::1%eth0", "kim@[fe80::1%eth0]"),
        ("[::1]", "::1", "[::1]"),
    ],
)
def test_addresses(text, host, brackets):
    made = Host.parse(text)
    assert (made.target(), made.target(brackets=True)) == (host, brackets)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=x",
        "kim@-oX",
        "-l@nano",
        "a b",
        "a;b",
        "$(x)",
        "kim@nano:22",
        "a@b@c",
        "nano\n-o",
        "`x`",
        "@nano",
        "kim@",
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(ConfigError, match="is not a board's address; use user@board"):
        Host.parse(text)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port(port):
    with pytest.raises(ConfigError, match="--port: must be from 1 to 65535"):
        Host.parse("nano", port)


def test_it_is_sent_unpacked_installed_and_removed(fake):
    assert install(fake.archive(), "kface-1-0", Host.parse("kim@nano", 2222), ["--yes"]) == 0
    assert (fake.folder / "installed").read_text() == "./kface-1-0/install.sh --yes\n"
    assert (fake.folder / "where").read_text().startswith(str(fake.folder / "tmp"))
    assert list((fake.folder / "tmp").iterdir()) == []
    for call in fake.calls("ssh"):
        assert call[call.index("--") + 1] == "kim@nano"
        assert "BatchMode=yes" in call  # Nobody is there who could type a password.
        assert "-t" not in call
        assert call[call.index("-p") + 1] == "2222"
    (call,) = fake.calls("scp")
    assert call[call.index("-P") + 1] == "2222"
    assert "sudo -n ./kface-1-0/install.sh" in fake.calls("ssh")[1][-1]


def test_with_a_terminal_passwords_can_be_typed(fake, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(remote.subprocess, "call", lambda argv, **_: calls.append(argv) or 0)
    calls = []
    assert install(fake.archive(), "kface-1-0", Host.parse("nano")) == 0
    shown = calls[0]
    assert "-t" in shown
    assert "BatchMode=yes" not in shown
    assert "sudo ./kface-1-0/install.sh" in shown[-1]


def test_a_dry_run_needs_no_rights(fake):
    assert install(fake.archive(), "kface-1-0", Host.parse("nano"), ["--dry-run", "--yes"]) == 0
    assert "sudo" not in fake.calls("ssh")[1][-1]


def test_the_installers_status_is_the_status(fake):
    assert install(fake.archive(2), "kface-1-0", Host.parse("nano")) == 2
    assert list((fake.folder / "tmp").iterdir()) == []


def test_names_are_never_a_shells_business(fake):
    odd = "kface-1-0; touch {}/owned".format(fake.folder)
    install(fake.archive(), odd, Host.parse("nano"), ["$(touch {}/owned)".format(fake.folder)])
    assert not (fake.folder / "owned").exists()


def test_a_board_that_is_not_there(fake):
    (fake.folder / "ssh-fails").write_text("ssh: connect to host nano port 22: No route to host\n")
    with pytest.raises(RemoteError) as caught:
        install(fake.archive(), "kface-1-0", Host.parse("kim@nano"))
    assert str(caught.value) == (
        "kim@nano: ssh failed (ssh: connect to host nano port 22: No route to host); try by hand: ssh kim@nano"
    )
    assert not fake.calls("scp")


def test_a_board_without_room(fake):
    (fake.folder / "scp-fails").write_text("scp: write: No space left on device\n")
    with pytest.raises(RemoteError, match="scp failed \\(scp: write: No space left on device\\)"):
        install(fake.archive(), "kface-1-0", Host.parse("nano"))
    assert list((fake.folder / "tmp").iterdir()) == []


def test_login_scripts_that_print(fake):
    (fake.folder / "mktemp").write_text("Welcome to $(rm -rf /)\n/tmp/x\n")
    with pytest.raises(RemoteError, match="its login scripts must not print anything"):
        install(fake.archive(), "kface-1-0", Host.parse("nano"))
    assert not fake.calls("scp")


def test_a_connection_that_is_lost(fake):
    with pytest.raises(RemoteError, match="the connection was lost; run it again"):
        install(fake.archive(255), "kface-1-0", Host.parse("nano"))


def test_without_ssh(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RemoteError, match="install OpenSSH's client"):
        install("x", "kface-1-0", Host.parse("nano"))
