"""The installation, step by step: every step can be repeated, and where one fails the release before runs on."""

import argparse
import contextlib
import os
import sys
from typing import Callable, Dict, List, Optional, Tuple

from deploy.jetson import checks, service
from deploy.jetson.board import BRINGS, OLDEST, Board, read_board
from deploy.jetson.command import CURRENT, HOME, STATE, USER, environment
from deploy.jetson.releases import PREVIOUS, Releases, read_sums, release_name
from deploy.jetson.system import InstallError, System
from kface.errors import KFaceError


class Installer(object):
    """One installation.

    Args:
        system: The board.
        archive: The unpacked archive, on this machine.
        arguments: Of the command line.
    """

    def __init__(self, system: System, archive: str, arguments: argparse.Namespace) -> None:
        self.system = system
        self.archive = os.path.abspath(archive)
        self.arguments = arguments
        self.releases = Releases(system)
        self.source = os.path.join(self.archive, "src")
        self.name = ""
        self.sums: Dict[str, str] = {}
        self.board: Optional[Board] = None
        self._stopped = False

    @property
    def steps(self) -> List[Tuple[str, Callable[[], None]]]:
        """The steps, in their order."""
        return [
            ("archive", self._check_archive),
            ("board", self._read_board),
            ("packages", self._check_packages),
            ("release", self._put_release),
            ("user", self._put_user),
            ("settings", self._put_settings),
            ("kernels", self._compile_kernels),
            ("engines", self._build_engines),
            ("speed", self._show_speed),
            ("service", self._start),
            ("tidy", self._tidy),
        ]

    def run(self) -> None:
        """Do all steps.

        Raises:
            InstallError: One fails; it names itself.
        """
        steps = self.steps
        for number, (name, step) in enumerate(steps, 1):
            self.system.log("[{:>2}/{}] {}".format(number, len(steps), name))
            try:
                step()
            except BaseException as error:
                runs = self._run_on()
                if not isinstance(error, KFaceError):
                    raise
                what = "step {} of {}, {}: {}".format(number, len(steps), name, error)
                raise InstallError(
                    what, None, "the previous release is still running: {}".format(runs) if runs else None
                )

    def _run_on(self) -> Optional[str]:
        """Start what was stopped; return the release that runs, if one does."""
        if self._stopped:
            self._stopped = False
            self.system.work(["systemctl", "start", service.NAME])
        return self.releases.current if service.running(self.system) else None

    def _log(self, text: str) -> None:
        self.system.log("    " + text)

    def _check_archive(self) -> None:
        self.sums = read_sums(self.archive)
        self.name = release_name(self.archive)
        self._log("kface {}, {} files, checksums match".format(self.name, len(self.sums)))

    @property
    def place(self) -> str:
        """The release's directory on the board."""
        return "{}/{}".format(HOME, self.name)

    def _read_board(self) -> None:
        board = self.board = read_board(self.system)
        self._log(board.model)
        if not board.is_jetson:
            self._log("not a Jetson: no engines, everything runs on the CPU")
            return
        assert board.l4t is not None
        release = ".".join(map(str, board.l4t))
        self._log("JetPack {} (L4T {})".format(board.jetpack or "unknown to this installer", release))
        if board.major in BRINGS:
            self._log("comes with TensorRT {}, CUDA {}, OpenCV {}, Python {}".format(*BRINGS[board.major]))
        if not board.supported:
            raise InstallError("is too old", "L4T " + release, "flash JetPack {} or newer".format(OLDEST))

    def _check_packages(self) -> None:
        found = self._look()
        poor = [finding for finding in found if finding.state != checks.OK]
        packages = sorted({name for finding in poor for name in finding.packages})
        wheels = sorted({name for finding in poor for name in finding.wheels})
        if packages or wheels:
            self._mend(packages, wheels)
            if not self.system.dry:
                found = self._look()
        lacking = [finding for finding in found if finding.state == checks.MISSING]
        if lacking and not self.system.dry:
            first = lacking[0]
            remedy = first.remedy or "see docs/jetson.md, {}".format(first.name)
            more = " (and {})".format(", ".join(finding.name for finding in lacking[1:])) if lacking[1:] else ""
            raise InstallError("{}{}".format(first.text, more), first.name, remedy)

    def _look(self) -> List[checks.Finding]:
        assert self.board is not None
        found = checks.check(self.system, self.board, self.source)
        for finding in found:
            self.system.log(str(finding))
        return found

    def _mend(self, packages: List[str], wheels: List[str]) -> None:
        self._log("available from apt: {}".format(" ".join(packages) or "nothing"))
        if wheels:
            self._log("available from pip, into {}: {}".format(checks.WHEELS, " ".join(wheels)))
        if not self.system.dry and not self.arguments.yes and not agreed("    install them?"):
            raise InstallError("not installed", " ".join(packages + wheels), "pass --yes, or install them yourself")
        wait = ["-o", "DPkg::Lock::Timeout=300"]
        self.system.work(["apt-get", "update", "-q"] + wait)
        # One by one: a package that this release does not have must not keep the others out.
        for package in packages:
            argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends"] + wait + [package]
            if self.system.work(argv).status != 0:
                self._log("cannot install {}".format(package))
        if wheels:
            checks.fetch_wheels(self.system, wheels)

    def _put_release(self) -> None:
        if self.releases.put(self.archive, self.name, self.sums):
            if not self.system.dry:
                self._log("{} installed".format(self.place))
            # Only root may write there, so that the service could not keep what it compiles.
            self.system.work([checks.python(), "-I", "-m", "compileall", "-q", self.system.path(self.place + "/src")])
        else:
            self._log("{} is already installed and complete".format(self.place))
        if not self.system.dry:
            # What was compared with its hashes is read from here on: the archive's directory may be another user's.
            self.archive = self.system.path(self.place)
            self.source = os.path.join(self.archive, "src")

    def _put_user(self) -> None:
        service.make_user(self.system)
        service.make_folders(self.system)
        self._log("{}: /var/lib/kface, /var/cache/kface, /etc/kface".format(USER))

    def _put_settings(self) -> None:
        assert self.board is not None
        with open(os.path.join(self.archive, "deploy.yaml"), "rb") as stream:
            outcome = service.put_settings(self.system, stream.read())
        self._log("{} {}".format(service.CONFIGURATION, outcome))
        with open(os.path.join(self.archive, "environment"), encoding="utf-8") as template:
            service.put_environment(self.system, template.read(), self.board)
        self._log("the gallery's key {}".format(service.put_key(self.system)))

    def _compile_kernels(self) -> None:
        # Into the service's own cache: only the service loads them, and no other user can write there.
        if self._as_user("kface.native", "build") != 0:
            self._log("not compiled, see above; numpy computes the same, more slowly")

    def _build_engines(self) -> None:
        assert self.board is not None
        if not self.board.is_jetson or self.arguments.skip_engines:
            self._log("none: {}".format("not wanted" if self.board.is_jetson else "not a Jetson"))
            return
        if service.running(self.system):
            # Two recognisers do not fit into a Nano's memory, and would slow each other down while times are taken.
            self._log("stopping the service meanwhile")
            self._stopped = not self.system.dry
            service.stop(self.system)
        self._log("takes up to half an hour on a Nano; existing engines are reused")
        made = self._as_user("kface.tensorrt", "verify", "--bundle", self.system.path(self.place + "/bundle"))
        if made == 1:
            raise InstallError(
                "an engine's output differs from its network's",
                "verify-engines",
                "see the line DIFFERS; sudo rm -r /var/cache/kface/engines and try again",
            )
        if made != 0:
            raise InstallError(
                "failed with status {}".format(made),
                "verify-engines",
                "see its last line and docs/jetson.md, or pass --skip-engines",
            )

    def _show_speed(self) -> None:
        if self.arguments.skip_bench:
            self._log("not wanted")
            return
        bundle, out = self.system.path(self.place + "/bundle"), self.system.path(STATE + "/bench.json")
        if self._as_user("deploy", "bench", "--quick", "--bundle", bundle, "--out", out) != 0:
            self._log("benchmark failed, see above; continuing")

    def _as_user(self, module: str, *arguments: str) -> int:
        """Run a module as the service's user, with the service's environment but this release; return the exit status."""
        env = environment(self.system.path(self.place))
        for name in ("KFACE_ENGINES", "CUDA_CACHE_PATH", "HOME"):
            env[name] = self.system.path(env[name])
        if self.board is not None and self.board.major == "4":
            env["OPENBLAS_CORETYPE"] = "ARMV8"
        settings = ["{}={}".format(name, value) for name, value in sorted(env.items())]
        source = self.system.path(self.place + "/src")
        argv = ["runuser", "-u", USER, "--", "env"] + settings + checks.launched(self.system, source, module, arguments)
        if self.system.dry:
            self._log("would run as {}: python3 -m {} {}".format(USER, module, " ".join(arguments)))
            return 0
        return self.system.work(argv, folder=self.system.path(STATE)).status

    def _start(self) -> None:
        assert self.board is not None
        before, older = self.releases.current, self.releases.previous
        self._use(self.name)
        if self.system.dry:
            self._log("would start {}".format(service.NAME))
        elif not service.booted(self.system):
            self._log(
                "systemd is not running; start by hand: sudo kface deploy --config {}".format(service.CONFIGURATION)
            )
        elif self.arguments.no_start:
            self._log("not started (--no-start); start it with: sudo systemctl enable --now kface")
        else:
            try:
                service.start(self.system)
            except BaseException:
                self._back(before, older)
                raise
            self._stopped = False
            self._log("{} is running and enabled at boot".format(service.NAME))
        # A dry run has not put the settings into their place.
        own = os.path.join(self.archive, "deploy.yaml")
        there = self.system.has(service.CONFIGURATION)
        service.tell_page(self.system, self.source, self.system.path(service.CONFIGURATION) if there else own)

    def _use(self, name: str) -> None:
        assert self.board is not None
        self.releases.switch(name)
        service.put_unit(self.system, "{}/{}".format(HOME, name), self.board)

    def _back(self, before: Optional[str], older: Optional[str]) -> None:
        """Undo what the start began."""
        if before is None or before == self.name:
            return
        self._log("rolling back to {}".format(before))
        self._use(before)
        # What did not start is nothing to roll back to.
        if older is None:
            self.system.remove(PREVIOUS)
        else:
            self.system.link(PREVIOUS, older)
        with contextlib.suppress(InstallError):
            service.start(self.system, 0)
        self._stopped = False

    def _tidy(self) -> None:
        removed = self.releases.prune()
        self._log("removed: {}".format(", ".join(removed)) if removed else "nothing to remove")
        if self.releases.previous:
            self._log("the previous release is kept: sudo {}/install.sh --rollback".format(CURRENT))

    def rollback(self) -> None:
        """Run the release before.

        Raises:
            InstallError: There is none, or it does not start; what runs now then runs on.
        """
        before = self.releases.previous
        if before is None or before == self.releases.current:
            raise InstallError("does not exist", "the previous release", "install an older archive")
        now = self.releases.current
        self.board = read_board(self.system)
        self._use(before)
        if service.booted(self.system):
            try:
                service.start(self.system)
            except InstallError:
                if now is not None:
                    self._use(now)
                    with contextlib.suppress(InstallError):
                        service.start(self.system, 0)
                raise
        self._log("{} is running instead of {}; {} is unchanged".format(before, now, service.CONFIGURATION))


def agreed(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    try:
        return input(question + " [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
