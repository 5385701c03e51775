"""Finds the programs that are installed here."""

from typing import List, Optional, Sequence

from kface.bundle import Bundle
from kface.bundle.golden import DetectorSettings
from kface.check.chain import Chain, PythonChain
from kface.check.library_chain import library_chain
from kface.errors import ConfigError
from kface.networks import RUNTIMES, resolve, runtimes
from kface.networks.registry import on_jetson

LIBRARY = "library"


def chains(bundle: Bundle, settings: Optional[DetectorSettings], names: Sequence[str] = ()) -> List[Chain]:
    """Return the programs that are installed here: one for each runtime, and the C++ library.

    Args:
        bundle: The bundle.
        settings: The golden vectors'.
        names: Runtimes, or "library"; by default all, but those on a GPU on a Jetson only.

    Raises:
        ConfigError: A name is unknown, or not installed.
    """
    made: List[Chain] = []
    for name in names or runtimes(gpu=on_jetson()):
        if name != LIBRARY:
            # Nor "auto", which is any of them.
            if name not in RUNTIMES:
                raise ConfigError("unknown runtime", name, "choose one of: {}".format(", ".join([*RUNTIMES, LIBRARY])))
            made.append(PythonChain(bundle, resolve(name, RUNTIMES[name].formats[0]), settings))
    if not names or LIBRARY in names:
        library = library_chain(bundle, settings)
        if library is not None:
            made.append(library)
        elif names:
            raise ConfigError("is not installed here", LIBRARY, "build it, or choose another runtime")
    return made
