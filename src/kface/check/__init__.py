"""Checks every program that is installed here against a bundle's golden vectors, stage by stage; ``kface check BUNDLE``."""

from kface.check.chain import Chain, PythonChain
from kface.check.installed import chains
from kface.check.stages import StageResult, check_bundle, check_chain

__all__ = ["Chain", "PythonChain", "StageResult", "chains", "check_bundle", "check_chain"]
