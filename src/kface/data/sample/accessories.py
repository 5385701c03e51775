"""Glasses, sunglasses, caps and hair bands. Models and colours are drawn per take, independent of the person."""

from typing import Dict, List, NamedTuple, Optional

import cv2
import numpy as np

from kface.data.sample.head import Head, nose_profile
from kface.data.sample.identity import Identity
from kface.data.sample.surfels import Surfels, grid, grid_normals, join, surfels, tinted, tube


class Worn(NamedTuple):
    """What a person wears: glasses ("plain", "horn" or "sun"), a cap, a hair band."""

    glasses: Optional[str] = None
    cap: bool = False
    hair_band: bool = False


#: An accessory that K-Face lacks, by a number beyond its own.
HAIR_BAND = 7

#: K-Face's accessories by number (1-6), and the other.
WORN: Dict[int, Worn] = {
    1: Worn(),
    2: Worn("plain"),
    3: Worn("horn"),
    4: Worn("sun"),
    5: Worn(cap=True),
    6: Worn("horn", cap=True),
    HAIR_BAND: Worn(hair_band=True),
}

#: How strongly glasses curve around the face.
WRAP = 0.55


def build(accessory: int, person: Identity, head: Head, random: np.random.RandomState) -> List[Surfels]:
    """Return the surfels of an accessory.

    Args:
        accessory: A key of :data:`WORN`.
        person: The wearer; the accessory is fitted to the head.
        head: With the expression.
        random: Draws the model; must not depend on the person.
    """
    glasses, cap, hair_band = WORN[accessory]
    # Always draw both, so that one accessory's model does not depend on the other's presence.
    glasses_draws, cap_draws = random.uniform(size=12), random.uniform(size=12)
    parts = []
    if glasses:
        parts += _glasses(glasses, person, head, glasses_draws)
    if cap:
        parts += _cap(person, head, cap_draws)
    if hair_band:
        parts.append(_hair_band(person, head, cap_draws))
    return parts


def _surface(head: Head, x: float, y: float) -> float:
    """Return how far forward the face is at a place."""
    distance = np.where(head.points[..., 2] > 0.1, (head.x - x) ** 2 + (head.y - y) ** 2, np.inf)
    return float(head.points[..., 2].reshape(-1)[int(np.argmin(distance))])


def _glasses(kind: str, person: Identity, head: Head, draws: np.ndarray) -> List[Surfels]:
    wide, tall = 0.215 + 0.03 * draws[0], 0.135 + 0.05 * draws[1]
    squareness = 2.0 + 2.5 * draws[2]
    if kind == "plain":
        radius, colour, gloss = 0.009 + 0.004 * draws[3], np.array([0.25, 0.24, 0.22]) * (0.3 + draws[4]), 0.5
    elif kind == "horn":
        radius, colour, gloss = 0.014 + 0.007 * draws[3], np.array([0.11, 0.06, 0.035]) * (0.3 + 1.4 * draws[4]), 0.35
    else:
        radius, colour, gloss = 0.014 + 0.010 * draws[3], np.array([0.03, 0.03, 0.03]) * (0.3 + draws[4]), 0.5
        wide, tall = wide + 0.02, tall + 0.035
    eye = max(person["eye_distance"], wide + 0.055)
    height = person["eye_height"] - 0.035
    bridge = float(nose_profile(person, np.array([0.02]))[0])
    front = max(_surface(head, 0, 0.02), 0.86 + bridge) + 0.015
    angle = np.linspace(0, 2 * np.pi, 121)
    ring_x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / squareness) * wide
    ring_y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / squareness) * tall
    parts = []
    temple = person["head_width"] + 0.045
    for side in (-1.0, 1.0):
        x = side * eye + ring_x
        z = front - WRAP * x**2
        parts.append(tube(np.stack([x, height + ring_y, z], axis=1), radius, colour, gloss))
        hinge = side * (eye + wide)
        arm = np.array(
            [
                [hinge, height + 0.4 * tall, front - WRAP * (eye + wide) ** 2],
                [side * temple, height + 0.4 * tall, 0.45],
                [side * temple, height + 0.35 * tall, 0.05],
                [side * (temple - 0.01), height - 0.10, -0.12],
            ]
        )
        parts.append(tube(arm, 0.8 * radius, colour, gloss))
        if kind == "sun":
            parts.append(_lens(side * eye, height, wide, tall, squareness, front, draws))
    span = np.linspace(-1, 1, 21)
    between = np.stack(
        [span * (eye - wide), height + 0.35 * tall + 0.02 * (1 - span**2), front + 0.015 * (1 - span**2)], axis=1
    )
    parts.append(tube(between, radius, colour, gloss))
    return parts


def _lens(x: float, y: float, wide: float, tall: float, squareness: float, front: float, draws: np.ndarray) -> Surfels:
    u, v = np.meshgrid(np.linspace(-1, 1, 56), np.linspace(1, -1, 44))
    inside = np.abs(u) ** squareness + np.abs(v) ** squareness < 1
    px = x + u * wide
    points = np.stack([px, y + v * tall, front - WRAP * px**2 + 0.01 * (1 - u**2 - v**2)], axis=2)
    tint = np.array([0.012, 0.012, 0.014]) + 0.03 * draws[5] * np.array([1.0, 0.7, 0.4])
    tint = tint * (1 + 0.5 * v[..., None])
    return surfels(points, grid_normals(points), tint, 0.7, inside)


def _cap(person: Identity, head: Head, draws: np.ndarray) -> List[Surfels]:
    colour = np.array([draws[0], draws[1], draws[2]]) * 0.55 * draws[3] + 0.015
    brim = 0.34 + 0.08 * draws[4]
    lift = 0.055 + 0.6 * person["hair_volume"] * (0.55 + 0.65 * np.clip((head.y - 0.2) / 0.9, 0, 1))
    angle = head.angle
    above = head.y - (brim + 0.10 * (np.abs(angle) / np.pi) * 0)
    seams = 0.006 * np.abs(np.sin(3 * angle))
    points = head.points + head.normals * (lift + 0.02 - seams)[..., None]
    cloth = tinted(colour, 1 - 0.25 * (np.abs(np.sin(3 * angle)) < 0.03))
    dome = surfels(points, grid_normals(points), cloth, 0.03, above > 0)
    return [dome, _visor(person, head, colour * (0.5 + 0.7 * draws[5]), brim, 0.34 + 0.10 * draws[6])]


def _visor(person: Identity, head: Head, colour: np.ndarray, brim: float, length: float) -> Surfels:
    rows, columns = 90, 200
    angle = np.linspace(-1.15, 1.15, columns)[None, :]
    t = np.linspace(0, 1, rows)[:, None]
    width = person["head_width"] + 0.11
    front = 0.90 + person["forehead"] + 0.09
    out = t * length * np.cos(angle / 1.15 * np.pi / 2) ** 0.6
    x = (width + 0.05 * t) * np.sin(angle)
    z = front * np.cos(angle) ** 0.8 + out
    y = brim + 0.015 - 0.16 * t * np.cos(angle) - 0.10 * np.sin(angle) ** 2
    points = grid(x, y, z)
    keep = np.ones((rows, columns), bool)
    upper = surfels(points, -_down(points), np.asarray(colour), 0.03, keep)
    lower = surfels(points - np.array([0, 0.014, 0]), _down(points), np.asarray(colour) * 0.6, 0.02, keep)
    return join([upper, lower])


def _down(points: np.ndarray) -> np.ndarray:
    normals = grid_normals(points)
    return normals * -np.sign(normals[..., 1:2] + 1e-9)


#: Places around a hair band, and across it, at which the head below it is looked up.
_AROUND, _ACROSS = 49, 5


def _hair_band(person: Identity, head: Head, draws: np.ndarray) -> Surfels:
    """Return a band over the hair from ear to ear, tilted forward."""
    # Any hue, but lighter than hair.
    colour = np.array([draws[0], draws[1], draws[2]]) / max(draws[:3]) * (0.30 + 0.45 * draws[3]) + 0.01
    tilt, width = 0.36 + 0.18 * draws[4], 0.12 + 0.08 * draws[5]
    centre = np.array([0.0, -0.05, 0.0])
    forward = np.array([0.0, -np.sin(tilt), np.cos(tilt)])
    up = np.array([0.0, np.cos(tilt), np.sin(tilt)])
    sweep = np.linspace(-1.62, 1.62, _AROUND)[None, :, None]
    offset = np.linspace(0.5, -0.5, _ACROSS)[:, None, None] * width
    towards = 1.1 * (np.sin(sweep) * np.array([1.0, 0.0, 0.0]) + np.cos(sweep) * up) + offset * forward
    towards /= np.linalg.norm(towards, axis=2, keepdims=True)
    skull = head.points[::2, ::2].reshape(-1, 3) - centre
    reach = np.linalg.norm(skull, axis=1)
    nearest = np.argmax(towards.reshape(-1, 3) @ (skull / reach[:, None]).T, axis=1)
    radius = reach[nearest].reshape(_ACROSS, _AROUND)
    high = np.clip((centre[1] + radius * towards[..., 1] - 0.2) / 0.9, 0, 1)
    # As far out as the outer shell of the hair, and a little more where the band is thickest.
    radius = radius + 0.95 * person["hair_volume"] * (0.55 + 0.65 * high) + 0.035
    rows, columns = 25, 420
    fine = np.stack([_resized(values, rows, columns) for values in [radius] + list(np.moveaxis(towards, 2, 0))], axis=2)
    bulge = 0.02 * np.sqrt(np.clip(1 - np.linspace(-1, 1, rows) ** 2, 0, 1))[:, None]
    points = centre + fine[..., 1:] * (fine[..., :1] + bulge[..., None])
    stripes = 1 - 0.35 * (draws[6] > 0.6) * (np.sin(np.linspace(0, 110, columns)) > 0)[None, :, None]
    cloth = np.broadcast_to(colour * stripes, points.shape)
    normals = grid_normals(points)
    outwards = np.sign(np.sum(normals * (points - centre), axis=2, keepdims=True))
    return surfels(points, normals * outwards, cloth, 0.12, np.ones(points.shape[:2], bool))


def _resized(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return cv2.resize(values.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC).astype(np.float64)
