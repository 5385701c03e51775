"""Opens a network file and runs it: one small interface, an adapter a runtime.

A runtime is one module beside this one, or in :mod:`kface.tensorrt`, with a function ``load(data, path, threads) -> Network``;
it is imported when it is asked for, so that a machine needs only the runtimes that it uses.
"""

from kface.networks.base import Network
from kface.networks.registry import RUNTIMES, UnsuitableRuntimeError, open_network, read_network, resolve, runtimes

__all__ = ["RUNTIMES", "Network", "UnsuitableRuntimeError", "open_network", "read_network", "resolve", "runtimes"]
