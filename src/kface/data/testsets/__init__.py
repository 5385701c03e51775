"""Test sets of pairs: K-Face (or its synthetic sample), LFW, AgeDB-30 and CFP-FP."""

from kface.data.testsets.base import TestSet
from kface.data.testsets.faces import acquire
from kface.data.testsets.insightface import bin_set
from kface.data.testsets.kface_pairs import kface_set
from kface.data.testsets.lfw import cfp_set, lfw_set

__all__ = ["TestSet", "acquire", "bin_set", "cfp_set", "kface_set", "lfw_set"]
