"""Where results go: each module here is an output; see :class:`deploy.outputs.base.Output` for how to add one."""

import importlib
import pkgutil
from typing import Tuple, Type

from deploy.outputs.base import Output, OutputStream, register, registered

__all__ = ["Output", "OutputStream", "outputs", "register"]


def outputs() -> Tuple[Type[Output], ...]:
    """Return all outputs there are: those that the modules of this package register."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module("{}.{}".format(__name__, module.name))
    return registered()
