"""Finds the one face that a photograph is about: in the image, then around it, then in brightened copies."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from kface.faces import Faces
from kface.mtcnn.again import of_subject, try_in_turn
from kface.mtcnn.brighten import brightened


class SizedDetector(Protocol):
    """Finds faces from a smallest size on, such as :class:`kface.mtcnn.Detector`."""

    @property
    def min_face(self) -> float:
        """Side of the smallest face, in pixels."""

    def detect_many(self, images: Sequence[np.ndarray]) -> list[Faces]:
        """Find the faces in several images, uint8 (h, w, 3), RGB."""


class Attempt(NamedTuple):
    """One way to look for a face.

    Attributes:
        way: How the image is brightened, a name in :data:`kface.mtcnn.brighten.WAYS`; None as it is.
        border: Black border around the image, as a fraction of its sides.
        detector: Searches it.
    """

    way: str | None
    border: float
    detector: SizedDetector


class SubjectFace(NamedTuple):
    """The face that a photograph is about.

    Attributes:
        picture: uint8 (h, w, 3), RGB: the image, never brightened, with the border with which the face was found.
        box: float32 (4,), x1 y1 x2 y2 in the picture's pixels.
        landmarks: float32 (5, 2), in the picture's pixels.
        score: The detector's.
        attempt: How it was found.
    """

    picture: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    score: float
    attempt: Attempt


#: Takes a detector, pictures and the numbers of the images that they are of.
Detect = Callable[[SizedDetector, list[np.ndarray], list[int]], list[Faces]]


def detect(detector: SizedDetector, pictures: list[np.ndarray], _: list[int]) -> list[Faces]:
    """Find the faces in some pictures."""
    return detector.detect_many(pictures)


def find_subjects(
    images: Sequence[np.ndarray],
    detectors: Sequence[SizedDetector],
    ways: Sequence[str],
    choose: Callable[[Faces, Sequence[int]], int | None],
    part: float,
    borders: Sequence[float] = (0.0,),
    detect: Detect = detect,
) -> list[SubjectFace | None]:
    """Find the face of each image; each attempt takes the images in which the ones before found none.

    Brightened copies come last of all: no face that the images themselves show is looked for in them.

    Args:
        images: uint8 (h, w, 3), RGB.
        detectors: One for each smallest face, the first to try first.
        ways: How to brighten, the first to try first.
        choose: Takes faces, and height and width of their picture; returns the number of the face that it is about, or None.
        part: Minimum width of a face that only a copy shows, as a fraction of the image's shorter side.
        borders: Black borders to try around the image, as fractions of its sides, the first to try first.
        detect: Runs a detector.
    """

    def search(attempt: Attempt, left: list[int]) -> list[SubjectFace | None]:
        pictures = [bordered(images[number], attempt.border) for number in left]
        shown = pictures if attempt.way is None else [brightened(picture, attempt.way) for picture in pictures]
        found: list[SubjectFace | None] = []
        for number, picture, faces in zip(left, pictures, detect(attempt.detector, shown, left), strict=True):
            if attempt.way is not None:
                faces = of_subject(faces, images[number].shape, part)
            which = choose(faces, picture.shape)
            found.append(
                None
                if which is None
                else SubjectFace(
                    picture, faces.boxes[which], faces.landmarks[which], float(faces.scores[which]), attempt
                )
            )
        return found

    attempts = itertools.starmap(Attempt, itertools.product((None, *ways), borders, detectors))
    nothing: list[SubjectFace | None] = [None] * len(images)
    return try_in_turn(nothing, attempts, search, lambda face: face is not None)


def bordered(image: np.ndarray, border: float) -> np.ndarray:
    """Return an image with a black border; the image itself where the border is 0.

    Args:
        image: uint8 (h, w, 3).
        border: Width of the border, as a fraction of the image's width to the left and right, of its height above and below.
    """
    if not border:
        return image
    across, down = int(image.shape[1] * border), int(image.shape[0] * border)
    return cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_CONSTANT)
