"""Hair: shells over the skull, and curtains that hang beside the face for long styles."""

from typing import List, Tuple

import cv2
import numpy as np

from kface.data.sample.head import Head
from kface.data.sample.identity import Identity, generator
from kface.data.sample.paint import hair_colour
from kface.data.sample.surfels import Surfels, grid, grid_normals, surfels, tinted

#: How far down the sides the hair of a style goes, and how it falls on the forehead.
_SIDES = {"short": -0.05, "side parting": -0.12, "fringe": -0.30, "bob": -0.45, "long": -0.45, "tied back": 0.0}
#: Where the curtain of a style ends below the eyes; none where absent.
_CURTAINS = {"bob": -0.95, "long": -1.75}


#: Height from which a cap presses the hair flat.
_UNDER_CAP = 0.46


def build(person: Identity, head: Head, above: np.ndarray, capped: bool = False) -> List[Surfels]:
    """Return a person's hair over a head; hair under a cap is omitted, so that it does not pierce the cap.

    Args:
        person: Whose hair.
        head: Where it grows.
        above: From :func:`above_edge`.
        capped: Whether a cap is worn.
    """
    parts = [_shell(person, head, above, layer, capped) for layer in range(2)]
    if person.hair_style in _CURTAINS:
        parts += _curtain(person, _CURTAINS[person.hair_style])
    if person.hair_style == "tied back":
        parts.append(_bun(person))
    return parts


def above_edge(person: Identity, head: Head) -> np.ndarray:
    """Return how far each point of a head lies above the edge of the hair."""
    above: np.ndarray = head.y - edge(person, head.angle)
    return above


def scalp(person: Identity, above: np.ndarray, albedo: np.ndarray) -> np.ndarray:
    """Return the skin's colours with the hair roots blended in, so that no skin shows between hair surfels."""
    roots = np.clip((above - 0.10) / 0.06, 0, 1)
    return albedo * (1 - roots)[..., None] + tinted(0.8 * hair_colour(person), roots)


def edge(person: Identity, angle: np.ndarray) -> np.ndarray:
    """Return the height above which hair grows, by the angle around the head (0 is the middle of the face)."""
    around = np.abs(angle)
    front = np.full_like(angle, person["hairline"] * (person["crown"] / 1.2))
    if person.hair_style == "fringe":
        front -= 0.34
    if person.hair_style == "side parting":
        front = front - 0.10 * np.sin(2.2 * angle + 0.6)
    sides = _SIDES[person.hair_style]
    temple = np.clip((around - 0.72) / 0.42, 0, 1)
    rise = front + 0.05 * np.cos(3 * angle) * (around < 1.0)
    height = rise * (1 - temple) + sides * temple
    # Behind the ears the hair goes down to the neck.
    behind = np.clip((around - 1.75) / 0.35, 0, 1)
    return height * (1 - behind) - 0.78 * behind


def _shell(person: Identity, head: Head, above: np.ndarray, layer: int, capped: bool) -> Surfels:
    """Return one of two layers, from the roots outwards; they overlap into an uneven edge."""
    points, normals, y = head.points, head.normals, head.y
    random = generator(person.hair_seed, "hair", layer)
    strands = _strands(random, points.shape[:2])
    above = above - 0.05 * strands * (1 + layer)
    thickness = person["hair_volume"] * (0.45 + 0.5 * layer)
    lift = thickness * (1 - np.exp(-np.clip(above, 0, 9) / 0.10))
    # The top gains more than the sides.
    lift = lift * (0.55 + 0.65 * np.clip((y - 0.2) / 0.9, 0, 1)) + 0.012
    wave = 0.012 * strands
    shell = points + normals * (lift + wave)[..., None]
    keep = (above > 0) & ((y < _UNDER_CAP) | (not capped))
    return _dressed(person, shell, keep, strands, layer)


def _dressed(person: Identity, points: np.ndarray, keep: np.ndarray, strands: np.ndarray, layer: int) -> Surfels:
    colour = tinted(hair_colour(person), np.clip(1 + 0.28 * strands + 0.08 * (layer - 1), 0.3, 2))
    return surfels(points, grid_normals(points), colour, 0.16, keep)


def _strands(random: np.random.RandomState, shape: Tuple[int, ...]) -> np.ndarray:
    """Return noise that runs along the columns, of about unit size: strands that fall."""
    rows, columns = shape
    coarse = random.standard_normal((7, max(8, columns // 7))).astype(np.float32)
    fine = random.standard_normal((10, max(8, columns // 2))).astype(np.float32)
    size = (columns, rows)
    noise = 0.6 * cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + 0.6 * cv2.resize(
        fine, size, interpolation=cv2.INTER_CUBIC
    )
    return noise.astype(np.float64)


def _curtain(person: Identity, bottom: float) -> List[Surfels]:
    """Return hair that hangs from the temples around the back; it is seen from inside as well."""
    rows, columns = 210, 330
    angle = np.linspace(1.10, 2 * np.pi - 1.10, columns)[None, :]
    t = np.linspace(0, 1, rows)[:, None]
    y = 0.55 + (bottom - 0.55) * t
    strands = _strands(generator(person.hair_seed, "curtain"), (rows, columns))
    width = person["head_width"] + 0.07 + 0.6 * person["hair_volume"] + 0.06 * np.sin(np.pi * t) + 0.05 * t
    if bottom > -1.2:
        width = width - 0.10 * np.clip((t - 0.75) / 0.25, 0, 1) ** 2
    depth = 0.98 * person["head_depth"] + 0.5 * person["hair_volume"]
    # Locks are broad and shallow: deep ones would open gaps.
    x = (width + 0.012 * strands) * np.sin(angle)
    z = np.where(np.cos(angle) > 0, 0.62 - 0.10 * t, depth) * np.cos(angle) * (1 - 0.12 * t)
    points = grid(x, y + 0 * angle, z)
    keep = np.broadcast_to(t < 1 - 0.04 * np.abs(strands), (rows, columns))
    outside = _dressed(person, points, keep, strands, 1)
    return [outside, outside._replace(normals=-outside.normals, albedo=0.6 * outside.albedo)]


def _bun(person: Identity) -> Surfels:
    """Return a knot at the back of the head."""
    rows, columns = 60, 90
    v, u = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    radius = 0.27
    strands = _strands(generator(person.hair_seed, "bun"), (rows, columns))
    shape = np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], axis=2)
    centre = np.array([0.0, 0.35, -1.05 * person["head_depth"] - 0.08])
    return _dressed(
        person, centre + shape * (radius + 0.012 * strands)[..., None], np.ones((rows, columns), bool), strands, 1
    )
