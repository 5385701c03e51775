"""The pictures of a bundle's golden vectors: people of the synthetic sample, and what the Python chain makes of them."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from kface.alignment import align
from kface.bundle.golden import DetectorSettings
from kface.errors import ModelError
from kface.faces import Faces
from kface.mtcnn import Detector

#: Camera, light and expression of each person who is rendered.
VIEWS = ((7, 1, 1), (6, 1, 2), (8, 2, 3), (9, 1, 1), (5, 4, 2))
#: How many faces each picture shows.
SHOWN = (1, 3, 1, 0)


class GoldenPictures(NamedTuple):
    """Pictures, and their faces as the Python chain finds and aligns them.

    Attributes:
        pictures: uint8 (h, w, 3), RGB, each with its faces.
        crops: uint8 (n, 112, 112, 3), RGB: those of the faces, in order.
        settings: Of the detector.
    """

    pictures: list[tuple[np.ndarray, Faces]]
    crops: np.ndarray
    settings: DetectorSettings


def golden_pictures(detector: Path, settings: DetectorSettings | None = None) -> GoldenPictures:
    """Render the pictures and find their faces.

    Args:
        detector: The directory of a bundle's detector.
        settings: Of the detector; its defaults if None.

    Raises:
        ModelError: The detector finds another number of faces than a picture shows.
    """
    settings = settings or DetectorSettings()
    # No brightening: each value follows from one pass of the cascade.
    with Detector(detector, runtime="onnxruntime", **settings._asdict()) as finder:
        pictures = [(rgb, finder.detect(rgb)) for rgb in rendered()]
    for number, ((_, faces), shown) in enumerate(zip(pictures, SHOWN, strict=True), 1):
        if faces.count != shown:
            raise ModelError(f"finds {faces.count} faces in golden picture {number}, which shows {shown}", detector)
    crops = np.concatenate([align(rgb, faces.landmarks) for rgb, faces in pictures])
    return GoldenPictures(pictures, crops, settings)


@lru_cache(maxsize=1)
def rendered() -> list[np.ndarray]:
    """Render the pictures: one face, three of different sizes, one on an odd number of pixels, and none.

    Returns:
        uint8 (h, w, 3), RGB, at most 640 pixels a side.
    """
    from kface.data.sample import subject_names

    people = [_render(name, *view)[0] for name, view in zip(subject_names(len(VIEWS), 0), VIEWS, strict=True)]

    def scaled(person: int, factor: float) -> np.ndarray:
        return cv2.resize(people[person], None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)

    one = scaled(0, 0.5)[10:250, 70:390]
    distant = cv2.copyMakeBorder(scaled(2, 0.25)[:, 20:200], 48, 48, 0, 0, cv2.BORDER_REPLICATE)
    three = np.concatenate([scaled(4, 0.5)[20:260, 110:290], scaled(1, 0.5)[20:260, 120:300], distant], axis=1)
    odd = scaled(3, 0.4)[:230, 60:299]
    none = scaled(1, 0.25)[::-1][:72, :97]
    return [np.ascontiguousarray(rgb) for rgb in (one, three, odd, none)]


def face_of(subject: str, camera: int, light: int, expression: int) -> np.ndarray:
    """Return uint8 (112, 112, 3), RGB: a person of the sample under these conditions, aligned by the renderer's landmarks."""
    image, landmarks = _render(subject, camera, light, expression)
    if landmarks is None:
        raise ModelError("a rendered face lacks a landmark", subject)
    return np.asarray(align(image, landmarks[None])[0])


def _render(subject: str, camera: int, light: int, expression: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint8 (h, w, 3) RGB and the landmarks, (5, 2), of a person under these conditions of K-Face."""
    from kface.data.layout import Capture
    from kface.data.sample import render

    image, annotation = render(Capture(subject, 1, light, expression, camera), 0)
    return image, annotation.five()
