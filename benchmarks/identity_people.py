"""The people of the clips: pictures of CFP and of LFW, cut out with soft edges.

Pictures are read on demand. The detector finds the face in each picture; a picture without a face, or with others close to it,
is left out.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from kface.errors import ConfigError
from kface.gallery import Limits
from kface.gallery.quality import measure, refusals
from kface.images import read_image
from kface.recognizer import FaceRecognizer

#: A cut-out's half width and half height, and the width of its soft edge, in sides of the face.
HALF = (0.95, 1.15)
SOFT = 0.3
#: Side of the face in the largest copy of a cut-out that is kept, in pixels; each further one is half as large.
LARGEST, COPIES = 176.0, 3
#: Minimum side of a face in a picture, in pixels: a smaller one would be enlarged too much.
SMALLEST = 48.0
#: Maximum distance of a picture's subject from its middle, as a fraction of its width and height.
CENTRAL = 0.25


class Subject(NamedTuple):
    """A person: a name, and pictures from the front and from the side; each a path, or uint8 (h, w, 3), RGB."""

    name: str
    fronts: Sequence[Any]
    profiles: Sequence[Any] = ()


class Cutout(NamedTuple):
    """A person cut out of a picture.

    Attributes:
        copies: By size, the largest first: uint8 (h, w, 3) RGB, and its opacity, float32 (h, w), from 0 to 1.
        side: Geometric mean of the sides of the face's box in the largest copy, in pixels.
        face: float64 (4,), the box from the middle of the cut-out, x1 y1 x2 y2, in sides.
    """

    copies: tuple[tuple[np.ndarray, np.ndarray], ...]
    side: float
    face: np.ndarray


class People(NamedTuple):
    """People of one source. Sources are never mixed, as they may have the same person under different names."""

    source: str
    subjects: list[Subject]


def cfp(folder: Path) -> People:
    """Return the people of CFP (Celebrities in Frontal-Profile) as it is distributed.

    Raises:
        ConfigError: The folder does not contain them.
    """
    subjects = []
    for person in sorted((folder / "Data" / "Images").glob("*")):
        fronts, profiles = (sorted((person / view).glob("*.jpg")) for view in ("frontal", "profile"))
        if fronts and profiles:
            subjects.append(Subject("cfp " + person.name, fronts, profiles))
    if len(subjects) < 40:
        raise ConfigError("does not contain CFP's Data/Images", folder, "give cfp=DIR")
    return People("CFP", subjects)


def lfw(folder: Path) -> People:
    """Return the people of LFW (Labeled Faces in the Wild): a folder of pictures each, in the folder or in its images.

    Raises:
        ConfigError: The folder does not contain them.
    """
    inside = folder / "images" if (folder / "images").is_dir() else folder
    subjects = []
    for person in sorted(path for path in inside.glob("*") if path.is_dir()):
        pictures = sorted(person.glob("*.jpg"))
        if pictures:
            subjects.append(Subject("lfw " + person.name, pictures))
    if sum(len(subject.fronts) > 2 for subject in subjects) < 40:
        raise ConfigError("does not contain the folders of LFW's people", folder, "give lfw=DIR")
    return People("LFW", subjects)


def halves(people: People, seed: int) -> tuple[People, People]:
    """Split people into two disjoint halves: choose settings on one, and confirm them on the other."""
    subjects = list(people.subjects)
    random.Random(seed).shuffle(subjects)
    return people._replace(subjects=subjects[::2]), people._replace(subjects=subjects[1::2])


class Album:
    """Cuts people out of their pictures, and enrols them; each picture is searched once.

    Args:
        recognizer: Finds and embeds the faces.
        limits: Minimum quality for enrolment.
    """

    def __init__(self, recognizer: FaceRecognizer, limits: Limits | None = None) -> None:
        self._recognizer = recognizer
        self._limits = Limits() if limits is None else limits
        self._cut: dict[tuple[str, bool, int], Cutout | None] = {}
        self._enrolled: dict[str, tuple[int, np.ndarray] | None] = {}

    def enrolment(self, subject: Subject) -> np.ndarray | None:
        """Return the embedding of the first picture that may be enrolled, float32 (d,), or None."""
        found = self._enrol(subject)
        return None if found is None else found[1]

    def gallery(self, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
        """Return names, and the embeddings of those people, who were enrolled before: float32 (n, d)."""
        found = [self._enrolled[name] for name in names]
        return tuple(names), np.stack([one[1] for one in found if one is not None])

    def cutouts(self, subject: Subject, count: int, profile: bool = False) -> list[Cutout]:
        """Return so many cut-outs of a person, or as many as there are; never of the picture that is enrolled."""
        found: list[Cutout] = []
        pictures = subject.profiles if profile else subject.fronts
        known = None if profile else self._enrolled.get(subject.name)
        for number in range(len(pictures)):
            if len(found) == count:
                break
            key = (subject.name, profile, number)
            if known is not None and known[0] == number:
                continue
            if key not in self._cut:
                self._cut[key] = self._cut_out(_pixels(pictures[number]))
            cutout = self._cut[key]
            if cutout is not None:
                found.append(cutout)
        return found

    def _enrol(self, subject: Subject) -> tuple[int, np.ndarray] | None:
        if subject.name not in self._enrolled:
            self._enrolled[subject.name] = None
            for number, picture in enumerate(subject.fronts):
                image = _pixels(picture)
                faces = self._recognizer.faces(image)
                # One with others beside is refused anyway.
                if len(faces) != 1 or faces[0].failed:
                    continue
                quality = measure(faces[0].box, faces[0].landmarks, faces[0].crop, image.shape)
                if not refusals(1, quality, self._limits):
                    self._enrolled[subject.name] = (number, faces[0].embedding)
                    break
        return self._enrolled[subject.name]

    def _cut_out(self, image: np.ndarray) -> Cutout | None:
        faces = self._recognizer.detector.detect(image)
        which = faces.largest()
        if which is None:
            return None
        box = faces.boxes[which].astype(np.float64)
        side = float(np.sqrt(faces.areas[which]))
        middle = (box[:2] + box[2:]) / 2
        half = np.array(HALF) * side
        others = np.delete(faces.boxes, which, axis=0)
        centres = (others[:, :2] + others[:, 2:]) / 2
        away = np.abs(middle / [image.shape[1], image.shape[0]] - 0.5).max()
        if side < SMALLEST or away > CENTRAL or bool((np.abs(centres - middle) < half).all(axis=1).any()):
            return None
        # The largest copy; its pixels beyond the picture's edge repeat the last ones, and are hardly to be seen.
        scale = min(LARGEST / side, 1.0)
        size = np.ceil(2 * half * scale).astype(int)
        matrix = np.array([[scale, 0, 0], [0, scale, 0]])
        matrix[:, 2] = size / 2 - middle * scale
        smooth = cv2.GaussianBlur(image, (0, 0), 0.4 / scale) if scale < 0.7 else image
        target = (int(size[0]), int(size[1]))
        cut = cv2.warpAffine(smooth, matrix, target, borderMode=cv2.BORDER_REPLICATE)
        inside = cv2.warpAffine(np.ones(image.shape[:2], np.float32), matrix, target)
        opacity = _ellipse(target) * _soft(inside, SOFT * side * scale)
        copies = [(cut, opacity)]
        for _ in range(1, COPIES):
            cut, opacity = cv2.pyrDown(cut), cv2.pyrDown(opacity)
            copies.append((cut, opacity))
        return Cutout(tuple(copies), side * scale, (box - np.tile(middle, 2)) / side)


def _ellipse(size: tuple[int, int]) -> np.ndarray:
    """Return opacity from 1 inside to 0 at the edge of the ellipse that fills a rectangle, float32 (h, w)."""
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    return np.clip((1 - np.hypot(x, y)) / SOFT, 0, 1).astype(np.float32)


def _soft(inside: np.ndarray, reach: float) -> np.ndarray:
    """Return how opaque the picture is beside its edge: half at the edge itself, nothing at `reach` beyond."""
    beyond = cv2.distanceTransform((inside < 0.5).astype(np.uint8), cv2.DIST_L2, 3) if (inside < 0.5).any() else None
    return np.ones_like(inside) if beyond is None else np.clip(1 - beyond / reach, 0, 1).astype(np.float32)


def _pixels(picture: Any) -> np.ndarray:
    return picture if isinstance(picture, np.ndarray) else np.asarray(read_image(picture))
