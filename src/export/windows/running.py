"""Programs that a build runs: found beforehand, logged to files, their progress shown."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kface.errors import ConfigError, KFaceError
from kface.progress import Progress

#: What has to be there: name of the program, and what it is for.
PROGRAMS = {
    "x86_64-w64-mingw32-gcc-posix": "the C compiler for Windows",
    "x86_64-w64-mingw32-g++-posix": "the C++ compiler for Windows",
    "x86_64-w64-mingw32-objdump": "reads DLLs",
    "cmake": "configures the builds",
    "ninja": "runs the builds",
    "wine": "runs what was built",
}
#: Ninja's status, such as [12/549].
_STEP = re.compile(r"^\[(\d+)/(\d+)\]")
#: Lines of a log that say what is wrong.
_TELLING = re.compile(r"(^|\s)(fatal )?error\b|Error:|FAILED:|undefined reference", re.IGNORECASE)


def check_programs() -> None:
    """Raise ConfigError where a program is absent, naming all that are."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        raise ConfigError(
            f"{', '.join(absent)}: not found", "make kisa-windows", "scripts/system-packages windows (Debian, Ubuntu)"
        )


def run(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, what: str = ""
) -> None:
    """Run a program; what it prints goes to a file.

    Args:
        command: The program and its arguments.
        log: The file; overwritten.
        env: Variables that are added to this process's.
        cwd: Where it runs.
        what: What it does, for the progress line; nothing is shown where empty. A build's steps are counted.

    Raises:
        KFaceError: It cannot be started, or fails; the line quotes the first error in the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        Progress(None, what or "running", "steps", enabled=bool(what)) as progress,
        log.open("w", encoding="utf-8") as out,
    ):
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **(env or {})},
                cwd=cwd,
            )
        except OSError as error:
            raise KFaceError(f"cannot be run ({error.strerror or error})", command[0])
        with process:
            try:
                for line in process.stdout or ():
                    out.write(line)
                    step = _STEP.match(line)
                    if step:
                        progress.done, progress.total = int(step.group(1)), int(step.group(2))
                status = process.wait()
            except BaseException:
                process.terminate()
                raise
    if status:
        raise KFaceError(f"ended with status {status}: {telling_line(log)}", Path(command[0]).name, f"the log is {log}")


def telling_line(log: Path) -> str:
    """Return the line of a log that says what went wrong: the first with an error, or the last."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if _TELLING.search(line)), lines[-1] if lines else "it printed nothing")[:300]


def output_of(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Return what a short program prints; raises KFaceError where it fails."""
    done = subprocess.run(
        list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        env={**os.environ, **(env or {})}, check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise KFaceError(f"ended with status {done.returncode}: {' '.join(last)}", Path(command[0]).name)
    return done.stdout
