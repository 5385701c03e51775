"""Surfels: dense points with normals and colours, from which every scene is built."""

from typing import List, NamedTuple, Tuple

import numpy as np


class Surfels(NamedTuple):
    """Points of surfaces.

    The person's frame: x to the right as a frontal camera sees it (the person's left), y up, z towards that camera; unit 10 cm.

    Attributes:
        points: float32 (n, 3).
        normals: float32 (n, 3), of length one, outwards.
        albedo: float32 (n, 3), linear RGB from 0 to 1.
        gloss: float32 (n,), strength of the highlight.
    """

    points: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of surfels."""
        return len(self.points)


def join(parts: List[Surfels]) -> Surfels:
    """Return all surfels of several parts."""
    return Surfels(*[np.concatenate(values) for values in zip(*parts)])


def grid_normals(points: np.ndarray) -> np.ndarray:
    """Return the normals of a grid of points.

    Args:
        points: (rows, columns, 3); rows go down and columns to the right as seen from outside.

    Returns:
        (rows, columns, 3), of length one.
    """
    down = np.gradient(points, axis=0)
    right = np.gradient(points, axis=1)
    normals = np.cross(down, right)
    length = np.sqrt(np.sum(normals**2, axis=2, keepdims=True))
    return normals / np.maximum(length, 1e-9)


def surfels(points: np.ndarray, normals: np.ndarray, albedo: np.ndarray, gloss: float, keep: np.ndarray) -> Surfels:
    """Make surfels of those points of a grid that are kept; the colour is shared or per point."""
    kept = points[keep].astype(np.float32)
    colours = albedo[keep] if np.ndim(albedo) > 1 else np.broadcast_to(albedo, kept.shape)
    return Surfels(
        kept, normals[keep].astype(np.float32), np.asarray(colours, np.float32), np.full(len(kept), gloss, np.float32)
    )


def tube(path: np.ndarray, radius: float, albedo: np.ndarray, gloss: float, spacing: float = 0.011) -> Surfels:
    """Make a tube around a polyline.

    Args:
        path: (k, 3).
        radius: Of the tube.
        albedo: (3,).
        gloss: Strength of the highlight.
        spacing: Of the surfels.
    """
    steps = np.sqrt(np.sum(np.diff(path, axis=0) ** 2, axis=1))
    along = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / spacing)))
    centres = np.stack([np.interp(at, along, path[:, axis]) for axis in range(3)], axis=1)
    direction = np.gradient(centres, axis=0)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(direction[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(direction, helper)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    second = np.cross(direction, first)
    angles = np.linspace(0, 2 * np.pi, max(6, int(2 * np.pi * radius / spacing)), endpoint=False)
    normals = first[:, None] * np.cos(angles)[None, :, None] + second[:, None] * np.sin(angles)[None, :, None]
    points = centres[:, None] + radius * normals
    keep = np.ones(points.shape[:2], bool)
    return surfels(points, normals, np.asarray(albedo), gloss, keep)


def bump(x: np.ndarray, y: np.ndarray, centre: Tuple[float, float], size: Tuple[float, float]) -> np.ndarray:
    """Return a Gaussian of height one."""
    return np.exp(-(((x - centre[0]) / size[0]) ** 2) - ((y - centre[1]) / size[1]) ** 2)


def around(front: int, back: int) -> np.ndarray:
    """Return angles around the full circle: `front` on the front half, `back` on the back half."""
    half = back // 2
    return np.concatenate(
        [
            np.linspace(-np.pi, -np.pi / 2, half, endpoint=False),
            np.linspace(-np.pi / 2, np.pi / 2, front),
            np.linspace(np.pi / 2, np.pi, half + 1)[1:],
        ]
    )
