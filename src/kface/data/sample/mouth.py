"""The inside of an open mouth: what shows between the lips where the jaw has dropped."""

from typing import Tuple

import numpy as np

from kface.data.sample.head import OPENING, PARTING, Expression, Head, jaw_drop, mouth_corner_lift, mouth_half_width
from kface.data.sample.identity import Identity
from kface.data.sample.surfels import Surfels, grid_normals, surfels


def edges(person: Identity, expression: Expression, x: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return the heights of the opening's upper and lower edge, before the jaw drops, across the mouth."""
    u = np.abs(x) / mouth_half_width(person, expression)
    middle = person["mouth_height"] + mouth_corner_lift(person, expression) * u**2
    lens = PARTING * expression.surprise * np.sqrt(np.clip(1 - (u / OPENING) ** 2, 0, 1))
    return middle + lens, middle - lens


def opening(person: Identity, expression: Expression, head: Head) -> np.ndarray:
    """Return which points of the head's grid lie within the opening, bool (rows, columns)."""
    upper, lower = edges(person, expression, head.x)
    near = np.abs(head.x) < OPENING * mouth_half_width(person, expression)
    found: np.ndarray = near & (head.front > 0.5) & (head.y < upper) & (head.y > lower)
    return found


def inside(person: Identity, expression: Expression, head: Head) -> Surfels:
    """Return the hollow behind the lips with the upper teeth and the tongue: a dense grid, as the skin's is stretched there."""
    half = 1.04 * OPENING * mouth_half_width(person, expression)
    u, v = np.meshgrid(np.linspace(-1, 1, 60), np.linspace(1, -1, 50))
    x = u * half
    upper, lower = edges(person, expression, x)
    upper = upper + 0.012 - jaw_drop(person, expression, x, upper)
    lower = lower - 0.012 - jaw_drop(person, expression, x, lower)
    y = 0.5 * (upper + lower) + 0.5 * v * (upper - lower)
    front = _depth(head, 0.0, person["mouth_height"] + 1.5 * PARTING)
    corner = float(head.landmarks["left_mouth"][2])
    z = front + (corner - front) * u**2 - 0.035 - 0.11 * np.sqrt(np.clip((1 - u**2) * (1 - v**2), 0, 1))
    colour = np.broadcast_to([0.055, 0.018, 0.018], x.shape + (3,)).copy()
    tongue = np.exp(-((u / 0.62) ** 4) - ((v + 0.78) / 0.34) ** 2)[..., None]
    colour = colour * (1 - 0.8 * tongue) + np.array([0.30, 0.10, 0.10]) * 0.8 * tongue
    gaps = 1 - 0.25 * np.exp(-((((np.abs(x) + 0.021) % 0.042 - 0.021) / 0.004) ** 2))
    teeth = np.clip((v - 0.50 - 0.25 * u**2) / 0.06, 0, 1)[..., None]
    colour = colour * (1 - teeth) + teeth * np.array([0.58, 0.55, 0.48]) * gaps[..., None]
    points = np.stack([x, y, z], axis=2)
    return surfels(points, grid_normals(points), colour, 0.05, np.ones(x.shape, bool))


def _depth(head: Head, x: float, y: float) -> float:
    """Return how far forward the face is at a place of the unmoved head."""
    distance = np.where(head.front > 0.5, (head.x - x) ** 2 + (head.y - y) ** 2, np.inf)
    return float(head.points[..., 2].reshape(-1)[int(np.argmin(distance))])
