"""The head: horizontal slices lofted into a grid, with Gaussian fields that push the features out and in."""

import functools
from typing import Dict, NamedTuple, Tuple

import numpy as np

from kface.data.sample.identity import Identity
from kface.data.sample.surfels import NOTHING, Bands, around, bump, grid, grid_normals

#: Rows from the crown down, columns around; three quarters of the columns lie on the front half.
ROWS, FRONT, BACK = 255, 301, 84


class Expression(NamedTuple):
    """How far the face is moved, each from 0 to 1.

    Attributes:
        smile: Mouth wide and open, cheeks raised.
        frown: Brows drawn together and down.
        anger: Beyond a frown: lips pressed and drawn down, inner brows lower, nostrils wide, eyes narrow.
        closed: The eyelids are shut.
        surprise: Brows raised, eyes wide, jaw dropped.
    """

    smile: float
    frown: float
    anger: float = 0
    closed: float = 0
    surprise: float = 0


#: Expressions that K-Face lacks, by numbers beyond its own.
ANGER, EYES_CLOSED, SURPRISE = 4, 5, 6

#: K-Face's expressions by number (1-3), and the others.
EXPRESSIONS: Dict[int, Expression] = {
    1: Expression(0, 0),
    2: Expression(1, 0),
    3: Expression(0, 1),
    ANGER: Expression(0, 1, anger=1),
    EYES_CLOSED: Expression(0, 0, closed=1),
    SURPRISE: Expression(0, 0, surprise=1),
}

#: How far a dropped jaw lowers the chin, and half the height at which the lips part before it does, in units of 10 cm.
JAW_DROP, PARTING = 0.17, 0.035
#: How wide the open mouth is, as a share of the lips.
OPENING = 0.92


class Head(NamedTuple):
    """The head's grid.

    Attributes:
        points: (rows, columns, 3).
        normals: (rows, columns, 3).
        x: (rows, columns), where a feature's point was before anything moved; paint is laid on in these coordinates.
        y: (rows, columns), likewise.
        front: (rows, columns), 1 on the face, 0 on the back of the head.
        angle: (rows, columns), around the vertical axis; 0 is the middle of the face.
        bands: Which rows lie at which `y`.
        landmarks: float64 by the names of K-Face's annotation points, (3,).
    """

    points: np.ndarray
    normals: np.ndarray
    x: np.ndarray
    y: np.ndarray
    front: np.ndarray
    angle: np.ndarray
    bands: Bands
    landmarks: Dict[str, np.ndarray]


def build(person: Identity, expression: Expression) -> Head:
    """Build a person's head with an expression."""
    points, x, y, front, bands = _skull(person)
    points = np.moveaxis(np.moveaxis(points, 2, 0).copy(), 0, 2)
    points[..., 2] += front * features(person, expression, x, y, bands)
    points[..., 0] += front * _sideways(person, expression, x, y)
    if expression.surprise:
        points[..., 1] -= front * jaw_drop(person, expression, x, y)
    angle = np.arctan2(x, points[..., 2])
    landmarks = _landmarks(person, expression, points, x, y, bands)
    return Head(points, grid_normals(points), x, y, front, angle, bands, landmarks)


@functools.lru_cache(maxsize=1)
def _skull(person: Identity) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Bands]:
    """Return points, x, y, front and bands of a person's head before features are added: the same in all takes."""
    y = _rows(person)[:, None]
    angle = around(FRONT, BACK)[None, :]
    width, front_depth, back_depth = _profiles(person, y)
    power = 2 / person["roundness"]
    sine, cosine = np.sin(angle), np.cos(angle)
    x = width * np.sign(sine) * np.abs(sine) ** power
    z = np.where(cosine >= 0, front_depth, back_depth) * np.sign(cosine) * np.abs(cosine) ** power
    points = grid(x, y, z)
    x, y = points[..., 0].copy(), points[..., 1].copy()
    front = 1 / (1 + np.exp(-(points[..., 2] - 0.28) / 0.06))
    if person.dents is not None:
        for px, py, size, sideways, up, forwards in person.dents:
            dent = front * bump(points[..., 0], points[..., 1], (px, py), (size, size))
            x -= sideways * dent
            y -= up * dent
            points[..., 2] += forwards * dent
    for values in (points, x, y, front):
        # Shared by the person's takes.
        values.setflags(write=False)
    return points, x, y, front, Bands(y)


def _rows(person: Identity) -> np.ndarray:
    """Return the slices' heights, dense on the face and at the crown, where the surface turns over."""
    low, high = person["chin_length"] - 0.055, person["crown"] + 0.015
    t = np.linspace(0, 1, ROWS)
    # Towards both ends the slices crowd like a sine's.
    even = high + (low - high) * t
    crowded = high + (low - high) * (0.5 - 0.5 * np.cos(np.pi * t))
    return 0.55 * even + 0.45 * crowded


def _profiles(person: Identity, y: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return half the width, the front's and the back's depth of each slice."""
    chin, crown, w = person["chin_length"], person["crown"], person["head_width"]
    jaw = person["jaw_width"]
    drop = person["jaw_drop"]
    heights = [
        chin - 0.06,
        chin,
        chin + 0.10,
        -0.86 + drop,
        -0.55 + drop,
        -0.22,
        0.10,
        0.42,
        0.72,
        0.95,
        crown - 0.06,
        crown + 0.02,
    ]
    scale = (crown - 0.06) / 1.14
    widths = [
        0.02,
        person["chin_width"],
        person["chin_width"] + 0.13,
        jaw,
        0.5 * (jaw + w) + 0.01 + 0.3 * person["cheekbone"],
        w + person["cheekbone"] - 0.01,
        w + 0.01,
        w + 0.03 + person["temple"],
        w - 0.01,
        w * 0.80,
        w * 0.63,
        w * 0.52,
    ]
    fronts = [
        0.30,
        0.70,
        0.80,
        0.82,
        0.84,
        0.845,
        0.87,
        0.86 + person["forehead"],
        0.76 + person["forehead"],
        0.62,
        0.50,
        0.42,
    ]
    backs = [0.20, 0.25, 0.32, 0.48, 0.66, 0.84, 0.95, 0.99, 0.93, 0.78, 0.62, 0.52]
    heights = [h if h < 0.5 else h * scale if h < crown - 0.07 else h for h in heights]
    rows = y[:, 0]
    found = []
    for values in (widths, fronts, backs):
        dense = np.linspace(rows.min() - 0.05, rows.max() + 0.05, 600)
        line = np.interp(dense, heights, values)
        kernel = np.exp(-0.5 * (np.arange(-40, 41) / 13.0) ** 2)
        smooth = np.convolve(np.pad(line, 40, mode="edge"), kernel / kernel.sum(), mode="valid")
        # Near both ends the slice closes like a circle: smoothing alone would leave a plateau.
        value = np.interp(rows, dense, smooth)
        top = np.clip((rows.max() - rows) / 0.30, 0, 1)
        bottom = np.clip((rows - rows.min()) / 0.10, 0, 1)
        found.append((value * np.sqrt(1 - (1 - top) ** 2) * np.sqrt(1 - (1 - bottom) ** 2))[:, None])
    depth = person["head_depth"]
    return found[0], found[1], found[2] * depth


def nose_profile(person: Identity, y: np.ndarray) -> np.ndarray:
    """Return how far the ridge of the nose stands out at a height."""
    tip = person["nose_length"]
    t = np.clip((0.06 - y) / (0.06 - tip), 0, 1)
    ridge = person["nose_bridge"] + (person["nose_height"] - person["nose_bridge"]) * t**1.25
    ridge += person["nose_hook"] * np.sin(np.pi * t)
    above = 1 / (1 + np.exp(-(0.13 - y) / 0.03))
    below = 1 / (1 + np.exp(-(y - tip + 0.055) / 0.014))
    return ridge * above * below


def features(person: Identity, expression: Expression, x: np.ndarray, y: np.ndarray, bands: Bands) -> np.ndarray:
    """Return how far the face's features push the surface forward."""
    side = np.abs(x)
    smile, frown, anger = expression.smile, expression.frown, expression.anger
    eye, height = person["eye_distance"], person["eye_height"]
    tip, mouth = person["nose_length"], person["mouth_height"] + 0.02 * smile
    t = np.clip((0.06 - y) / (0.06 - tip), 0, 1.15)
    ridge = person["nose_ridge"] + (person["nose_tip"] + 0.03 - person["nose_ridge"]) * t
    out = nose_profile(person, y) * np.exp(-((x / ridge) ** 2))

    def push(amount: float, across: np.ndarray, centre: Tuple[float, float], size: Tuple[float, float]) -> None:
        if amount:
            rows = bands.near(centre[1], NOTHING * size[1])
            out[rows] += amount * bump(across[rows], y[rows], centre, size)

    push(0.055, x, (0, tip + 0.01), (person["nose_tip"], 0.06))
    push(0.085, side, (person["nose_width"] - 0.035, tip - 0.012), (0.05, 0.055))
    push(-0.03, side, (person["nose_width"] + 0.045, tip - 0.02), (0.03, 0.05))
    push(-person["eye_depth"], side, (eye - 0.04, height + 0.02), (0.16, 0.10))
    push(0.040, side, (eye, height), (0.10, 0.062))
    push(person["brow_ridge"], side, (eye - 0.02, person["brow_height"] - 0.02), (0.2, 0.05))
    push(person["cheek_fullness"] + 0.05 * smile, side, (0.40, -0.34 + 0.05 * smile), (0.17, 0.16))
    rows = bands.near(0.5 * (person["nose_length"] + person["mouth_height"] - 0.01), NOTHING * 0.17)
    fold = _fold(person, side[rows], y[rows], smile)
    out[rows] -= (0.012 + 0.012 * person["age"] + 0.035 * smile + 0.02 * anger) * fold
    lips = mouth_half_width(person, expression)
    push(0.8 * person["lip_forward"] + 0.02, x, (0, mouth), (lips + 0.06, 0.14))
    push(person["lip_forward"], x, (0, mouth + 0.6 * person["upper_lip"]), (0.75 * lips, 0.035))
    push(1.15 * person["lip_forward"], x, (0, mouth - 0.6 * person["lower_lip"] - 0.03 * smile), (0.65 * lips, 0.042))
    push(-0.028, x, (0, mouth), (0.9 * lips, 0.014))
    push(-person["philtrum"], x, (0, 0.5 * (mouth + tip) + 0.01), (0.028, 0.06))
    push(-0.035, x, (0, mouth - 0.165), (0.15, 0.04))
    push(person["chin_forward"], x, (0, person["chin_length"] + 0.13), (0.17, 0.10))
    push(-0.03 * frown, side, (0.055, person["brow_height"] - 0.03), (0.014, 0.05))
    push(0.03 * frown, side, (0.12, person["brow_height"] - 0.05), (0.09, 0.035))
    if anger:
        push(0.025 * anger, side, (0.14, person["brow_height"] - 0.07), (0.12, 0.03))
        push(0.03 * anger, side, (person["nose_width"] - 0.02, tip - 0.01), (0.05, 0.05))
        push(0.02 * anger, x, (0, mouth - 0.11), (0.16, 0.04))
    if expression.surprise:
        # Parted lips no longer press on one another.
        push(0.028 * expression.surprise, x, (0, mouth), (0.9 * lips, 0.014))
    return out


def _fold(person: Identity, side: np.ndarray, y: np.ndarray, smile: float) -> np.ndarray:
    """The fold from the wing of the nose to beside the mouth."""
    top, bottom = person["nose_length"] + 0.02, person["mouth_height"] - 0.03
    t = np.clip((top - y) / (top - bottom), 0, 1)
    line = person["nose_width"] + 0.035 + (0.13 + 0.07 * smile) * t**1.3
    inside = bump(np.zeros_like(y), y, (0, 0.5 * (top + bottom)), (1, 0.17))
    return np.exp(-(((side - line) / 0.022) ** 2)) * inside


def mouth_half_width(person: Identity, expression: Expression) -> float:
    """Return half the width of the mouth."""
    return person["mouth_width"] * (1 + 0.24 * expression.smile - 0.05 * expression.frown - 0.20 * expression.surprise)


def mouth_corner_lift(person: Identity, expression: Expression) -> float:
    """Return how much higher the corners of the mouth are than its middle."""
    return person["mouth_corner"] + 0.055 * expression.smile - 0.03 * expression.frown - 0.035 * expression.anger


def _sideways(person: Identity, expression: Expression, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The wings of the nose and full cheeks widen the face a little."""
    side = np.abs(x)
    push = 0.4 * (person["cheek_fullness"] - 0.05) * bump(side, y, (0.55, -0.45), (0.2, 0.25))
    if expression.smile:
        push += 0.02 * expression.smile * bump(side, y, (0.45, -0.35), (0.2, 0.2))
    return np.sign(x) * push


def jaw_drop(person: Identity, expression: Expression, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far a dropped jaw lowers each point: nothing above the mouth, all of it below; between the lips it stretches."""
    middle = person["mouth_height"]
    below = np.clip((middle + PARTING - y) / (2 * PARTING), 0, 1)
    # Beside the mouth the cheek stretches over a longer way.
    cheek = np.clip((person["nose_length"] - y) / (person["nose_length"] - middle + 0.20), 0, 1)
    beside = np.clip((np.abs(x) / mouth_half_width(person, expression) - 0.6) / 0.7, 0, 1)
    dropped: np.ndarray = JAW_DROP * expression.surprise * (below * (1 - beside) + cheek**1.5 * beside)
    return dropped


def _landmarks(
    person: Identity, expression: Expression, points: np.ndarray, x: np.ndarray, y: np.ndarray, bands: Bands
) -> Dict[str, np.ndarray]:
    """Return K-Face's annotated points on the moved surface; x > 0 is the person's left."""
    eye, height = person["eye_distance"], person["eye_height"]
    lips = mouth_half_width(person, expression)
    corner = person["mouth_height"] + 0.02 * expression.smile + mouth_corner_lift(person, expression)
    at = {
        "nose": (0.0, person["nose_length"] + 0.015),
        "right_eye": (-eye, height),
        "left_eye": (eye, height),
        "right_mouth": (-lips, corner),
        "left_mouth": (lips, corner),
    }
    found = {}
    for name, (px, py) in at.items():
        # The grid is denser than that.
        rows = bands.near(py, 0.1)
        distance = np.where(points[rows, :, 2] > 0.2, (x[rows] - px) ** 2 + (y[rows] - py) ** 2, np.inf)
        row, column = np.unravel_index(int(np.argmin(distance)), distance.shape)
        found[name] = points[rows][row, column].astype(np.float64)
    width = person["head_width"] + 0.04
    found["right_ear"] = np.array([-width, -0.12, -0.02])
    found["left_ear"] = np.array([width, -0.12, -0.02])
    return found
