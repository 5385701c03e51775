"""The pairs that cost most: the lowest genuine and the highest impostor scores, and the images without a template."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from kface.errors import ImageError
from kface.images import decode_image, encode_jpeg
from kface.kisa.conditions import PROBE_CATEGORIES, Category
from kface.kisa.database import KisaDatabase, KisaImage
from kface.kisa.matching import KisaScores
from kface.kisa.templates import KisaTemplates

#: Width of a picture in the report, in pixels.
WIDTH: Final = 320


@dataclass(frozen=True)
class ScoredPair:
    """A pair of images.

    Attributes:
        genuine: Whether both show the same person.
        score: Their similarity.
        enrolment: The enrolment image.
        probe: The probe.
    """

    genuine: bool
    score: float
    enrolment: KisaImage
    probe: KisaImage


@dataclass(frozen=True)
class FailedImage:
    """An image without a template, and why."""

    image: KisaImage
    reason: str


def worst_pairs(scores: KisaScores, database: KisaDatabase, count: int) -> dict[Category, tuple[ScoredPair, ...]]:
    """Return the genuine pairs that score lowest, then the impostor pairs that score highest, of each category.

    Pairs that lack a template are left out: :func:`failed_images` has their images.

    Args:
        scores: All scores.
        database: Of what.
        count: How many of each kind at most.
    """
    found = {}
    for category in PROBE_CATEGORIES:
        part = scores.of_category(category)
        own = np.flatnonzero(~part.genuine_failed)
        own = own[np.argsort(part.genuine[own], kind="stable")[:count]]
        cells = np.flatnonzero(part.compared & ~part.failed)
        values = part.scores.reshape(-1)[cells]
        if len(values) > count > 0:
            top = np.argpartition(-values, count - 1)[:count]
            cells, values = cells[top], values[top]
        cells = cells[np.argsort(-values, kind="stable")[:count]]
        pairs = [(row, part.owners[row], True) for row in own]
        pairs += [(cell // part.people, cell % part.people, False) for cell in cells]
        found[category] = tuple(
            ScoredPair(
                genuine,
                float(part.scores[row, other]),
                database.enrolments[other],
                database.images[part.images[row]],
            )
            for row, other, genuine in pairs
        )
    return found


def failed_images(templates: KisaTemplates) -> tuple[FailedImage, ...]:
    """Return the images without a template, in the data base's order."""
    return tuple(
        FailedImage(image, reason)
        for image, reason in zip(templates.database.images, templates.reasons, strict=True)
        if reason is not None
    )


def picture(image: KisaImage) -> bytes | None:
    """Return an image as a JPEG of :data:`WIDTH` pixels; None where it cannot be read."""
    import cv2

    try:
        rgb = decode_image(image.encoded(), image.place)
    except ImageError:
        return None
    height, width = rgb.shape[:2]
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    return encode_jpeg(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), 85)
