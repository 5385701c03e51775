"""Whether a runtime computes a bundle's embedder as the export did: measured on the bundle's golden faces, once a process.

Runtimes have been wrong without an error: OpenCV 4.8 to 4.14 once the batch changes, others by a wrong colour order, layout
or precision. So the golden faces go through one first, then all at once, then one again, the way a camera's faces come.
"""

import logging
from typing import TYPE_CHECKING, Callable, Dict, List, Set, Tuple

import numpy as np

from kface.bundle import Bundle, BundleFile, golden
from kface.bundle.directory import SPREAD, best_cosine
from kface.bundle.golden import Golden
from kface.errors import KFaceError, ModelError
from kface.networks import RUNTIMES, UnsuitableRuntimeError, runtimes
from kface.networks.registry import version

if TYPE_CHECKING:
    from kface.recognizer.embedder import Embedder

LOGGER = logging.getLogger(__name__)

#: Faces that are embedded: enough for a batch, few enough for a board.
FACES = 8

#: Smallest cosine by file, preprocessing, runtime and version: what was measured in this process already.
_MEASURED: Dict[Tuple[object, ...], Tuple[float, int]] = {}
_WARNED: Set[str] = set()


class WrongEmbeddingsError(UnsuitableRuntimeError):
    """A runtime computes other embeddings than those that a bundle was exported with."""


def check(embedder: "Embedder", bundle: Bundle, runtime: str) -> None:
    """Compare an embedder with its bundle's golden vectors; a bundle without any is warned about, once.

    Raises:
        WrongEmbeddingsError: Its embeddings are others, or it cannot embed the faces.
        ModelError: The golden vectors are damaged.
    """
    known = golden.read(bundle)
    if known is None:
        if bundle.manifest.fingerprint not in _WARNED:
            _WARNED.add(bundle.manifest.fingerprint)
            LOGGER.warning(
                "%s: has no golden vectors, so runtimes cannot be checked; export it again: kface export",
                bundle.directory,
            )
        return
    file = embedder.file
    release = version(runtime)
    key = (file.sha256, file.batch, file.outputs, known.sha256, bundle.manifest.preprocessing, runtime, release)
    if key not in _MEASURED:
        try:
            _MEASURED[key] = smallest_cosine(lambda crops: embedder.run(crops).vectors, known)
        except ModelError as error:
            raise WrongEmbeddingsError(error.what, error.where, error.remedy)
    cosine, batch = _MEASURED[key]
    wanted = least_cosine(known, file, RUNTIMES[runtime].computes)
    if cosine < wanted:
        raise WrongEmbeddingsError(
            "gives wrong embeddings on {} {}: a cosine of {:.4f} with the bundle's golden vectors in a batch of {}, "
            "where {:g} is the least".format(runtime, release, cosine, batch, wanted),
            bundle.path(file.path),
            _remedy(bundle, str(file.precision), runtime),
        )


def smallest_cosine(embed: Callable[[np.ndarray], np.ndarray], known: Golden) -> Tuple[float, int]:
    """Return the smallest cosine with the golden embeddings, and the batch that it was found in.

    Args:
        embed: uint8 (n, 112, 112, 3) RGB -> float32 (n, d), of length 1.
        known: The golden vectors.
    """
    faces, vectors = known.crops[:FACES], known.embeddings[:FACES]
    found: List[Tuple[float, int]] = []
    for some in (slice(0, 1), slice(None), slice(0, 1)):
        made = embed(faces[some])
        found.append((least_of(made, vectors[some]), len(made)))
    return min(found)


def least_of(embeddings: np.ndarray, expected: np.ndarray) -> float:
    """Return the least cosine of embeddings with those expected, both (n, d) of length 1; -1 where one is not finite."""
    cosines = (embeddings.astype(np.float64) * expected).sum(axis=1)
    return float(cosines.min()) if np.isfinite(cosines).all() else -1.0


def least_cosine(known: Golden, file: BundleFile, computes: str) -> float:
    """Return the least cosine: that of the precision, or less where the export itself found no runtime that reaches it.

    Args:
        known: The golden vectors.
        file: The embedder's.
        computes: The precision in which the runtime computes a file of full precision.
    """
    precision = str(file.precision)
    wanted = min(known.tolerance[precision], known.tolerance[computes])
    best = best_cosine(file)
    return wanted if precision == "fp32" or best is None else min(wanted, best - SPREAD)


def _remedy(bundle: Bundle, precision: str, runtime: str) -> str:
    others = []
    for name in runtimes():
        try:
            bundle.embedders(name, precision)
        except KFaceError:
            continue
        if name != runtime and not RUNTIMES[name].gpu:
            others.append("runtime={}".format(name))
    other = "use another runtime: {}".format(" or ".join(others)) if others else "install another runtime"
    return other + "; where all disagree, export the bundle again: kface export"
