"""Reports packages that are not installed, and how to install them."""

from pathlib import Path
from typing import Optional, Set

from kface.errors import ConfigError, KFaceError

#: Extras that `make setup` installs by default.
DEFAULT = "train,export,kisa,deploy,openvino,dev"
#: By module, the extra of ``pyproject.toml`` that installs it, where the default does not.
EXTRAS = {"qtpy": "gui", "PySide6": "gui", "PyQt5": "gui", "mlflow": "mlflow"}
#: Extras for all commands in an installation without a checkout.
INSTALLED = "train,export,kisa,deploy,openvino"
#: A missing module of these packages is a defect of the program.
OWN = ("kface", "train", "export", "deploy", "benchmarks")


def absent(error: Optional[BaseException], extra: Optional[str] = None) -> Optional[KFaceError]:
    """Return the error of a package that is missing or broken; None for any other exception.

    Args:
        error: The exception; of it and its causes the first failed import counts.
        extra: The extra of ``pyproject.toml`` that the command needs, for an installation; in a checkout ``make setup``
            installs all.
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
    # It is installed, but a system library is missing or of another version.
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
