"""Compares a program with a bundle's golden vectors, stage by stage, each from the golden values of the one before.

The tolerances and the comparisons are those of ``docs/golden.md``.
"""

from typing import Callable, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from kface.bundle import Bundle, BundleFile
from kface.bundle.golden import Golden, read_picture
from kface.check.chain import Chain
from kface.errors import KFaceError
from kface.faces import Faces
from kface.mtcnn.boxes import overlaps
from kface.recognizer.selfcheck import least_cosine, least_of, smallest_cosine


class StageResult(NamedTuple):
    """What came out of one stage by one program.

    Attributes:
        stage: "detection", "alignment", "embedding" or "chain".
        runtime: What computed it.
        version: Of the runtime.
        file: The embedder's; empty where none is involved.
        landmarks: Largest difference of a landmark in x or y, in pixels; None where the stage has none.
        crops: Largest mean absolute difference of a crop, in grey levels; likewise.
        cosine: The least cosine with a golden embedding; likewise.
        wrong: Why it is wrong; empty where it is not.
    """

    stage: str
    runtime: str
    version: str
    file: str = ""
    landmarks: Optional[float] = None
    crops: Optional[float] = None
    cosine: Optional[float] = None
    wrong: str = ""


class _Difference(NamedTuple):
    """How far found faces are from the golden ones: pixels, pixels, probability."""

    landmarks: float
    boxes: float
    scores: float


class _Pictures:
    """A bundle's golden pictures with their pixels."""

    def __init__(self, bundle: Bundle, known: Golden) -> None:
        self.each = [(picture, read_picture(bundle, picture)) for picture in known.pictures]


def check_bundle(bundle: Bundle, known: Golden, programs: Sequence[Chain]) -> List[StageResult]:
    """Check programs, the stages of each; they are closed afterwards.

    Returns:
        The results, stage after stage. Of bundles without golden pictures only the embeddings can be checked.
    """
    results: List[StageResult] = []
    aligners: Set[str] = set()
    for program in programs:
        try:
            results += check_chain(bundle, known, program, program.aligner not in aligners)
        finally:
            program.close()
        aligners.add(program.aligner)
    order = ["detection", "alignment", "embedding", "chain"]
    return sorted(results, key=lambda result: order.index(result.stage))


def check_chain(bundle: Bundle, known: Golden, program: Chain, alignment: bool = True) -> List[StageResult]:
    """Check one program.

    Args:
        bundle: The bundle.
        known: Its golden vectors.
        program: The program.
        alignment: Whether the alignment is checked too.

    Raises:
        ModelError: A golden picture is damaged.
    """
    pictures = _Pictures(bundle, known)
    results: List[StageResult] = []
    if known.pictures:
        if program.finds_faces:
            results.append(_attempt("detection", program, "", lambda: _detection(known, program, pictures)))
        if alignment:
            made = _attempt("alignment", program, "", lambda: _alignment(known, program, pictures))
            results.append(made._replace(runtime=program.aligner, version=program.aligner_version()))
    for file in program.files:
        results.append(_attempt("embedding", program, file.path, _embedding_check(known, program, file)))
    if known.pictures and program.files:
        file = program.files[0]
        results.append(_attempt("chain", program, file.path, lambda: _chain(known, program, file, pictures)))
    return results


def _attempt(stage: str, program: Chain, file: str, check: Callable[[], StageResult]) -> StageResult:
    """Return a check's result with the program's name; a program that cannot run is wrong too."""
    try:
        made = check()
    except KFaceError as error:
        made = StageResult(stage, "", "", wrong=str(error))
    return made._replace(stage=stage, runtime=program.runtime, version=program.version(), file=file)


def _detection(known: Golden, program: Chain, pictures: _Pictures) -> StageResult:
    tolerance = known.detector_tolerance
    limits = _Difference(*(values[program.computes] for values in tolerance))
    worst = _Difference(0.0, 0.0, 0.0)
    wrong: List[str] = []
    for picture, rgb in pictures.each:
        found = program.detect(rgb)
        if found.count != picture.faces.count:
            wrong.append(_count(picture.path, found, picture.faces))
            continue
        found = found.take(_partners(found, picture.faces))
        difference = _difference(found, picture.faces)
        worst = _Difference(*(max(pair) for pair in zip(worst, difference)))
    for name, value, limit, unit in zip(_Difference._fields, worst, limits, (" px", " px", "")):
        if not value <= limit:
            wrong.append(f"{name} differ by {value:.3g}{unit}, where {limit:g} is the most")
    return StageResult("", "", "", landmarks=worst.landmarks, wrong="; ".join(wrong))


def _count(path: str, found: Faces, expected: Faces) -> str:
    return f"{path}: {found.count} faces found, where {expected.count} are"


def _partners(found: Faces, expected: Faces) -> np.ndarray:
    """Return int64 (n,): for each expected face the found one that overlaps it most, each at most once."""
    shared = overlaps(expected.boxes, found.boxes)
    partners = np.zeros(expected.count, np.int64)
    for _ in range(expected.count):
        one, other = np.unravel_index(int(np.argmax(shared)), shared.shape)
        partners[one] = other
        shared[one, :] = -1
        shared[:, other] = -1
    return partners


def _difference(found: Faces, expected: Faces) -> _Difference:
    pairs = ((found.landmarks, expected.landmarks), (found.boxes, expected.boxes), (found.scores, expected.scores))
    # A value that is not finite is the largest difference.
    largest = [
        (float(np.abs(one - other).max()) if np.isfinite(one).all() else np.inf) if one.size else 0.0
        for one, other in pairs
    ]
    return _Difference(*largest)


def _alignment(known: Golden, program: Chain, pictures: _Pictures) -> StageResult:
    worst = 0.0
    for picture, rgb in pictures.each:
        if picture.faces.count:
            crops = program.align(rgb, picture.faces.landmarks)
            worst = max(worst, _mean_difference(crops, known.crops[list(picture.crops)]))
    wrong = ""
    if not worst <= known.crop_tolerance:
        wrong = f"a crop differs by {worst:.3g} grey levels on average, where {known.crop_tolerance:g} is the most"
    return StageResult("", "", "", crops=worst, wrong=wrong)


def _mean_difference(crops: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest mean absolute difference of a crop."""
    return float(np.abs(crops.astype(np.float64) - expected).mean(axis=(1, 2, 3)).max())


def _embedding_check(known: Golden, program: Chain, file: BundleFile) -> Callable[[], StageResult]:
    def check() -> StageResult:
        cosine, batch = smallest_cosine(lambda crops: program.embed(crops, file), known)
        return _with_cosine(cosine, known, program, file, f" in a batch of {batch}")

    return check


def _with_cosine(cosine: float, known: Golden, program: Chain, file: BundleFile, where: str = "") -> StageResult:
    least = least_cosine(known, file, program.computes)
    wrong = ""
    if not cosine >= least:
        wrong = f"a cosine of {cosine:.4f} with the golden embedding{where}, where {least:g} is the least"
    return StageResult("", "", "", cosine=cosine, wrong=wrong)


def _chain(known: Golden, program: Chain, file: BundleFile, pictures: _Pictures) -> StageResult:
    worst, cosines = 0.0, [1.0]
    for picture, rgb in pictures.each:
        found = program.detect(rgb)
        if found.count != picture.faces.count:
            return StageResult("", "", "", wrong=_count(picture.path, found, picture.faces))
        if not found.count:
            continue
        found = found.take(_partners(found, picture.faces))
        worst = max(worst, _difference(found, picture.faces).landmarks)
        vectors = program.embed(program.align(rgb, found.landmarks), file)
        cosines.append(least_of(vectors, known.embeddings[list(picture.crops)]))
    return _with_cosine(min(cosines), known, program, file)._replace(landmarks=worst)


def table(results: Sequence[StageResult]) -> str:
    """Return the results as plain text: a row each, and below what is wrong."""
    heads = ("stage", "runtime", "version", "file", "landmarks (px)", "crops (grey levels)", "least cosine", "result")
    rows: List[Tuple[str, ...]] = [heads]
    for one in results:
        rows.append(
            (
                one.stage,
                one.runtime,
                one.version,
                one.file,
                _number(one.landmarks, "{:.4f}"),
                _number(one.crops, "{:.3f}"),
                _number(one.cosine, "{:.6f}"),
                "wrong" if one.wrong else "ok",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    for one in results:
        if one.wrong:
            of = f" on {one.file}" if one.file else ""
            lines.append(f"{one.stage} by {one.runtime}{of}: {one.wrong}")
    return "\n".join(lines)


def _number(value: Optional[float], form: str) -> str:
    return "" if value is None else form.format(value)
