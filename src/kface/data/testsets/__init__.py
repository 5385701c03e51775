"""Test sets of pairs: K-Face (or its synthetic sample), and the public sets in :mod:`kface.data.testsets.registry`."""

from kface.data.testsets.base import Templates, TestSet
from kface.data.testsets.cfp import cfp_set
from kface.data.testsets.faces import acquire
from kface.data.testsets.ijb import ijb_set
from kface.data.testsets.image_lists import listed_set
from kface.data.testsets.insightface import bin_set
from kface.data.testsets.kface_pairs import kface_set
from kface.data.testsets.lfw import lfw_set
from kface.data.testsets.registry import PHOTOGRAPH_SETS, PhotographSet

__all__ = [
    "PHOTOGRAPH_SETS",
    "PhotographSet",
    "Templates",
    "TestSet",
    "acquire",
    "bin_set",
    "cfp_set",
    "ijb_set",
    "kface_set",
    "lfw_set",
    "listed_set",
]
