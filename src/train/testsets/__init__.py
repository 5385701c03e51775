"""Test sets of pairs: K-Face (or its synthetic sample), LFW, AgeDB-30 and CFP-FP."""

from train.testsets.base import TestSet
from train.testsets.faces import acquire
from train.testsets.insightface import bin_set
from train.testsets.kface_pairs import kface_set
from train.testsets.lfw import cfp_set, lfw_set

__all__ = ["TestSet", "acquire", "bin_set", "cfp_set", "kface_set", "lfw_set"]
