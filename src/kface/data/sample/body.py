"""Ears, neck, shoulders and clothes."""

from typing import List

import cv2
import numpy as np

from kface.data.sample.head import Head
from kface.data.sample.identity import Identity
from kface.data.sample.paint import skin_colour
from kface.data.sample.surfels import Surfels, around, grid, grid_normals, surfels, tinted


def ears(person: Identity, head: Head) -> List[Surfels]:
    """Return both ears: flat bowls with a rim."""
    rows, columns = 44, 64
    v, u = np.meshgrid(np.linspace(0.02, 1, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    tall, wide = 0.30 * person["ear_size"], 0.155 * person["ear_size"]
    back, up = v * wide * np.cos(u), v * tall * np.sin(u) * (1 - 0.15 * np.cos(u))
    rim = 0.05 * np.exp(-(((v - 0.86) / 0.12) ** 2)) + 0.02 * np.exp(-(((v - 0.45) / 0.15) ** 2))
    parts = []
    for side in (-1.0, 1.0):
        stand = 0.02 + rim + 0.28 * np.clip(back + wide, 0, 1)
        x = side * (person["head_width"] - 0.03 + stand)
        points = grid(x, -0.13 + up, -0.04 - back)
        # Seen from outside, the rows of the right ear turn the other way.
        normals = grid_normals(points) * side
        outward = np.sign(normals[..., :1] * side)
        shade = 1 - 0.35 * np.exp(-(((v - 0.25) / 0.25) ** 2))
        colour = tinted(skin_colour(person) * np.array([1.0, 0.9, 0.88]), shade)
        parts.append(
            surfels(points, normals * np.where(outward == 0, 1, outward), colour, 0.06, np.ones(v.shape, bool))
        )
    return parts


def neck(person: Identity) -> Surfels:
    """Return the neck."""
    rows, columns = 90, 220
    t = np.linspace(0, 1, rows)[:, None]
    angle = np.linspace(-np.pi, np.pi, columns)[None, :]
    y = -0.72 - 1.05 * t
    width = 0.52 * person["head_width"] / 0.7 + 0.10 * t**3
    x = width * np.sin(angle)
    z = -0.16 - 0.10 * t + 0.44 * np.cos(angle) * np.ones_like(t)
    points = grid(x, y + 0 * angle, z)
    return surfels(points, grid_normals(points), skin_colour(person) * 0.95, 0.05, np.ones((rows, columns), bool))


def shoulders(random: np.random.RandomState) -> Surfels:
    """Return clothed shoulders; the clothes are drawn per take, independent of the person."""
    collar = random.uniform(0.50, 0.66)
    # Rows at equal distances along the slope, down to just below the picture.
    dense = np.linspace(0, 0.80, 400)
    slope = np.stack([collar + (2.05 - collar) * (1 - (1 - dense) ** 2.6), 1.7 * dense**1.9 + 0.1 * dense], axis=1)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(slope, axis=0), axis=1))])
    rows = 185
    t = np.interp(np.linspace(0, along[-1], rows), along, dense)[:, None]
    angle = around(341, 110)[None, :]
    width = collar + (2.05 - collar) * (1 - (1 - t) ** 2.6)
    depth = 0.50 + 0.42 * t**0.7
    y = -1.40 - 0.10 * np.cos(angle) * (1 - t) - 1.7 * t**1.9 - 0.10 * t
    x = width * np.sin(angle)
    z = -0.22 + depth * np.cos(angle)
    points = grid(x, y, z)
    keep = np.ones(points.shape[:2], bool)
    return surfels(points, grid_normals(points), _cloth(random, *points.shape[:2]), 0.02, keep)


def _cloth(random: np.random.RandomState, rows: int, columns: int) -> np.ndarray:
    base = random.uniform(0.03, 0.75) * random.uniform(0.45, 1.0, 3)
    other = random.uniform(0.03, 0.75) * random.uniform(0.45, 1.0, 3)
    kind = random.randint(4)
    row, column = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    if kind == 0:
        share = np.zeros((rows, columns))
    elif kind == 1:
        share = (np.sin(row * random.uniform(30, 90)) > 0).astype(float)
    elif kind == 2:
        share = (np.sin(column * random.uniform(80, 240)) > 0).astype(float)
    else:
        share = 1 / (1 + np.exp(-(row - random.uniform(0.1, 0.3)) / 0.01))
    folds = cv2.resize(
        random.standard_normal((8, 20)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    colour = tinted(base, 1 - share) + tinted(other, share)
    return np.clip(colour * (1 + 0.12 * folds[..., None]), 0.01, 0.9)
