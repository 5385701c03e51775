"""Determines the input format of a foreign network by trying colour orders and normalisations on pairs of faces."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from export import paired
from kface.errors import ConfigError, ModelError
from kface.evaluation.foreign import ForeignNetwork, Preprocessing
from kface.verification import eer, score_pairs

COLOURS = ("rgb", "bgr")
#: Usual pairs of (mean, divisor): insightface's and ours, FaceNet's, none, and 0 to 1.
NORMALISATIONS = ((127.5, 128.0), (127.5, 127.5), (0.0, 1.0), (0.0, 255.0))
#: Pairs used first; doubled each time, as long as the combinations cannot be distinguished.
FIRST = 500
REPLICATES = 400
#: Share of draws in which a combination must be worse to be dropped: early, on few pairs, and at the end.
EARLY, FINAL = 0.998, 0.975
#: Embeddings that differ by less than this between faces do not identify anyone.
SAME = 1e-6


class Tried(NamedTuple):
    """A combination with its equal error rate, from 0 to 1, and the number of pairs."""

    preprocessing: Preprocessing
    eer: float
    pairs: int


class Probed(NamedTuple):
    """The result of probing.

    Attributes:
        tried: All combinations that were tried, the best first.
        embeddings: float32 (n, d), the network's embeddings of the faces with the best one; zeros where not computed.
        known: bool (n,), the faces whose embeddings were computed.
    """

    tried: list[Tried]
    embeddings: np.ndarray
    known: np.ndarray


class _Candidate:
    """A combination with the embeddings computed so far; each face is embedded once."""

    def __init__(self, preprocessing: Preprocessing, count: int) -> None:
        self.preprocessing = preprocessing
        self.known = np.zeros(count, bool)
        self.embeddings: np.ndarray | None = None
        self.scores = np.zeros(0)
        self.eer = 1.0
        self.pairs = 0
        self.finite = True

    def measure(self, embedder: ForeignNetwork, faces: np.ndarray, pairs: np.ndarray, genuine: np.ndarray) -> None:
        """Compute the missing embeddings and the equal error rate on these pairs."""
        new = np.setdiff1d(np.unique(pairs), np.flatnonzero(self.known))
        if len(new):
            found = embedder.run(faces[new], self.preprocessing)
            if self.embeddings is None:
                self.embeddings = np.zeros((len(faces), found.shape[1]), np.float32)
            self.embeddings[new] = found
            self.known[new] = True
            # A network that overflows on this input expects another one.
            self.finite = self.finite and bool(np.isfinite(found).all())
        self.pairs = len(pairs)
        if self.finite and self.embeddings is not None:
            self.scores = score_pairs(self.embeddings, pairs)
            self.eer = eer(self.scores, genuine)[0]
        else:
            self.scores, self.eer = np.zeros(len(pairs)), 1.0


def probe(
    embedder: ForeignNetwork,
    faces: np.ndarray,
    pairs: np.ndarray,
    genuine: np.ndarray,
    colour: str = "auto",
    normalisation: Sequence[float] | None = None,
    seed: int = 0,
) -> Probed:
    """Determine what a network expects by how well it distinguishes people.

    The combinations are compared on the same pairs, with a bootstrap over pairs, first on a few hundred. Those that are
    certainly worse are dropped, and the others are compared on twice as many pairs, until one is left.

    Args:
        embedder: The network.
        faces: uint8 (n, 112, 112, 3), RGB.
        pairs: Integers (m, 2), indices of faces.
        genuine: bool (m,).
        colour: "rgb" or "bgr" if known, else "auto".
        normalisation: (mean, divisor) if known.
        seed: Of the order of the pairs and of the draws.

    Returns:
        The combinations that were tried, and the embeddings by the best, for reuse.

    Raises:
        ConfigError: A declared value is invalid, or the pairs cannot decide which combination is right.
        ModelError: With every combination the embeddings are not finite, or the same for every face.
    """
    if colour not in (*COLOURS, "auto"):
        raise ConfigError("must be rgb, bgr or auto", f"preprocessing.colour={colour}")
    if normalisation is not None and (len(normalisation) != 2 or not normalisation[1] > 0):
        raise ConfigError(
            "must be [mean,divisor] with a positive divisor", f"preprocessing.normalisation={list(normalisation)}"
        )
    order = np.random.default_rng(seed).permutation(len(pairs))
    pairs, genuine = pairs[order], genuine[order]
    candidates = [_Candidate(one, len(faces)) for one in _combinations(colour, normalisation)]
    left = candidates
    count = FIRST if len(left) > 1 else len(pairs)
    while True:
        # A handful of pairs of one kind is not enough.
        while count < len(pairs) and min(genuine[:count].sum(), (~genuine[:count]).sum()) < FIRST // 5:
            count *= 2
        count = min(count, len(pairs))
        for candidate in left:
            candidate.measure(embedder, faces, pairs[:count], genuine[:count])
        # Before the comparison, which takes seconds and would not notice.
        _refuse_useless(min(left, key=lambda one: one.eer), embedder, pairs[:count])
        last = count == len(pairs)
        left = _survivors(left, genuine[:count], FINAL if last else EARLY, seed)
        if len(left) == 1 or last:
            break
        count *= 2
    best = left[0]
    if len(left) > 1:
        raise ConfigError(
            f"the pairs cannot distinguish {best.preprocessing} (EER {100 * best.eer:.1f} %) from {left[1].preprocessing} "
            f"(EER {100 * left[1].eer:.1f} %)",
            embedder.shown,
            "declare preprocessing.colour=rgb or preprocessing.colour=bgr and preprocessing.normalisation=[mean,divisor], "
            "or probe on more real faces: evaluate.lfw=DIR",
        )
    rest = sorted((one for one in candidates if one is not best), key=lambda one: one.eer)
    assert best.embeddings is not None
    tried = [Tried(one.preprocessing, one.eer, one.pairs) for one in (best, *rest)]
    return Probed(tried, best.embeddings, best.known)


def _combinations(colour: str, normalisation: Sequence[float] | None) -> list[Preprocessing]:
    """Return the combinations to try, without those that are practically equal to another."""
    colours = COLOURS if colour == "auto" else (colour,)
    normalisations = NORMALISATIONS if normalisation is None else ((normalisation[0], normalisation[1]),)
    found: list[Preprocessing] = []
    for order, (mean, divisor) in itertools.product(colours, normalisations):
        one = Preprocessing(order, float(mean), float(divisor))
        if not any(_alike(one, other) for other in found):
            found.append(one)
    return found


def _survivors(candidates: list[_Candidate], genuine: np.ndarray, level: float, seed: int) -> list[_Candidate]:
    """Return the best combination, followed by those that are not certainly worse."""
    ordered = sorted(candidates, key=lambda one: one.eer)
    best = ordered[0]
    kept = [best]
    for other in ordered[1:]:
        if not best.finite or not other.finite:
            continue
        found = paired.differences(best.scores, other.scores, genuine, None, REPLICATES, seed)
        worse = [float(np.mean(values > 0)) for values in (found.eer, found.area) if len(values)]
        # The area decides if hardly a pair is wrong; it must not overrule the error rate.
        if not worse or max(worse) < level or other.eer < best.eer:
            kept.append(other)
    return kept


def _refuse_useless(best: _Candidate, embedder: ForeignNetwork, pairs: np.ndarray) -> None:
    if not best.finite:
        raise ModelError(
            "gives embeddings that are not finite", embedder.shown, "export it again, in float32, for inference"
        )
    assert best.embeddings is not None
    some = best.embeddings[np.unique(pairs)]
    if np.ptp(some, axis=0).max() <= SAME * max(float(np.abs(some).max()), 1e-12):
        raise ModelError(
            "gives the same embedding for every face", embedder.shown, "give a trained network, and its embedding"
        )


def _alike(one: Preprocessing, other: Preprocessing) -> bool:
    """Return whether two differ by less than half a grey level, which does not affect embeddings."""
    return (
        one.colour == other.colour
        and one.mean == other.mean
        and abs(one.divisor / other.divisor - 1) < 0.5 / 127.5 + 1e-3
    )
