"""What root and the service start imports nothing from the current directory, nor from where a variable points."""

import glob
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from jetson_fakes import FILES, make_archive, seal

import deploy
from deploy import launch
from deploy.jetson import command, service
from deploy.jetson.releases import SUMS, Releases, read_sums, release_name
from deploy.jetson.system import InstallError, System

SOURCE = Path(deploy.__file__).resolve().parent.parent
ROOT_ONLY = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes root's rights")
#: What a program may import: of the standard library, of this one, of what it needs, and what Python starts with.
PLANTED = (
    "shlex", "json", "re", "os", "sys", "stat", "typing", "argparse", "runpy", "pkgutil", "importlib", "encodings",
    "codecs", "site", "sitecustomize", "usercustomize", "grp", "pwd", "subprocess", "tempfile", "hashlib",
    "tarfile", "compileall", "pip", "numpy", "cv2", "yaml", "cryptography", "kface", "deploy", "launch",
)  # fmt: skip


def pythons():
    """This Python, and the Nano's 3.6 where there is one."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    old = [os.environ.get("PYTHON36")] + glob.glob(pyenv + "/versions/3.6.*/bin/python") + [shutil.which("python3.6")]
    return [sys.executable] + [found for found in old if found][:1]


@pytest.fixture
def hostile(tmp_path):
    """A directory in which everything that could be imported or run leaves a trace: `ran`."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    trace = "open({!r}, 'a').write(__name__ + '\\n')\n".format(str(tmp_path / "ran"))
    for name in PLANTED:
        (folder / (name + ".py")).write_text(trace)
        (folder / "packages" / name).mkdir(parents=True)
        (folder / "packages" / name / "__init__.py").write_text(trace)
        (folder / "packages" / name / "__main__.py").write_text(trace)
    (folder / "startup.sh").write_text("echo shell >> {}\n".format(tmp_path / "ran"))
    for name in ("python3", "dirname", "cd", "readlink", "env"):
        (folder / name).write_text("#!/bin/sh\necho {} >> {}\nexit 3\n".format(name, tmp_path / "ran"))
        (folder / name).chmod(0o755)
    return folder


def exposed(hostile, argv, **more):
    """Run a program in such a directory, with variables that point there; return its status and what it said."""
    there = str(hostile)
    env = {
        "PATH": there + ":/usr/bin:/bin",
        "PYTHONPATH": there + ":" + there + "/packages",
        "PYTHONSTARTUP": there + "/json.py",
    }
    env.update({"PYTHONUSERBASE": there, "PYTHONHOME": there, "PYTHONINSPECT": "", "IFS": "/", "CDPATH": there})
    env.update({"ENV": there + "/startup.sh", "BASH_ENV": there + "/startup.sh", "HOME": there}, **more)
    made = subprocess.run(argv, cwd=there, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return made.returncode, made.stdout.decode("utf-8", "replace")


def ran(hostile):
    trace = hostile.parent / "ran"
    return trace.read_text().split() if trace.exists() else []


def test_the_trap_works(hostile):
    env = dict(os.environ, PYTHONPATH=str(SOURCE))
    subprocess.run([sys.executable, "-s", "-m", "deploy"], cwd=str(hostile), env=env, stderr=subprocess.DEVNULL)
    assert ran(hostile)


@pytest.mark.parametrize("python", pythons())
def test_the_launcher_imports_nothing_from_where_one_stands(python, hostile):
    for module, words, text in (
        ("kface", ["--help"], "kface COMMAND --help"),
        ("deploy", ["--help"], "kface COMMAND --help"),
        ("deploy.jetson.probe", ["python"], '"version"'),
        ("deploy.jetson.install", ["--help"], "Usage:\n  install.sh"),
    ):
        argv = launch.command(python, str(SOURCE), str(hostile.parent / "wheels"), module, words)
        status, said = exposed(hostile, argv)
        assert (status, text in said) == (0, True), said
    assert ran(hostile) == []


@pytest.mark.parametrize("python", pythons())
def test_even_without_isolation_it_is_not_the_launchers_own_directory_that_comes_first(python, hostile, tmp_path):
    shutil.copytree(
        str(SOURCE / "deploy"), str(tmp_path / "src" / "deploy"), ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(
        str(SOURCE / "kface"), str(tmp_path / "src" / "kface"), ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copyfile(str(hostile / "json.py"), str(tmp_path / "src" / "deploy" / "json.py"))
    argv = [python, "-B", str(tmp_path / "src" / "deploy" / "launch.py"), "deploy.jetson.probe", "python"]
    made = subprocess.run(argv, cwd="/", env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE)
    assert made.returncode == 0
    assert ran(hostile) == []


def test_wheels_come_before_the_systems_packages_and_after_the_program(tmp_path):
    (tmp_path / "wheels" / "yaml").mkdir(parents=True)
    (tmp_path / "wheels" / "yaml" / "__init__.py").write_text("__version__ = 'the wheel'\n")
    (tmp_path / "wheels" / "kface.py").write_text("raise ImportError('not this one')\n")
    argv = launch.command(sys.executable, str(SOURCE), str(tmp_path / "wheels"), "deploy.jetson.probe", ["yaml"])
    assert b"the wheel" in subprocess.check_output(argv, cwd="/")


@pytest.mark.parametrize("python", pythons())
def test_the_command_before_the_installation_says_so(python, tmp_path):
    script = tmp_path / "kface"
    text = (FILES / "kface").read_text()
    script.write_text(
        text.replace("/usr/bin/python3", python).replace("/opt/kface/current/src", str(tmp_path / "none"))
    )
    done = subprocess.run(
        [python, "-I", "-S", str(script), "gallery", "list"], stderr=subprocess.PIPE, cwd=str(tmp_path)
    )
    assert done.returncode == 2
    assert re.fullmatch(r"kface: is not installed on this machine; .*install\.sh\n", done.stderr.decode())


@pytest.mark.parametrize("python", pythons())
def test_the_command_of_root_imports_nothing_from_where_one_stands(python, hostile, tmp_path):
    script = tmp_path / "kface"
    text = (FILES / "kface").read_text()
    assert text.splitlines()[0] == "#!/usr/bin/python3 -I"
    assert '"/opt/kface/current/src"' in text
    script.write_text(text.replace("/usr/bin/python3", python).replace("/opt/kface/current/src", str(SOURCE)))
    script.chmod(0o755)
    status, said = exposed(hostile, [str(script), "gallery", "list"])
    assert status == 2
    assert said.startswith("kface: "), said
    assert ran(hostile) == []


@pytest.fixture
def unpacked(tmp_path):
    """An archive's directory with the whole program in it."""
    folder = make_archive(tmp_path / "unpacked")
    for name in ("kface", "deploy"):
        shutil.rmtree(str(folder / "src" / name), ignore_errors=True)
        shutil.copytree(
            str(SOURCE / name),
            str(folder / "src" / name),
            ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.engine"),
        )
    for path in [folder] + list(folder.rglob("*")):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o755)
    return seal(folder)


@pytest.mark.parametrize("python", pythons())
def test_install_sh_imports_and_runs_nothing_from_where_one_stands(python, hostile, unpacked, tmp_path):
    (tmp_path / "root" / "opt").mkdir(parents=True)
    argv = [str(unpacked / "install.sh"), "--dry-run", "--root", str(tmp_path / "root")]
    said = exposed(hostile, argv, KFACE_PYTHON=python)[1]
    assert "checksums match" in said, said
    assert "[ 3/11] packages" in said
    assert ran(hostile) == []
    assert not list(unpacked.rglob("__pycache__"))


def test_install_sh_takes_no_python_of_the_current_directory(hostile, unpacked):
    status, said = exposed(hostile, [str(unpacked / "install.sh"), "--dry-run"], KFACE_PYTHON="./python3")
    assert status == 2
    assert said == "install.sh: KFACE_PYTHON: must be the full path of a Python; set KFACE_PYTHON=/usr/bin/python3\n"
    assert ran(hostile) == []


def test_the_installer_starts_every_python_isolated(board, run):
    assert run(board, "--yes")[0] == 0
    assert board.called("python pip")
    assert board.called("python compileall")
    assert not (board.board / "exposed").exists()


def test_the_unit_and_the_container_start_the_launcher():
    words = launch.command("/usr/bin/python3", command.CURRENT + "/src", command.WHEELS, "deploy", ["run"])
    unit = (FILES / "kface.service").read_text()
    assert "ExecStart={} --config ".format(" ".join(words)) in unit
    dockerfile = SOURCE.parent / "docker" / "Dockerfile"
    text = dockerfile.read_text()
    assert "ENTRYPOINT {}".format(str(["python3"] + words[1:-1]).replace("'", '"')) in text
    assert "RUN python3 -m" not in text
    assert 'CMD ["python3", "-I", "-c"' in text


# ---- a directory that others can change


@ROOT_ONLY
@pytest.mark.parametrize("place", ["src/kface/__init__.py", "src/deploy", "bundle", "", ".."])
def test_what_others_can_change_is_not_installed(place, unpacked, tmp_path):
    (unpacked / place).resolve().chmod(0o777)
    argv = [str(unpacked / "install.sh"), "--dry-run", "--root", str(tmp_path / "root")]
    made = subprocess.run(argv, env={"KFACE_PYTHON": sys.executable}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (made.returncode, made.stdout) == (2, b"")
    line = made.stderr.decode()
    assert line.endswith(
        " is writable by everyone; unpack the archive where only you can write, such as your home directory\n"
    )
    assert len(line.splitlines()) == 1


@ROOT_ONLY
def test_whose_it_may_be(tmp_path, monkeypatch):
    folder = tmp_path / "archive"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("")
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert launch.weakness(str(folder)) is None
    os.chown(str(folder / "src" / "a.py"), 4711, 4711)
    assert launch.weakness(str(folder)) == "{} belongs to another user (number 4711)".format(folder / "src" / "a.py")
    monkeypatch.setenv("SUDO_UID", "4711")
    assert launch.weakness(str(folder)) is None, "who called sudo can do everything anyway"
    for told in ("4712", "-1", "x", "", "0x1267", "9" * 40):
        monkeypatch.setenv("SUDO_UID", told)
        assert launch.weakness(str(folder)) is not None
    os.chown(str(folder / "src" / "a.py"), 0, 4711)
    assert launch.weakness(str(folder)) is None
    (folder / "src" / "a.py").chmod(0o664)
    assert launch.weakness(str(folder)).endswith("a.py is writable by its group (number 4711)")
    os.chown(str(folder / "src" / "a.py"), 0, 0)
    assert launch.weakness(str(folder)) is None
    (folder / "src" / "b.py").symlink_to("a.py")
    assert launch.weakness(str(folder)).endswith("b.py is a link")


def test_a_directory_as_tmp_will_do_as_long_as_what_is_in_it_is_ones_own(tmp_path):
    above = tmp_path / "above"
    (above / "archive").mkdir(parents=True)
    above.chmod(0o777)
    assert launch.weakness(str(above / "archive")) == "{} is writable by everyone".format(above)
    above.chmod(0o1777)
    assert launch.weakness(str(above / "archive")) is None
    # Others could put files into it.
    (above / "archive").chmod(0o1777)
    assert launch.weakness(str(above / "archive")) == "{} is writable by everyone".format(above / "archive")


def test_a_group_of_ones_own_is_nobody_else(monkeypatch):
    import grp
    import pwd

    members = []
    user = type("Entry", (), {"pw_gid": 1000, "pw_name": "kim"})
    monkeypatch.setattr(pwd, "getpwuid", lambda number: user)
    monkeypatch.setattr(grp, "getgrgid", lambda number: type("Group", (), {"gr_name": "kim", "gr_mem": members}))
    assert launch._private_groups(1000) == {1000}
    members.append("lee")
    assert launch._private_groups(1000) == set()
    user.pw_name = "lee"
    assert launch._private_groups(1000) == set()


@ROOT_ONLY
def test_a_home_of_releases_that_somebody_prepared_is_not_used(board, run):
    board.at("/opt/kface").mkdir(mode=0o755)
    os.chown(str(board.at("/opt/kface")), 4711, 4711)
    line = "install: /opt/kface: belongs to another user, or is writable by others; move it elsewhere\n"
    assert run(board, "--yes")[2] == line
    os.chown(str(board.at("/opt/kface")), 0, 0)
    board.at("/opt/kface").chmod(0o775)
    assert run(board, "--yes")[2] == line
    board.at("/opt/kface").chmod(0o755)
    assert run(board, "--yes")[0] == 0


def test_a_release_that_others_can_change_is_copied_again(board, system, archive, tmp_path):
    releases, name, sums = Releases(system(board)), release_name(str(archive)), read_sums(str(archive))
    board.at("/opt/kface").mkdir()
    assert releases.put(str(archive), name, sums)
    assert not releases.put(str(archive), name, sums)
    place = board.at("/opt/kface/" + name)
    (place / "src" / "kface" / "__pycache__").mkdir()
    assert not releases.put(str(archive), name, sums)
    # Python takes bytecode in place of the sources that were compared.
    (place / "src" / "kface" / "__pycache__").chmod(0o777)
    assert releases.put(str(archive), name, sums)
    assert not (place / "src" / "kface" / "__pycache__").exists()
    (place / "deploy.yaml").chmod(0o666)
    assert releases.put(str(archive), name, sums)
    assert stat.S_IMODE((place / "deploy.yaml").stat().st_mode) == 0o644


def test_an_archive_that_changes_after_it_was_compared_is_not_installed(board, system, archive):
    releases, name, sums = Releases(system(board)), release_name(str(archive)), read_sums(str(archive))
    board.at("/opt/kface").mkdir()
    for file, text in ((SUMS, "0" * 64 + "  x\n"), ("deploy.yaml", "source: x\n")):
        before = (archive / file).read_text()
        (archive / file).write_text(text)
        with pytest.raises(InstallError, match="was changed"):
            releases.put(str(archive), name, sums)
        (archive / file).write_text(before)
        assert list(board.at("/opt/kface").iterdir()) == []


def test_what_is_installed_is_what_was_compared(board, run, archive, monkeypatch):
    real = service.make_user

    def meanwhile(system):
        (archive / "deploy.yaml").write_text("source: /evil\n")
        (archive / "environment").write_text("KFACE_WEB_TOKEN=known-to-somebody\n")
        real(system)

    monkeypatch.setattr(service, "make_user", meanwhile)
    assert run(board, "--yes")[0] == 0
    assert board.read("/etc/kface/deploy.yaml") == "source: csi://0\n"
    assert "known-to-somebody" not in board.read("/etc/kface/environment")


# ---- the environment


def test_programs_of_the_installer_stand_in_the_root_and_load_nothing_by_variables(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    for name in ("LD_PRELOAD_X", "PYTHONPATH", "PERL5OPT", "BASH_ENV", "ENV", "IFS", "GCONV_PATH", "APT_CONFIG"):
        monkeypatch.setenv(name, "hostile")
    lines = []
    system = System(str(tmp_path), log=lines.append)
    said = system.ask(["sh", "-c", "pwd; env"]).output.splitlines()
    system.work(["sh", "-c", "pwd; env"])
    assert said[0] == "/"
    assert lines[0] == "    | /"
    assert not [line for line in said + lines if "hostile" in line]


def test_the_command_takes_over_little_of_its_callers_environment(monkeypatch, tmp_path):
    for name in ("LD_PRELOAD", "PYTHONPATH", "GST_PLUGIN_PATH", "BASH_ENV", "XDG_CONFIG_HOME", "XKFACE_X", "PATH"):
        monkeypatch.setenv(name, "hostile")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("KFACE_PRECISION", "fp16")
    called = []
    (tmp_path / "environment").write_text("KFACE_WEB_TOKEN=x\n")
    monkeypatch.setattr(command, "ENVIRONMENT_FILE", str(tmp_path / "environment"))
    monkeypatch.setattr(command, "become", called.append)
    monkeypatch.setattr(command.os, "umask", lambda value: None)
    monkeypatch.setattr(command.os, "execve", lambda path, argv, env: called.append(env))
    command.main(["gallery", "list"])
    assert called[0] == "kface"
    env = called[1]
    assert "hostile" not in env.values()
    assert (env["TERM"], env["KFACE_PRECISION"], env["KFACE_WEB_TOKEN"]) == ("xterm", "fp16", "x")
    assert env["XDG_CONFIG_HOME"] == "/etc"


def test_root_gives_up_its_rights_before_it_looks_into_the_file(monkeypatch, tmp_path, capsys):
    called = []
    (tmp_path / "environment").write_text("no variable\n")
    monkeypatch.setattr(command, "ENVIRONMENT_FILE", str(tmp_path / "environment"))
    monkeypatch.setattr(command, "become", called.append)
    assert command.main(["gallery", "list"]) == 2
    assert called == ["kface"]
    assert "line 1: is not NAME=value" in capsys.readouterr().err


def test_a_file_of_variables_that_is_none(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "become", lambda user: None)
    os.mkfifo(str(tmp_path / "pipe"))
    (tmp_path / "large").write_bytes(b"#" * (1 << 17))
    for name in ("pipe", "/dev/zero", ".", "large"):
        monkeypatch.setattr(command, "ENVIRONMENT_FILE", str(tmp_path / name))
        assert command.main(["gallery"]) == 2
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert said.startswith("kface: {}".format(tmp_path / name))
