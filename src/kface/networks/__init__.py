"""Opens a network file and runs it: one small interface, one adapter per runtime.

A runtime's adapter is a module of this package, or of :mod:`kface.tensorrt`, with a function
``load(data, path, threads) -> Network``. It is imported on first use, so that a machine needs only the runtimes that it uses.
"""

from kface.networks.base import Network
from kface.networks.registry import RUNTIMES, UnsuitableRuntimeError, open_network, read_network, resolve, runtimes

__all__ = ["RUNTIMES", "Network", "UnsuitableRuntimeError", "open_network", "read_network", "resolve", "runtimes"]
