"""Scores of made-up people, for the tests of the KISA test's figures."""

import numpy as np

from kface.kisa.conditions import CONDITIONS, PROBES
from kface.kisa.matching import FAILED_SCORE, KisaScores, PairPolicy


def made_up(people=12, noise=1.0, failed=0.0, seed=0, policy=None, levels=None, conditions=PROBES):
    """Return scores as an engine of middling quality gives them; `levels` rounds them, so that many tie."""
    random = np.random.RandomState(seed)
    base = random.randn(people, 32)

    def unit(vectors):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    owners = np.repeat(np.arange(people), len(conditions))
    places = np.tile([condition.place for condition in conditions], people)
    probes = unit(base[owners] + noise * random.randn(len(owners), 32))
    scores = (probes @ unit(base + noise * random.randn(people, 32)).T).astype(np.float32)
    if levels is not None:
        scores = np.round(scores * levels) / np.float32(levels)
    probe_failed, enrolment_failed = random.rand(len(owners)) < failed, random.rand(people) < failed
    scores[probe_failed] = FAILED_SCORE
    scores[:, enrolment_failed] = FAILED_SCORE
    categories = np.array([CONDITIONS[place].category.value for place in places])
    compared = (policy or PairPolicy()).compared(owners, categories, people)
    return KisaScores(scores, owners, places, np.arange(len(owners)), compared, probe_failed, enrolment_failed)
