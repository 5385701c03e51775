"""The service's files: settings that stay, a key that is never replaced, a unit that agrees with the commands."""

import configparser
import os
import stat

import pytest
from jetson_fakes import FILES

from deploy.jetson import service
from deploy.jetson.board import read_board
from deploy.jetson.command import environment, main, read_environment
from deploy.jetson.system import InstallError, System
from kface.errors import ConfigError
from kface.gallery.keys import decode_key, find_key


def unit():
    made = {}
    for line in (FILES / "kface.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            made.setdefault(name, []).append(value)
    return made


def test_the_unit_sets_what_the_commands_set():
    found = dict(line.split("=", 1) for line in unit()["Environment"])
    assert found.pop("TMPDIR") == "/run/kface"  # Only the service has that directory.
    assert found == environment()


def test_the_unit_is_hardened_and_leaves_the_board_usable():
    found = unit()
    for name in ("NoNewPrivileges", "ProtectHome", "ProtectKernelTunables", "RestrictNamespaces"):
        assert found[name] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["PrivateTmp"] == ["no"]  # The ribbon camera's socket is in /tmp.
    assert "PrivateDevices" not in found
    assert "MemoryDenyWriteExecute" not in found
    assert (found["Type"], found["NotifyAccess"]) == (["notify"], ["main"])
    assert found["RestartPreventExitStatus"] == ["2 3"]
    # What CUDA and cameras call changes with each release: a list of what is refused, and nothing that they need in it.
    (filtered,) = found["SystemCallFilter"]
    assert filtered.startswith("~@mount ")
    assert not {"@ipc", "@memlock", "@resources", "@file-system", "@io-event", "@process"} & set(filtered[1:].split())
    assert found["EnvironmentFile"] == ["-/etc/kface/environment"]
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(str(FILES / "kface.service"))
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_the_gallery_looks_for_its_key_where_the_installer_puts_it(monkeypatch):
    from kface.gallery.keys import default_key_file

    monkeypatch.setenv("XDG_CONFIG_HOME", environment()["XDG_CONFIG_HOME"])
    assert str(default_key_file()) == service.KEY


@pytest.fixture
def ready(board, system):
    opened = system(board)
    service.make_user(opened)
    service.make_folders(opened)
    opened.folder("/opt/kface", 0o755)
    return opened


def test_settings_follow_until_the_user_changes_them(ready, board):
    assert service.put_settings(ready, b"source: a\n") == "is the archive's"
    assert service.put_settings(ready, b"source: b\n") == "is the archive's"
    assert board.read("/etc/kface/deploy.yaml") == "source: b\n"
    board.put("/etc/kface/deploy.yaml", "source: mine\n")
    assert "the archive's is unchanged" in service.put_settings(ready, b"source: b\n")
    assert not board.at("/etc/kface/deploy.yaml.new").exists()
    assert "deploy.yaml.new" in service.put_settings(ready, b"source: c\n")
    assert board.read("/etc/kface/deploy.yaml") == "source: mine\n"
    assert board.read("/etc/kface/deploy.yaml.new") == "source: c\n"
    # Where the user takes the new one, the files follow again.
    board.put("/etc/kface/deploy.yaml", "source: c\n")
    assert service.put_settings(ready, b"source: d\n") == "is the archive's"
    assert board.read("/etc/kface/deploy.yaml") == "source: d\n"
    assert not board.at("/etc/kface/deploy.yaml.new").exists()


def test_credentials_stay_and_their_mode_is_put_right(ready, board):
    board.put("/etc/kface/environment", "KFACE_STREAM_PASSWORD='s3cret'\n")
    board.at("/etc/kface/environment").chmod(0o644)
    service.put_environment(ready, "KFACE_WEB_TOKEN=@TOKEN@\n", read_board(ready))
    assert board.read("/etc/kface/environment") == "KFACE_STREAM_PASSWORD='s3cret'\n"
    assert stat.S_IMODE(os.stat(str(board.at("/etc/kface/environment"))).st_mode) == 0o640


def test_each_board_has_a_token_of_its_own(ready, board):
    tokens = set()
    for _ in range(2):
        service.put_environment(ready, (FILES / "environment").read_text(), read_board(ready))
        tokens.add(read_environment(board.read("/etc/kface/environment"))["KFACE_WEB_TOKEN"])
        board.at("/etc/kface/environment").unlink()
    assert len(tokens) == 2


def test_the_key_is_one_and_is_never_replaced(ready, board):
    assert service.put_key(ready).startswith("is new")
    text = board.read("/etc/kface/gallery.key")
    assert len(decode_key(text, "key")) == 32
    assert find_key(str(board.at("/etc/kface/gallery.key"))) == decode_key(text, "key")
    board.at("/etc/kface/gallery.key").chmod(0o644)
    assert service.put_key(ready) == "is /etc/kface/gallery.key"
    assert board.read("/etc/kface/gallery.key") == text
    assert stat.S_IMODE(os.stat(str(board.at("/etc/kface/gallery.key"))).st_mode) == 0o600


def test_a_gallery_without_its_key_gets_no_new_one(ready, board):
    board.put("/var/lib/kface/gallery.db", "people")
    with pytest.raises(InstallError, match="restore the key, or move the gallery elsewhere"):
        service.put_key(ready)
    assert not board.at("/etc/kface/gallery.key").exists()
    board.put("/etc/kface/environment", "KFACE_GALLERY_KEY=abc\n")
    assert service.put_key(ready) == "is in /etc/kface/environment"


def test_devices_are_named_and_cameras_may_come_later(ready):
    lines = service.devices(read_board(ready)).splitlines()
    assert "DevicePolicy=closed" in lines
    assert "DeviceAllow=char-video4linux rw" in lines
    assert "DeviceAllow=/dev/nvmap rw" in lines
    assert not [line for line in lines if "/dev/video" in line or "*" in line]


def test_where_no_gpu_is_seen_no_device_is_taken_away(ready, board):
    for node in ("nvhost-ctrl", "nvhost-gpu", "nvmap", "nvsciipc"):
        board.at("/dev/" + node).unlink()
    assert "DevicePolicy=auto" in service.devices(read_board(ready))


def test_another_python_goes_into_the_unit(ready, board, monkeypatch):
    board.put("/opt/kface/1-000000000000/kface.service", (FILES / "kface.service").read_text())
    monkeypatch.setenv("KFACE_PYTHON", "/opt/python3.8/bin/python3")
    service.put_unit(ready, "/opt/kface/1-000000000000", read_board(ready))
    assert "ExecStart=/opt/python3.8/bin/python3 -I -B -u /opt/kface/current/src/deploy/launch.py " in board.read(
        service.UNIT
    )
    with pytest.raises(InstallError, match="install the archive again"):
        service.put_unit(ready, "/opt/kface/2-000000000000", read_board(ready))


@pytest.mark.parametrize(
    ("answer", "texts", "absent"),
    [
        (
            {"web": True, "host": "127.0.0.1", "port": 9000, "source": "rtsp"},
            ("http://127.0.0.1:9000/", "ssh -L 9000"),
            (),
        ),
        ({"web": True, "host": "0.0.0.0", "port": 80, "source": "csi"}, ("http://porch:80/",), ("ssh -L",)),
        ({"web": False, "host": "", "port": 1, "source": "csi"}, ("the web page is off",), ("http",)),
        ({"error": "tracks: unknown setting"}, ("cannot read /etc/kface/deploy.yaml: tracks",), ("http",)),
    ],
)
def test_where_the_page_is(answer, texts, absent, ready, board):
    board.answers("settings", answer)
    service.tell_page(ready, "src", "deploy.yaml")
    said = "\n".join(ready.lines)
    assert all(text in said for text in texts)
    assert not any(text in said for text in absent)


def test_the_environment_is_read_as_systemd_does():
    text = '# c\n; c\n\nA=plain\nB=\'a b $c #d\'\n C="x\\"y"\nD=two words\nE=\nF=a=b\n'
    assert read_environment(text) == {"A": "plain", "B": "a b $c #d", "C": 'x"y', "D": "two words", "E": "", "F": "a=b"}


@pytest.mark.parametrize("line", ["s3cret", "=s3cret", "1A=s3cret", "A='s3cret", "A B=s3cret"])
def test_a_line_that_cannot_be_is_told_without_its_text(line):
    with pytest.raises(ConfigError, match="line 2") as caught:
        read_environment("X=1\n" + line)
    assert "s3cret" not in str(caught.value)


def test_the_command_becomes_the_services_user(monkeypatch, tmp_path):
    from deploy.jetson import command

    file = tmp_path / "environment"
    file.write_text("KFACE_GALLERY_KEY=abc\n")
    called = []
    entry = type("Entry", (), {"pw_uid": 4711, "pw_gid": 4712})
    groups = [type("Group", (), {"gr_gid": 44, "gr_mem": ["kface"]}), type("Group", (), {"gr_gid": 45, "gr_mem": []})]
    monkeypatch.setattr(command, "ENVIRONMENT_FILE", str(file))
    monkeypatch.setattr(command.pwd, "getpwnam", lambda name: entry)
    monkeypatch.setattr(command.grp, "getgrall", lambda: groups)
    monkeypatch.setattr(command.os, "geteuid", lambda: 0)
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(command.os, name, lambda value, name=name: called.append((name, value)))
    monkeypatch.setattr(command.os, "umask", lambda value: called.append(("umask", value)))
    monkeypatch.setattr(command.os, "execve", lambda path, argv, env: called.append((argv, env)))
    monkeypatch.setattr(command.os, "chdir", lambda folder: called.append(("chdir", folder)))
    for word in ("deploy", "run"):
        main([word, "--show"])
        assert ("chdir", "/var/lib/kface") in called
        del called[:]
    main(["gallery", "list"])
    assert not [call for call in called if call[0] == "chdir"]
    assert called[:3] == [("setgroups", [44, 4712]), ("setgid", 4712), ("setuid", 4711)]
    argv, env = called[-1]
    assert argv[1:] == [
        "-I", "-B", "-u", "/opt/kface/current/src/deploy/launch.py", "--wheels", "/opt/kface/wheels",
        "kface", "gallery", "list",
    ]  # fmt: skip
    assert env["KFACE_CONFIG"] == "/etc/kface/deploy.yaml"
    assert env["KFACE_GALLERY_KEY"] == "abc"
    assert env["KFACE_GALLERY"] == "/var/lib/kface/gallery.db"


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["--version"], ["gallery", "add", "--help"], ["completion", "bash"], ["__complete", "ga"]]
)
def test_a_manual_page_needs_no_rights_and_gets_no_secret(monkeypatch, tmp_path, words):
    from deploy.jetson import command

    class ReplacedError(Exception):
        pass

    def execve(path, argv, env):
        raise ReplacedError(argv, env)

    monkeypatch.setattr(command, "ENVIRONMENT_FILE", str(tmp_path / "absent"))
    monkeypatch.setattr(command.os, "geteuid", lambda: 54321)
    monkeypatch.setattr(command.os, "execve", execve)
    monkeypatch.setattr(command.os, "umask", lambda value: None)
    with pytest.raises(ReplacedError) as caught:
        main(words)
    argv, _ = caught.value.args
    assert argv[argv.index("kface") :] == ["kface"] + words


def test_the_command_without_rights_or_before_the_installation(monkeypatch, tmp_path, capsys):
    from deploy.jetson import command

    monkeypatch.setattr(command, "ENVIRONMENT_FILE", str(tmp_path / "absent"))
    assert main(["gallery"]) == 2
    assert "cannot be used (No such file or directory)" in capsys.readouterr().err
    (tmp_path / "absent").write_text("")
    monkeypatch.setattr(command, "USER", "nobody-of-this-name")
    assert main(["gallery"]) == 2
    assert "install kface: sudo ./install.sh" in capsys.readouterr().err
    monkeypatch.setattr(command.os, "geteuid", lambda: 54321)
    monkeypatch.setattr(command, "USER", "root")
    assert main(["gallery"]) == 2
    assert "sudo kface ..." in capsys.readouterr().err


def test_files_are_never_open_to_others_for_a_moment(tmp_path, monkeypatch):
    seen = []
    system = System(str(tmp_path), log=seen.append)
    (tmp_path / "etc").mkdir()
    for table in ("passwd", "group"):
        (tmp_path / "etc" / table).write_text("root:x:0:0\n")
    real = os.replace

    def looked_at(source, target):
        seen.append(stat.S_IMODE(os.stat(source).st_mode))
        real(source, target)

    monkeypatch.setattr(os, "replace", looked_at)
    system.write("/etc/secret", b"x", 0o600)
    assert seen == [0o600]
    monkeypatch.setattr(os, "chmod", lambda path, mode: seen.append(stat.S_IMODE(os.stat(path).st_mode)))
    system.folder("/etc/open", 0o755)
    assert seen[1:] == [0o700]
    monkeypatch.undo()
    with pytest.raises(InstallError, match="/nowhere/file: cannot be written"):
        system.write("/nowhere/file", b"x", 0o600)
    assert system.write("/etc/secret", b"x", 0o600) is False


def test_commands_that_are_not_there_or_hang(tmp_path):
    lines = []
    system = System(str(tmp_path), log=lines.append)
    assert system.ask(["kface-no-such-command"]).status == 127
    assert system.ask(["sleep", "5"], seconds=0.1).status == 124
    assert system.work(["kface-no-such-command"]).status == 127
    assert system.work(["sleep", "5"], seconds=0.1).status == -9
    assert system.work(["sh", "-c", "echo one; echo two >&2; exit 3"]) == (3, "one\ntwo", "")
    assert lines == ["    | one", "    | two"]
    with pytest.raises(InstallError, match="sh -c false: failed with status 1 \\(no output\\); do this"):
        system.must(["sh", "-c", "false"], "do this")
