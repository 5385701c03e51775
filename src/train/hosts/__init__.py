"""Training on several devices and several hosts, with JAX.

:mod:`train.hosts.settings` holds the settings, :mod:`train.hosts.link` connects the hosts, :mod:`train.hosts.cluster` is what
the training sees of them, :mod:`train.hosts.devices` spreads batches and weights over all devices.
"""

from train.hosts.cluster import Cluster
from train.hosts.settings import HostsSettings

__all__ = ["Cluster", "HostsSettings"]
