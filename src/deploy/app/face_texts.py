"""What the settings of faces and models say about people, pictures, thresholds and faults, in the user's language."""

import re
from typing import Callable, List, Sequence, Tuple

from deploy.app.texts import tr
from kface.gallery import FileResult, Finding, Refusal, several
from kface.gallery import review as kinds
from kface.recognizer.threshold_meaning import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    UNKNOWN_RATE,
    Rate,
    ThresholdMeaning,
    percent,
)

#: Parts of the gallery's and the images' errors, and the sentence for each; the first that is found counts.
_FAULTS: Tuple[Tuple[str, Callable[[], str]], ...] = (
    (
        "locked by another process",
        lambda: tr("Faults", "The database of people is in use by another program. Close that program, or try again."),
    ),
    (
        "key does not fit|decrypts nothing|no key|is not a key",
        lambda: tr("Faults", "The key does not open this database of people. Use the key it was created with."),
    ),
    (
        "replaced by an older file|replaced by another",
        lambda: tr(
            "Faults",
            "The database of people was replaced by an older or another file. Put the right file back, or accept this one"
            " with: kface gallery accept",
        ),
    ),
    (
        "templates are from another model|gallery is of another model",
        lambda: tr("Faults", "The people were enrolled with another model. Choose their model, or compute them again."),
    ),
    (
        "no such person",
        lambda: tr("Faults", "This person is not enrolled any more. Someone may have deleted or renamed them."),
    ),
    ("already enrolled", lambda: tr("Faults", "This name is taken. Choose another name, or merge the two people.")),
    (
        "someone else was enrolled under this name",
        lambda: tr("Faults", "Someone else has this name by now. Rename that person, then undo again."),
    ),
    ("can no longer be undone", lambda: tr("Faults", "This can no longer be undone. Enrol the person again.")),
    ("must not be empty", lambda: tr("Faults", "Please enter a name.")),
    ("same person twice", lambda: tr("Faults", "Choose two different people.")),
    (
        "a name must|a word of a name",
        lambda: tr("Faults", "This cannot be a name: it has characters that are not seen."),
    ),
    ("cancelled", lambda: tr("Faults", "Cancelled. What was not finished has not changed.")),
    (
        "have no crop and cannot be recomputed",
        lambda: tr("Faults", "Some people have no kept picture, so they cannot be computed again for this model."),
    ),
    ("has no threshold", lambda: tr("Faults", "This model has no measured threshold, so it cannot recognise people.")),
    ("is not a bundle", lambda: tr("Faults", "This folder is not a model. Choose a folder that has a manifest.json.")),
    (
        "SHA-256|was edited|is missing; copy the bundle|not the .* that were written",
        lambda: tr("Faults", "A file of this model is damaged or missing. Copy or export the model again."),
    ),
    (
        "No such file or directory",
        lambda: tr("Faults", "The file is not there any more. It may have been moved or deleted."),
    ),
    (
        "Permission denied",
        lambda: tr("Faults", "The file may not be read. Change its permissions, or copy it elsewhere."),
    ),
    (
        "not an image that can be decoded|is truncated|is a truncated|is empty \\(0 bytes\\)",
        lambda: tr("Faults", "This is not a picture that can be read, or it is damaged. Use a JPEG or PNG file."),
    ),
    ("more than the limit|more memory than", lambda: tr("Faults", "The picture is too large. Reduce its size.")),
    (
        "no space left|disk is full|free space",
        lambda: tr("Faults", "The database of people cannot be written. Check the free space and the permissions."),
    ),
    (
        "is damaged|was changed since|is not a gallery",
        lambda: tr(
            "Faults",
            "The database of people is damaged. Restore a copy, import an export, or look at it with: kface gallery check",
        ),
    ),
    ("has ended", lambda: tr("Faults", "The recognition has ended. Start it again.")),
)


def fault(line: str) -> str:
    """Return the sentence for the one line of an error; the line itself where none is known."""
    for pattern, sentence in _FAULTS:
        if re.search(pattern, line, re.IGNORECASE):
            return sentence()
    return line


def refusal(one: Refusal) -> str:
    """Return why a face is not good enough, and what would be."""
    value = one.value
    if one.what == "faces":
        if value == 0:
            return tr("Refusals", "no face was found")
        return tr("Refusals", "{} faces were found").format(int(value))
    texts = {
        "size": tr("Refusals", "the face is too small"),
        "sharpness": tr("Refusals", "the face is blurred"),
        "yaw": tr("Refusals", "the face looks to the side"),
        "pitch": tr("Refusals", "the face looks up or down"),
        "roll": tr("Refusals", "the face is not upright"),
        "outside": tr("Refusals", "a part of the face is outside the picture"),
    }
    return "{} ({:.3g}; {})".format(texts.get(one.what, one.what), value, bounds(one))


def bounds(one: Refusal) -> str:
    """Return what would have been good enough."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", one.bounds)
    if one.what == "size" and len(numbers) == 1:
        return tr("Refusals", "at least {} pixels").format(numbers[0])
    if one.what == "sharpness" and len(numbers) == 1:
        return tr("Refusals", "at least {}").format(numbers[0])
    if len(numbers) == 2:
        return tr("Refusals", "from {} to {}").format(*numbers)
    if len(numbers) == 1:
        return tr("Refusals", "at most {}").format(numbers[0])
    return one.bounds


def refusals(found: Sequence[Refusal]) -> str:
    """Return all reasons, on one line."""
    return ", ".join(refusal(one) for one in found)


def file_result(result: FileResult) -> str:
    """Return what became of a picture."""
    if result.state == several.ADDED and result.made is not None:
        line = tr("FileResults", "added to {}").format(result.made.name)
        return "{} ({})".format(line, warning(result.made.warning)) if result.made.warning else line
    if result.state == several.CANCELLED:
        return tr("FileResults", "not looked at: cancelled")
    if result.state == several.CHOOSE and result.found is not None:
        return tr("FileResults", "{} faces: choose one below").format(len(result.found.faces))
    found = result.found
    if found is not None and len(found.faces) == 1 and found.faces[0].refusals:
        return tr("FileResults", "refused: {}").format(refusals(found.faces[0].refusals))
    if found is not None and not found.faces:
        return tr("FileResults", "refused: {}").format(refusals(found.refusals))
    return tr("FileResults", "refused: {}").format(fault(result.reason))


def warning(line: str) -> str:
    """Return what to know about a face that was enrolled."""
    same = re.match("the same picture is already enrolled as (.*)$", line)
    if same:
        return tr("FileResults", "warning: the same picture is enrolled as {}").format(same.group(1))
    alike = re.match(r"looks like (.*) \(score (.*)\)$", line)
    if alike:
        return tr("FileResults", "warning: looks like {}, score {}").format(*alike.groups())
    return line


def finding(one: Finding) -> str:
    """Return what the check has found, and what to do."""
    score = one.score or 0.0
    if one.kind == kinds.MISPLACED:
        text = tr(
            "Findings",
            "A picture of {name} resembles {other} ({score:.2f}) more than {name}'s own pictures ({own:.2f}). If it shows"
            " {other}, delete it.",
        )
        return text.format(name=one.name, other=one.other_name, score=score, own=one.own_score or 0.0)
    if one.kind == kinds.SAME_OTHER:
        text = tr("Findings", "One picture is enrolled as {name} and as {other}. Delete it where it is wrong.")
    elif one.kind == kinds.LOOKALIKE:
        text = tr(
            "Findings",
            "{name} and {other} are alike ({score:.2f}, above the threshold): one may be taken for the other. If they are one"
            " person, merge them; if not, add more pictures or raise the threshold.",
        )
    elif one.kind == kinds.POOR:
        text = tr("Findings", "{name} has one picture only, and it is blurred ({score:.0f}). Add a sharper one.")
    elif one.kind == kinds.UNSEEN:
        text = tr("Findings", "{name} has one template only, and its picture was not kept. Add one or two more.")
    else:
        text = tr("Findings", "One picture of {name} is enrolled twice. One of the two can be deleted.")
    return text.format(name=one.name, other=one.other_name, score=score)


def rate(one: Rate) -> str:
    """Return a rate for people."""
    if one.kind == UNKNOWN_RATE or one.value is None:
        return tr("Threshold", "unknown")
    text = _percent(one.value)
    if one.kind == AT_MOST:
        return tr("Threshold", "at most {}").format(text)
    if one.kind == AT_LEAST:
        return tr("Threshold", "at least {}").format(text)
    return tr("Threshold", "about {}").format(text) if one.kind == BETWEEN else text


def _percent(value: float) -> str:
    text = percent(value)
    if text.startswith("1 in "):
        return tr("Threshold", "1 in {}").format(text[len("1 in ") :])
    return text


def meaning(one: ThresholdMeaning) -> List[str]:
    """Return what a threshold means, a sentence each."""
    if one.fmr.kind == UNKNOWN_RATE:
        return [tr("Threshold", "This model was not measured, so that nothing is known about its errors.")]
    lines = [
        tr("Threshold", "Two different people are taken for one (FMR): {}").format(rate(one.fmr)),
        tr("Threshold", "A picture of an enrolled person is missed (FNMR): {}").format(rate(one.fnmr)),
        tr("Threshold", "A stranger is taken for somebody (people enrolled: {people}): {chance}").format(
            people=one.people, chance=rate(one.stranger)
        ),
    ]
    if one.synthetic:
        lines.append(tr("Threshold", "Measured on drawn faces: these figures say nothing about real ones."))
    else:
        lines.append(
            tr(
                "Threshold",
                "Measured on {}, for single pictures. Other cameras and other light have other rates; a stream decides by"
                " several pictures and errs less often.",
            ).format(one.source)
        )
    return lines
