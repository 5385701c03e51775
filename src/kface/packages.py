"""What to do where a package that a stage needs is not installed."""

from pathlib import Path
from typing import Optional, Set

from kface.errors import ConfigError, KFaceError

#: What `make setup` installs unless it is told otherwise.
DEFAULT = "train,export,kisa,deploy,openvino,dev"
#: The extra of ``pyproject.toml`` that brings a module which those do not.
EXTRAS = {"qtpy": "gui", "PySide6": "gui", "PyQt5": "gui"}
#: What an installation without a checkout needs for all commands.
INSTALLED = "train,export,kisa,deploy,openvino"
#: A missing module of these is a defect of the program, not of the machine.
OWN = ("kface", "train", "export", "deploy", "benchmarks")


def absent(error: Optional[BaseException], extra: Optional[str] = None) -> Optional[KFaceError]:
    """Return the one line for an exception that comes from a package which is missing or broken; None for any other.

    Args:
        error: What was raised; its causes are looked through, and the first failed import counts.
        extra: Of ``pyproject.toml``: brings what the command needs. It counts where kface is installed; in a checkout,
            ``make setup`` brings all.
    """
    found = _first_import(error)
    if found is None:
        return None
    name = (found.name or "").partition(".")[0]
    if name in OWN:
        return None
    further = [EXTRAS[name]] if name in EXTRAS else []
    if in_checkout():
        remedy = "run make setup EXTRAS={}".format(",".join([DEFAULT] + further))
    else:
        remedy = "run pip install 'kface[{}]'".format(",".join([extra or INSTALLED] + further))
    if isinstance(found, ModuleNotFoundError):
        return ConfigError("is not installed", name, remedy)
    # Installed, but a library of the system's is missing or of another version.
    if in_checkout():
        remedy = "run scripts/system-packages, or " + remedy
    return ConfigError("cannot be imported ({})".format(found), name or None, remedy)


def in_checkout() -> bool:
    """Return whether this program runs from a checkout, which has ``make setup``."""
    return (Path(__file__).resolve().parents[2] / "scripts" / "setup").is_file()


def _first_import(error: Optional[BaseException]) -> Optional[ImportError]:
    found = None
    seen: Set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found = error if isinstance(error, ImportError) else found
        error = error.__cause__ or error.__context__
    return found
