"""The files ``C7.txt`` beside some images: seven landmarks and up to seven boxes, marked by hand.

Source: the official repository k-face/k-face_2019. Hidden points were marked at their estimated places; hidden boxes
were left out, depending on the camera.
"""

import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from kface.errors import LayoutError
from kface.files import read_lines

#: Order of the landmarks in a file; left and right are the person's.
ANNOTATION_POINTS = ("nose", "right_eye", "left_eye", "right_mouth", "left_mouth", "right_ear", "left_ear")
#: Order of the boxes in a file.
ANNOTATION_BOXES = ("face", "right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear")

#: Rows for :class:`kface.faces.Faces`: the person's right eye is the left one as seen in the image.
_FIVE = [ANNOTATION_POINTS.index(name) for name in ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")]

_SEPARATORS = re.compile(r"[\s,;]+")

Box = Tuple[float, float, float, float]


def hidden_parts(camera: int) -> Tuple[str, ...]:
    """Return the parts that an annotation file leaves out for a camera (1-20)."""
    if camera in (1, 2):
        return ("right_eye", "right_ear")
    if camera in (12, 13):
        return ("left_eye", "left_ear")
    if camera in (3, 4, 5, 6, 14, 15, 19):
        return ("right_ear",)
    if camera in (8, 9, 10, 11, 17, 18, 20):
        return ("left_ear",)
    return ()


class Annotation(NamedTuple):
    """One annotation file.

    Attributes:
        landmarks: float32 (7, 2), x y in pixels, in the order of :data:`ANNOTATION_POINTS`; nan where absent.
        boxes: By the names in :data:`ANNOTATION_BOXES`, (x, y, width, height) in pixels; absent ones have no key.
    """

    landmarks: np.ndarray
    boxes: Dict[str, Box]

    def five(self) -> Optional[np.ndarray]:
        """Return float32 (5, 2) in the order of :data:`kface.faces.LANDMARK_NAMES`, or None where one is absent."""
        points = np.asarray(self.landmarks, np.float32)[_FIVE]
        return None if np.isnan(points).any() else points


def parse_annotation(text: str, camera: int, where: object = "annotation") -> Annotation:
    """Read an annotation file's text.

    Numbers are separated by spaces, tabs, commas or semicolons. Points come first, two numbers a line, then the boxes,
    four a line. All seven may be there, or those that the camera sees; the boxes may be missing altogether.

    Args:
        text: The file's content.
        camera: 1-20; determines which parts are left out.
        where: The file's name, for errors.

    Raises:
        LayoutError: Naming the file and, where one line is at fault, the line.
    """
    points: List[List[float]] = []
    boxes: List[List[float]] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        fields = [field for field in _SEPARATORS.split(line) if field]
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
        except ValueError:
            raise LayoutError("line {} contains something that is not a number".format(number), where)
        if not np.isfinite(values).all():
            raise LayoutError("line {} contains a number that is not finite".format(number), where)
        if len(values) == 4:
            boxes.append(values)
        elif len(values) == 2 and not boxes:
            points.append(values)
        elif len(values) == 2:
            raise LayoutError("line {} is a point after the first box".format(number), where)
        else:
            raise LayoutError("line {} has {} numbers, not 2 (a point) or 4 (a box)".format(number, len(values)), where)
    hidden = hidden_parts(camera)
    landmarks = np.full((len(ANNOTATION_POINTS), 2), np.nan, np.float32)
    for name, point in zip(_present(ANNOTATION_POINTS, hidden, len(points), "points", camera, where), points):
        landmarks[ANNOTATION_POINTS.index(name)] = point
    named: Dict[str, Box] = {}
    if boxes:
        for name, box in zip(_present(ANNOTATION_BOXES, hidden, len(boxes), "boxes", camera, where), boxes):
            named[name] = (box[0], box[1], box[2], box[3])
    return Annotation(landmarks, named)


def read_annotation(path: "Union[str, os.PathLike[str]]", camera: Optional[int] = None) -> Annotation:
    """Read an annotation file; see :func:`parse_annotation`.

    Args:
        path: The file.
        camera: 1-20; by default it is read from the file's name.
    """
    where = str(path)
    if camera is None:
        match = re.search(r"C([0-9]{1,2})\.[^./\\]+$", where)
        if match is None or not 1 <= int(match.group(1)) <= 20:
            raise LayoutError("its name does not tell the camera (C1.txt-C20.txt)", where)
        camera = int(match.group(1))
    try:
        lines = read_lines(where, 1 << 20)
    except OSError as error:
        raise LayoutError("cannot be read ({})".format(error.strerror or error), where)
    except ValueError:
        raise LayoutError("is not a text file", where)
    return parse_annotation("\n".join(lines), camera, where)


def format_annotation(annotation: Annotation, camera: int) -> str:
    """Write an annotation as K-Face does: whole numbers, tabs, hidden boxes and absent parts left out."""
    hidden = hidden_parts(camera)
    lines: List[str] = []
    for point in np.asarray(annotation.landmarks):
        if not np.isnan(point).any():
            lines.append(_row(point))
    for name in ANNOTATION_BOXES:
        if name in annotation.boxes and name not in hidden:
            lines.append(_row(annotation.boxes[name]))
    return "\n".join(lines) + "\n"


def _row(values: Union[np.ndarray, Box]) -> str:
    return "\t".join(str(round(float(value))) for value in values)


def _present(
    names: Tuple[str, ...], hidden: Tuple[str, ...], count: int, what: str, camera: int, where: object
) -> List[str]:
    """Return which names `count` lines stand for."""
    if count == len(names):
        return list(names)
    seen = [name for name in names if name not in hidden]
    if count == len(seen):
        return seen
    raise LayoutError(
        "has {} {}, camera C{} needs {} or {}".format(count, what, camera, len(seen), len(names)),
        where,
    )
