"""The installer as a whole, on boards made of files and scripts."""

import os
import re
import stat
import sys

import pytest
from jetson_fakes import BOARDS, make_archive, seal

from deploy.jetson import install, installer
from deploy.jetson.command import environment
from deploy.jetson.releases import release_name

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="owners can only be set by root")


def mode(path):
    return stat.S_IMODE(os.lstat(str(path)).st_mode)


@pytest.mark.parametrize("kind", sorted(BOARDS))
def test_a_bare_board_is_installed(kind, make_board, run, archive):
    board = make_board(kind)
    status, said, error = run(board, "--yes")
    assert (status, error) == (0, "")
    for text in BOARDS[kind]["says"]:
        assert text in said
    name = release_name(str(archive))
    assert board.current == name == board.running
    packages = [value for value in BOARDS[kind]["lacking"].values() if value != "wheels"]
    assert all((board.board / "has" / package).exists() for package in packages)
    jetson = kind != "pc"
    assert bool(board.called("python kface.tensorrt verify")) == jetson
    assert board.called("python deploy bench --quick")
    assert board.called("python kface.native build")
    assert "640x360 1 face 17 fps" in said
    assert "http://127.0.0.1:8088/?token=TOKEN" in said
    assert "ssh -L 8088:127.0.0.1:8088 YOU@porch" in said
    assert [line for line in said.splitlines() if line.startswith("[")] == [
        "[{:>2}/11] {}".format(number, step)
        for number, step in enumerate(
            [
                "archive",
                "board",
                "packages",
                "release",
                "user",
                "settings",
                "kernels",
                "engines",
                "speed",
                "service",
                "tidy",
            ],
            1,
        )
    ]


@pytest.mark.parametrize("kind", sorted(BOARDS))
def test_a_dry_run_changes_nothing(kind, make_board, run):
    board = make_board(kind)
    before = board.tree()
    status, said, error = run(board, "--dry-run")
    assert (status, error) == (0, "")
    assert board.tree() == before
    changing = ("apt-get", "useradd", "usermod", "runuser", "systemctl start", "systemctl restart", "systemctl stop")
    assert not [line for line in board.log if line.startswith(changing)]
    for text in ("would run: apt-get install", "would copy", "would write /etc/kface/deploy.yaml (0640 root:kface)"):
        assert text in said
    assert "would write /etc/systemd/system/kface.service (0644 root:root)" in said
    assert ("would run as kface: python3 -m kface.tensorrt verify" in said) == (kind != "pc")


def test_what_is_where_and_for_whom(board, run, archive):
    assert run(board, "--yes")[0] == 0
    assert mode(board.at("/var/lib/kface")) == 0o700
    assert mode(board.at("/var/cache/kface")) == 0o700
    assert mode(board.at("/etc/kface")) == 0o750
    assert mode(board.at("/etc/kface/environment")) == 0o640
    assert mode(board.at("/etc/kface/deploy.yaml")) == 0o640
    assert mode(board.at("/etc/kface/gallery.key")) == 0o600
    release = board.at("/opt/kface/" + board.current)
    assert mode(release) == 0o755
    assert mode(release / "src" / "kface" / "__init__.py") == 0o644
    assert mode(release / "install.sh") == 0o755
    assert os.readlink(str(board.at("/usr/local/bin/kface"))) == "/opt/kface/current/kface"
    assert board.read("/etc/group").splitlines()[1:3] == ["video:x:44:kim,kface", "render:x:105:,kface"]
    token = re.search("^KFACE_WEB_TOKEN=(.*)$", board.read("/etc/kface/environment"), re.MULTILINE).group(1)
    assert len(token) >= 32
    assert "OPENBLAS_CORETYPE=ARMV8" in board.read("/etc/kface/environment")


@ROOT_ONLY
def test_owners(board, run):
    assert run(board, "--yes")[0] == 0

    def owner(name):
        found = os.lstat(str(board.at(name)))
        return found.st_uid, found.st_gid

    assert owner("/var/lib/kface") == (4711, 4712)
    assert owner("/etc/kface/gallery.key") == (4711, 4712)
    assert owner("/etc/kface") == (0, 4712)
    assert owner("/etc/kface/environment") == (0, 4712)
    assert owner("/opt/kface/" + board.current) == (0, 0)


def test_engines_are_built_as_the_service_would(board, run):
    run(board, "--yes")
    call = board.called("runuser")[0]
    assert call.startswith("runuser -u kface -- env ")
    env = dict(line.partition("=")[::2] for line in (board.board / "engines.env").read_text().splitlines())
    release = "{}/opt/kface/{}".format(board.root, board.current)
    assert env["KFACE_ENGINES"] == "{}/var/cache/kface/engines".format(board.root)
    launched = (board.board / "launched").read_text().splitlines()
    assert launched[-1] == "{1}/src/deploy/launch.py {0}/opt/kface/wheels".format(board.root, release)
    assert not [name for name in env if name.startswith("PYTHON")]
    assert "--bundle {}/bundle".format(release) in board.called("python kface.tensorrt")[0]
    assert set(environment()) <= set(env)


def test_a_second_run_changes_nothing_but_starts_anew(board, run):
    assert run(board, "--yes")[0] == 0
    before, key = board.tree(), board.read("/etc/kface/gallery.key")
    status, said, _ = run(board, "--yes")
    assert status == 0
    assert board.tree() == before
    assert board.read("/etc/kface/gallery.key") == key
    assert "is already installed and complete" in said
    assert len(board.called("useradd")) == 1
    assert len(board.called("systemctl restart")) == 2
    assert not board.at("/opt/kface/previous").is_symlink()


@pytest.fixture
def old(board, run):
    """A board with a release that runs; returns its name."""
    assert run(board, "--yes")[0] == 0
    return board.current


@pytest.fixture
def newer(tmp_path):
    return make_archive(tmp_path / "newer", "0.2.0")


def test_an_update_keeps_the_one_before_and_removes_older_ones(board, run, old, newer, tmp_path):
    assert run(board, "--yes", archive=newer)[0] == 0
    second = board.current
    assert second.startswith("0.2.0-")
    third = make_archive(tmp_path / "third", "0.3.0")
    status, said, _ = run(board, "--yes", archive=third)
    assert status == 0
    assert "removed: {}".format(old) in said
    assert sorted(
        path.name for path in board.at("/opt/kface").iterdir() if path.is_dir() and not path.is_symlink()
    ) == [
        second,
        board.current,
    ]
    assert os.readlink(str(board.at("/opt/kface/previous"))) == second


def break_engines(board):
    board.set("status/engines", "2")


def break_start(board):
    (board.board / "dies" / release_name(str(board.newer))).write_text("")


FAULTS = {
    "archive": (lambda board: (board.newer / "deploy.yaml").write_text("source: x\n"), "deploy.yaml: was changed"),
    "board": (
        lambda board: board.put("/etc/nv_tegra_release", "# R28 (release), REVISION: 2.1, GCID: 1\n"),
        "L4T 28.2.1: is too old; flash JetPack 4.6 or newer",
    ),
    "packages": (
        lambda board: board.answers("tensorrt", {"error": "libnvinfer.so.8: cannot open"}),
        "tensorrt: libnvinfer.so.8: cannot open",
    ),
    "release": (lambda board: board.put("/opt/kface/.part-" + release_name(str(board.newer)) + "/x", ""), None),
    "user": (
        lambda board: (board.put("/etc/passwd", "root:x:0:0::/:/bin/sh\n"), board.fails("useradd", "no room")),
        "no room",
    ),
    "settings": (
        lambda board: (board.put("/var/lib/kface/gallery.db", "people"), board.at("/etc/kface/gallery.key").unlink()),
        "cannot be read without it; restore the key",
    ),
    "engines": (break_engines, "verify-engines: failed with status 2"),
    "service": (break_start, "kface.service: exited after the start (deploy: camera.mp4: there is no such file)"),
}


@pytest.mark.parametrize("step", sorted(FAULTS))
def test_where_a_step_fails_the_release_before_runs_on(step, board, run, old, newer):
    board.newer = newer
    fault, text = FAULTS[step]
    fault(board)
    status, _, error = run(board, "--yes", archive=newer)
    if text is None:  # What an installation left that was cut short is no fault.
        assert status == 0
        return
    assert status == 2
    assert text in error
    assert len(error.splitlines()) == 1
    assert re.match(r"install: step \d+ of 11, {}: ".format(step), error)
    assert board.current == old == board.running
    assert error.rstrip().endswith("the previous release is still running: {}".format(old))


def test_what_did_not_start_is_nothing_to_roll_back_to(board, run, old, newer, tmp_path):
    board.newer = newer
    break_start(board)
    assert run(board, "--yes", archive=newer)[0] == 2
    assert not os.path.lexists(str(board.at("/opt/kface/previous")))
    second = make_archive(tmp_path / "second", "0.1.1")
    assert run(board, "--yes", archive=second)[0] == 0
    assert run(board, "--yes", archive=newer)[0] == 2
    assert os.readlink(str(board.at("/opt/kface/previous"))) == old


def test_the_service_that_was_stopped_for_the_engines_starts_again(board, run, old, newer):
    break_engines(board)
    assert run(board, "--yes", archive=newer)[0] == 2
    assert board.called("systemctl stop kface.service")
    assert not (board.board / "ran-beside").exists()
    assert board.running == old


def test_it_starts_again_too_where_somebody_stops_the_installer(board, run, old, newer, monkeypatch):
    def stopped(self):
        raise KeyboardInterrupt()

    monkeypatch.setattr(installer.Installer, "_show_speed", stopped)
    status, _, error = run(board, "--yes", archive=newer)
    assert (status, error) == (130, "install: interrupted; run it again to continue\n")
    assert board.running == old


def test_a_first_installation_that_does_not_start_says_so(board, run, archive):
    (board.board / "dies" / release_name(str(archive))).write_text("")
    status, _, error = run(board, "--yes")
    assert status == 2
    assert "exited after the start" in error
    assert "runs on" not in error


def test_an_engine_that_differs_stops_the_installation(board, run):
    board.set("status/engines", "1")
    status, said, error = run(board, "--yes")
    assert status == 2
    assert "output differs from its network's" in error
    assert "| pnet.onnx fp16 agrees" in said
    assert board.current is None


def test_the_bench_may_fail(board, run):
    board.set("status/bench")
    status, said, _ = run(board, "--yes")
    assert status == 0
    assert "benchmark failed, see above" in said


def test_what_is_not_wanted_is_left_out(board, run):
    status, said, _ = run(board, "--yes", "--skip-engines", "--skip-bench", "--no-start")
    assert status == 0
    assert not [line for line in board.called("runuser") if "kface.native build" not in line]
    assert board.running is None
    assert "sudo systemctl enable --now kface" in said


def test_without_systemd_it_is_installed_and_not_started(make_board, run):
    board = make_board("pc", booted=False)
    status, said, _ = run(board, "--yes")
    assert status == 0
    assert not board.called("systemctl")
    assert "by hand: sudo kface deploy" in said
    assert board.current


def test_rollback_and_back_again(board, run, old, newer):
    assert run(board, "--yes", archive=newer)[0] == 0
    new = board.current
    assert run(board, "--rollback")[0] == 0
    assert board.current == old == board.running
    assert run(board, "--rollback")[0] == 0
    assert board.current == new == board.running


def test_a_dry_rollback_changes_nothing(board, run, old, newer):
    assert run(board, "--yes", archive=newer)[0] == 0
    before, calls = board.tree(), len(board.called("systemctl restart"))
    os.unlink(str(board.board / "active"))  # It does not run; nobody wants to know that in a dry run.
    status, said, error = run(board, "--rollback", "--dry-run")
    assert (status, error) == (0, "")
    assert "would point /opt/kface/current at {}".format(old) in said
    assert board.tree() == before
    assert len(board.called("systemctl restart")) == calls


def test_rollback_to_what_does_not_start_stays(board, run, old, newer):
    assert run(board, "--yes", archive=newer)[0] == 0
    new = board.current
    (board.board / "dies" / old).write_text("")
    status, _, error = run(board, "--rollback")
    assert status == 2
    assert "exited after the start" in error
    assert board.current == new == board.running


def test_rollback_without_a_release_before(board, run, old):
    status, _, error = run(board, "--rollback")
    assert status == 2
    assert "does not exist" in error
    assert board.running == old


def test_uninstall_keeps_people_and_settings(board, run, old):
    board.put("/var/lib/kface/gallery.db", "people")
    status, said, _ = run(board, "--uninstall")
    assert status == 0
    assert "/etc/kface kept" in said
    assert board.running is None
    for name in ("/opt/kface", "/usr/local/bin/kface", "/var/cache/kface", "/etc/systemd/system/kface.service"):
        assert not os.path.lexists(str(board.at(name)))
    assert not os.path.lexists(str(board.at("/etc/systemd/system/kface.service.d")))
    assert board.read("/var/lib/kface/gallery.db") == "people"
    assert board.at("/etc/kface/gallery.key").exists()
    assert run(board, "--yes")[0] == 0  # And the way back: the same key, the same people.


def test_purge_asks_and_then_forgets(board, run, old):
    board.put("/var/lib/kface/gallery.db", "people")
    status, _, error = run(board, "--uninstall", "--purge")
    assert (status, error) == (2, "install: --purge: nothing was removed; give --yes\n")
    assert board.running == old
    assert run(board, "--uninstall", "--purge", "--yes")[0] == 0
    assert not board.at("/var/lib/kface").exists()
    assert not board.at("/etc/kface").exists()
    assert "kface" not in board.read("/etc/passwd")
    assert run(board, "--uninstall")[0] == 0  # Nothing is there any more, and that is no fault.


def test_a_dry_uninstall_removes_nothing(board, run, old):
    before = board.tree()
    status, said, _ = run(board, "--uninstall", "--purge", "--dry-run")
    assert status == 0
    assert board.tree() == before
    assert "would remove /opt/kface" in said
    assert "would be removed" in said


def test_nobody_installs_packages_unasked(board, run):
    status, _, error = run(board)
    assert status == 2
    assert "not installed; pass --yes" in error
    assert not board.called("apt-get")


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 2), ("", 2)])
def test_the_question(answer, status, board, run, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert run(board)[0] == status


def test_a_package_that_is_not_there_keeps_no_other_out(board, run):
    board.set("refuse/python3-cryptography")
    status, said, error = run(board, "--yes")
    assert status == 2
    assert "cryptography: No module named" in error
    assert "E: Unable to locate package python3-cryptography" in said
    assert (board.board / "has" / "python3-yaml").exists()


def test_two_installers_at_once(board, run, system):
    from deploy.jetson.releases import Releases

    with Releases(system(board)).locked():
        status, _, error = run(board, "--yes")
    assert (status, error) == (2, "install: /opt/kface: another installer is running; wait until it has finished\n")
    assert run(board, "--yes")[0] == 0


def test_without_root_there_is_only_a_dry_run(monkeypatch, capsys, archive):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install.main(["--archive", str(archive)]) == 2
    assert capsys.readouterr().err.startswith("install: install.sh: requires root; run sudo ./install.sh")


def test_purge_alone_is_refused(board, run):
    status, _, error = run(board, "--purge")
    assert (status, error) == (2, "install: --purge: requires --uninstall\n")


def test_an_archive_of_an_unknown_future_jetson_is_tried(board, run):
    board.put("/etc/nv_tegra_release", "# R40 (release), REVISION: 1.0, GCID: 1\n")
    board.set("packages", "")
    status, said, _ = run(board, "--yes")
    assert status == 0
    assert "JetPack unknown to this installer (L4T 40.1.0)" in said


def test_an_archive_without_a_version(board, run, tmp_path):
    folder = make_archive(tmp_path / "odd")
    (folder / "src" / "kface" / "__init__.py").write_text("__version__ = 'x y'\n")
    status, _, error = run(board, "--yes", archive=seal(folder))
    assert status == 2
    assert "has no version" in error
