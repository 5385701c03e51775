"""Looks through who is enrolled for what makes recognition go wrong: mix-ups, poor single templates, pictures enrolled twice.

:meth:`kface.gallery.Gallery.check` proves that the file is what was written; this looks at what was enrolled.
"""

from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface.errors import GalleryError, KFaceError
from kface.gallery.enrolment import SAME_PICTURE
from kface.gallery.index import Index
from kface.gallery.quality import Limits
from kface.sharpness import sharpness

#: Kinds of findings, the worst first.
MISPLACED, SAME_OTHER, LOOKALIKE, POOR, UNSEEN, SAME_OWN = (
    "misplaced",
    "same picture, other person",
    "lookalike",
    "poor",
    "single",
    "same picture twice",
)
KINDS = (MISPLACED, SAME_OTHER, LOOKALIKE, POOR, UNSEEN, SAME_OWN)
#: Scores that are held at once: 32 MiB.
SCORES_AT_ONCE = 1 << 23


class Finding(NamedTuple):
    """Something to look at.

    Attributes:
        kind: One of :data:`KINDS`. :data:`MISPLACED`: a template resembles another person more than its own others.
            :data:`SAME_OTHER`: one picture is enrolled for two people. :data:`LOOKALIKE`: a person's template reaches the
            threshold with someone else, without being nearer to them than to its own. :data:`POOR`: the person's only
            template is of a blurred crop. :data:`UNSEEN`: the person has one template, and no crop to judge it by.
            :data:`SAME_OWN`: a person has one picture twice.
        name: The person.
        template: ID of the template.
        score: Cosine with the other template; of a poor one the sharpness of its crop; None for :data:`UNSEEN`.
        other_name: The other template's person; empty without one.
        other_template: The other template's ID; None without one.
        own_score: The best cosine with the person's other templates; None where there are none.
    """

    kind: str
    name: str
    template: int
    score: Optional[float] = None
    other_name: str = ""
    other_template: Optional[int] = None
    own_score: Optional[float] = None

    def __str__(self) -> str:
        return _TEXTS[self.kind].format(
            self.name, self.template, self.score or 0.0, self.other_name, self.other_template, self.own_score or 0.0
        )


_TEXTS = {
    MISPLACED: "{0}: template {1} resembles {3} (score {2:.3f}) more than {0}'s other templates ({5:.3f})",
    SAME_OTHER: "{0}: template {1} is the same picture as template {4} of {3}",
    LOOKALIKE: "{0}: template {1} would be recognised as {3} (score {2:.3f} with template {4})",
    POOR: "{0}: the only template, {1}, is of a blurred face (sharpness {2:.0f})",
    UNSEEN: "{0}: one template only, {1}, and no crop to judge it by",
    SAME_OWN: "{0}: templates {1} and {4} are of the same picture",
}


class Review(NamedTuple):
    """What was looked at, and found.

    Attributes:
        people: Number of people with templates.
        templates: Number of templates.
        findings: The worst kinds first; each once, although it is seen from both sides.
    """

    people: int
    templates: int
    findings: Tuple[Finding, ...]


class _Best(NamedTuple):
    """For each template, the best cosine and its row: among the person's other templates, and among everybody else's."""

    own: np.ndarray
    own_row: np.ndarray
    other: np.ndarray
    other_row: np.ndarray


def check_gallery(
    gallery: Any,
    recognised: Optional[float] = None,
    limits: Optional[Limits] = None,
    progress: Optional[Callable[[float], None]] = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Review:
    """Compare all templates with each other, and look at those that are a person's only one.

    The gallery is not locked meanwhile; what changes during it shows the next time. t templates take t^2 comparisons.

    Args:
        gallery: See :class:`kface.gallery.Gallery`.
        recognised: The threshold from which on a face is recognised; None leaves :data:`LOOKALIKE` out.
        limits: What a crop's sharpness should be; the default where None.
        progress: Gets the part that is done, from 0 to 1.
        cancelled: Whether to stop.

    Raises:
        GalleryError: The gallery cannot be read.
        KFaceError: It was cancelled.
    """
    index: Index = gallery.index()
    findings: List[Finding] = []
    report = progress or (lambda part: None)
    if index.entries:
        best = _compare(index, report, cancelled)
        for row in range(len(index.entries)):
            found = _judge(index, best, row, recognised)
            if found is not None:
                findings.append(found)
        findings = _once(findings)
        findings += _singles(gallery, index, (limits or Limits()).sharpness, cancelled)
    report(1.0)
    findings.sort(key=lambda one: (KINDS.index(one.kind), one.name, one.template))
    return Review(len(index.people), len(index.entries), tuple(findings))


def _stop_where(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise KFaceError("cancelled", "the check")


def _compare(index: Index, report: Callable[[float], None], cancelled: Callable[[], bool]) -> _Best:
    count = len(index.entries)
    owners = np.searchsorted(index.starts, np.arange(count), side="right") - 1
    own, other = np.full((count,), -np.inf), np.full((count,), -np.inf)
    own_row, other_row = np.full((count,), -1, np.intp), np.full((count,), -1, np.intp)
    step = max(1, SCORES_AT_ONCE // count)
    for start in range(0, count, step):
        _stop_where(cancelled)
        rows = np.arange(start, min(start + step, count))
        scores = np.dot(index.matrix[rows], index.matrix.T)
        same = owners[rows][:, None] == owners[None]
        scores[np.arange(len(rows)), rows] = -np.inf
        for wanted, best, place in ((same, own, own_row), (~same, other, other_row)):
            masked = np.where(wanted, scores, -np.inf)
            place[rows] = masked.argmax(axis=1)
            best[rows] = masked.max(axis=1)
        report(float(rows[-1] + 1) / count)
    return _Best(own, own_row, other, other_row)


def _judge(index: Index, best: _Best, row: int, recognised: Optional[float]) -> Optional[Finding]:
    """Return the worst that is wrong with a template's likenesses."""
    own, other = float(best.own[row]), float(best.other[row])
    has_own = np.isfinite(own)

    def made(kind: str, score: float, at: int) -> Finding:
        number, person_id, _ = index.entries[at]
        return Finding(
            kind,
            index.names[index.entries[row][1]],
            index.entries[row][0],
            min(1.0, score),
            index.names[person_id],
            number,
            min(1.0, own) if has_own else None,
        )

    if other >= SAME_PICTURE:
        return made(SAME_OTHER, other, int(best.other_row[row]))
    if has_own and other > own:
        return made(MISPLACED, other, int(best.other_row[row]))
    if recognised is not None and other >= recognised:
        return made(LOOKALIKE, other, int(best.other_row[row]))
    # Of two equal ones only the later is reported.
    if has_own and own >= SAME_PICTURE and best.own_row[row] < row:
        return made(SAME_OWN, own, int(best.own_row[row]))
    return None


def _once(findings: Sequence[Finding]) -> List[Finding]:
    """Leave out what follows from another finding, or repeats it from the other side."""
    wrong = {one.template for one in findings if one.kind == MISPLACED}
    kept: Dict[FrozenSet[object], Finding] = {}
    for one in sorted(findings, key=lambda one: (one.name, one.template)):
        if one.kind == MISPLACED or one.kind == SAME_OWN:
            kept[frozenset([one.kind, one.template])] = one
            continue
        # Who resembles a misplaced template of another person is on the right place.
        if one.other_template in wrong:
            continue
        pair: List[object] = [one.template, one.other_template]
        if one.kind == LOOKALIKE:
            # Of two people that are alike the most alike templates are enough.
            pair = [one.name, one.other_name]
        key = frozenset([one.kind] + pair)
        before = kept.get(key)
        # Seen from the other side a score is another one by its rounding.
        if before is None or (one.score or 0.0) > (before.score or 0.0) + 1e-5:
            kept[key] = one
    return list(kept.values())


def _singles(gallery: Any, index: Index, sharp: float, cancelled: Callable[[], bool]) -> List[Finding]:
    """Return what is wrong with templates that are a person's only one: all that is left of the picture is its crop."""
    ends = np.append(index.starts[1:], len(index.entries))
    found = []
    for start, end, person_id in zip(index.starts.tolist(), ends.tolist(), index.people):
        if end - start != 1:
            continue
        _stop_where(cancelled)
        template, name = index.entries[start][0], index.names[person_id]
        try:
            crop = gallery.crop(template)
        except GalleryError:
            # Deleted in the meantime, or damaged, which Gallery.check reports.
            continue
        if crop is None:
            found.append(Finding(UNSEEN, name, template))
            continue
        value = float(sharpness(crop[None])[0])
        if not value >= sharp:
            found.append(Finding(POOR, name, template, value))
    return found
