"""Annotations of a rendered view: projected landmarks and boxes around the parts, in pixels of the high resolution."""

from typing import Dict, Tuple

import numpy as np

from kface.data.layout import ANNOTATION_POINTS, SIZES, Annotation
from kface.data.sample import camera


def annotate(landmarks: Dict[str, np.ndarray], head: np.ndarray, view: np.ndarray) -> Annotation:
    """Return the annotation of a view.

    Args:
        landmarks: Points by the names of K-Face's annotation points, in the rig's frame.
        head: (n, 3), points of the head's surface.
        view: From :func:`kface.data.sample.camera.view_matrix`.
    """
    factor = SIZES["High"][0] / float(camera.WIDTH)
    points = np.stack([landmarks[name] for name in ANNOTATION_POINTS])
    pixels = factor * camera.project(points, view)[0]
    outline = factor * camera.project(head, view)[0]
    by_name = dict(zip(ANNOTATION_POINTS, pixels))
    low, high = outline.min(axis=0), outline.max(axis=0)
    # The face's box is a square from the brows' height to the chin.
    chin = high[1]
    eyes = 0.5 * (by_name["right_eye"][1] + by_name["left_eye"][1])
    side = 1.55 * max(chin - eyes, 1.0)
    middle = float(np.clip(by_name["nose"][0], low[0] + 0.3 * side, high[0] - 0.3 * side))
    unit = side / 10.0
    mouth = 0.5 * (by_name["right_mouth"] + by_name["left_mouth"])
    width = abs(by_name["left_mouth"][0] - by_name["right_mouth"][0])
    boxes = {
        "face": (middle - side / 2, chin - side, side, side),
        "right_eye": _around(by_name["right_eye"], 2.2 * unit, 1.4 * unit),
        "left_eye": _around(by_name["left_eye"], 2.2 * unit, 1.4 * unit),
        "nose": _around(by_name["nose"] - [0, unit], 2.4 * unit, 3.0 * unit),
        "mouth": _around(mouth, max(width, unit) + unit, 1.8 * unit),
        "right_ear": _around(by_name["right_ear"], 1.4 * unit, 3.2 * unit),
        "left_ear": _around(by_name["left_ear"], 1.4 * unit, 3.2 * unit),
    }
    return Annotation(pixels.astype(np.float32), boxes)


def _around(centre: np.ndarray, width: float, height: float) -> Tuple[float, float, float, float]:
    return (float(centre[0] - width / 2), float(centre[1] - height / 2), float(width), float(height))
