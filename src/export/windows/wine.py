"""Programs for Windows, run under wine in a Windows of their own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from export.windows.running import run

#: No debug output, no offers to download a browser, and file names in UTF-8 whatever the user's locale is.
ENVIRONMENT = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=", "LC_ALL": "C.UTF-8", "WINEARCH": "win64"}


def environment(cache: Path) -> dict[str, str]:
    """Return the variables under which wine runs, with its files in the cache."""
    return {**ENVIRONMENT, "WINEPREFIX": str(cache / "wine")}


def start(cache: Path) -> Mapping[str, str]:
    """Set a Windows up in the cache, unless it is there, and return its variables."""
    variables = environment(cache)
    if not (cache / "wine" / "system.reg").is_file():
        run(["wine", "wineboot", "--init"], cache / "logs" / "wineboot.log", variables, what="setting wine up")
    return variables


def windows_path(path: Path) -> str:
    """Return a path of this machine as a program under wine sees it."""
    return "Z:" + os.path.abspath(path)


def run_tests(out: Path, variables: Mapping[str, str], logs: Path) -> str:
    """Run the library's own tests under wine, and return CTest's closing line."""
    log = logs / "wine-tests.log"
    run(
        ["ctest", "--output-on-failure", "--timeout", "600"],
        log,
        variables,
        cwd=out,
        what="the library's tests under wine",
    )
    lines = [
        line for line in log.read_text(encoding="utf-8").splitlines() if "tests passed" in line or "No tests" in line
    ]
    return lines[-1].strip() if lines else "CTest ran no test"


def run_program(program: Path, arguments: Sequence[str], variables: Mapping[str, str], log: Path, what: str) -> None:
    """Run a program under wine; raises KFaceError where it fails."""
    run(["wine", str(program), *arguments], log, variables, what=what)
