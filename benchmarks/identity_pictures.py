"""Draws people on a background as a camera sees them, with the truth about each frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.identity_people import Cutout
from benchmarks.identity_truth import Shown

#: A face is not counted where more than this part is covered, or where less than that is inside the frame.
COVERED, INSIDE = 0.35, 0.8
#: A fade counts as one from this part on, and until the same part is left.
FADED = 0.1
#: What a camera does: wandering of a face in pixels and as a part of its side, of brightness; noise in grey levels; JPEG.
JITTER, BREATH, LIGHT, NOISE, QUALITY = 0.6, 0.006, 0.07, 4.0, 88
#: Of these, a clip has one: Gaussian blur in pixels.
BLURS = (0.0, 0.5, 0.9)
NOISES = 8


class Placed(NamedTuple):
    """A person in a frame.

    Attributes:
        subject: Who it is.
        cutout: What is seen.
        x: Where the middle of the face is, in pixels.
        y: Likewise.
        side: Geometric mean of the sides of the face's box, in pixels.
        other: What it turns into: who that is, what is seen, and how far, from 0 to 1; another view, or another person.
    """

    subject: str
    cutout: Cutout
    x: float
    y: float
    side: float
    other: tuple[str, Cutout, float] | None = None


class Clip(NamedTuple):
    """A scene that was played.

    Attributes:
        scene: Its name.
        size: Width and height in pixels.
        frames: Who is where in each; who comes later is in front.
        enrolled: Who is in the gallery.
        seed: Of the camera.
    """

    scene: str
    size: tuple[int, int]
    frames: list[list[Placed]]
    enrolled: tuple[str, ...]
    seed: int


class Camera:
    """Draws the pictures of clips.

    Args:
        backgrounds: uint8 (h, w, 3), RGB, in which no face is to be seen.
    """

    def __init__(self, backgrounds: Sequence[np.ndarray]) -> None:
        self._backgrounds = list(backgrounds)

    def film(self, clip: Clip) -> Iterator[tuple[np.ndarray, list[Shown]]]:
        """Yield each frame, uint8 (h, w, 3) RGB, with the truth about it."""
        random = np.random.default_rng(clip.seed)
        width, height = clip.size
        background = self._backgrounds[int(random.integers(len(self._backgrounds)))]
        background = cv2.resize(background, clip.size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        blur = BLURS[int(random.integers(len(BLURS)))]
        # As a sensor has it: of a grain of more than a pixel, after demosaicing.
        noises = [
            cv2.GaussianBlur(random.normal(0, 2 * NOISE, (height, width, 3)).astype(np.float32), (0, 0), 0.7)
            for _ in range(NOISES)
        ]
        phase = random.uniform(0, 2 * np.pi)
        for number, placed in enumerate(clip.frames):
            placed = [
                one._replace(
                    x=one.x + random.normal(0, JITTER),
                    y=one.y + random.normal(0, JITTER),
                    side=one.side * (1 + random.normal(0, BREATH)),
                )
                for one in placed
            ]
            picture = background.copy()
            for one in placed:
                paste(picture, one)
            picture *= 1 + LIGHT * np.sin(phase + number / 17.0)
            if blur:
                picture = cv2.GaussianBlur(picture, (0, 0), blur)
            picture += noises[int(random.integers(NOISES))]
            image = np.clip(picture, 0, 255).astype(np.uint8)
            coded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
            seen = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
            yield np.ascontiguousarray(seen[:, :, ::-1]), truth(placed, clip.size, clip.enrolled)


def paste(picture: np.ndarray, placed: Placed) -> None:
    """Draw a person into a picture, float32 (h, w, 3)."""
    drawn = _drawn(picture.shape, placed.cutout, placed)
    if drawn is None:
        return
    window, pixels, opacity = drawn
    if placed.other is not None:
        _, cutout, part = placed.other
        # Both have the same face's middle and side, but not the same outline.
        second = _drawn(picture.shape, cutout, placed, window)
        if second is not None:
            weights = opacity * (1 - part), second[2] * part
            together = np.maximum(weights[0] + weights[1], 1e-6)
            pixels = (pixels * weights[0][..., None] + second[1] * weights[1][..., None]) / together[..., None]
            opacity = weights[0] + weights[1]
    area = picture[window]
    area += (pixels - area) * opacity[..., None]


def _drawn(
    shape: Sequence[int], cutout: Cutout, placed: Placed, window: tuple[slice, slice] | None = None
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray] | None:
    """Return where a cut-out is drawn, its pixels there and its opacity; None where it is outside."""
    copy = max([number for number in range(len(cutout.copies)) if cutout.side / 2**number >= placed.side] or [0])
    pixels, opacity = cutout.copies[copy]
    scale = placed.side / (cutout.side / 2**copy)
    size = np.array([pixels.shape[1], pixels.shape[0]]) * scale
    if window is None:
        # Larger than this cut-out, since it may fade into a larger one.
        low = np.floor([placed.x, placed.y] - 0.65 * size).astype(int)
        high = np.ceil([placed.x, placed.y] + 0.65 * size).astype(int)
        x1, y1 = np.maximum(low, 0)
        x2, y2 = np.minimum(high, [shape[1], shape[0]])
        if x2 <= x1 or y2 <= y1:
            return None
        window = (slice(int(y1), int(y2)), slice(int(x1), int(x2)))
    rows, columns = window
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = np.array([placed.x - columns.start, placed.y - rows.start]) - size / 2
    target = (columns.stop - columns.start, rows.stop - rows.start)
    return (
        window,
        cv2.warpAffine(pixels, matrix, target, borderMode=cv2.BORDER_REPLICATE).astype(np.float32),
        cv2.warpAffine(opacity, matrix, target),
    )


def truth(placed: Sequence[Placed], size: tuple[int, int], enrolled: Sequence[str]) -> list[Shown]:
    """Return the truth about a frame."""
    boxes = np.array([_box(one) for one in placed]).reshape(-1, 4)
    shown = []
    for number, one in enumerate(placed):
        subject, names, mixed = one.subject, frozenset({one.subject}), False
        if one.other is not None and one.other[0] != one.subject:
            mixed = FADED < one.other[2] < 1 - FADED
            names = frozenset({one.subject, one.other[0]}) if mixed else names
            if one.other[2] >= 1 - FADED:
                subject, names = one.other[0], frozenset({one.other[0]})
        covered = max([_part(boxes[number], boxes[later]) for later in range(number + 1, len(placed))] or [0.0])
        inside = _part(boxes[number], np.array([0, 0, *size], float))
        counted = covered <= COVERED and inside >= INSIDE
        shown.append(Shown(subject, tuple(boxes[number]), names & frozenset(enrolled), counted, mixed))
    return shown


def _box(placed: Placed) -> np.ndarray:
    face = placed.cutout.face
    if placed.other is not None:
        face = (1 - placed.other[2]) * face + placed.other[2] * placed.other[1].face
    return np.asarray(np.tile([placed.x, placed.y], 2) + placed.side * face)


def _part(box: np.ndarray, other: np.ndarray) -> float:
    """Return the fraction of a box that lies in another one."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    return float(np.prod(np.maximum(high - low, 0)) / max(np.prod(box[2:] - box[:2]), 1e-9))


def backgrounds(folder: Path | None, seed: int) -> list[np.ndarray]:
    """Return backgrounds without faces, uint8 (90, 160, 3): frames of real clips, blurred until no one is visible, or walls.

    Args:
        folder: Where the clips (``*.gif``) are; None, or one without any, gives walls: slow changes of colour.
        seed: Of the walls.
    """
    found = []
    for path in sorted(folder.glob("*.gif")) if folder is not None else ():
        capture = cv2.VideoCapture(str(path))
        while capture.isOpened():
            there, bgr = capture.read()
            if not there:
                break
            # Five rows of nine: where the light is, and no more.
            coarse = cv2.resize(bgr[:, :, ::-1], (9, 5), interpolation=cv2.INTER_AREA)
            found.append(cv2.resize(coarse, (160, 90), interpolation=cv2.INTER_CUBIC))
        capture.release()
    random = np.random.default_rng(seed)
    if not found:
        for _ in range(16):
            coarse = (random.uniform(60, 200) + random.normal(0, 25, (5, 9, 3))).clip(20, 235).astype(np.uint8)
            found.append(cv2.resize(coarse, (160, 90), interpolation=cv2.INTER_CUBIC))
    return found[:: max(1, len(found) // 16)]
