"""Faces that nobody has: tiles of the picture of the procedural sample in the documentation."""

from pathlib import Path

import pytest

from kface.images import read_image

SHEET = Path(__file__).resolve().parent.parent.parent.parent / "docs" / "images" / "sample.jpg"


@pytest.fixture(scope="session")
def sample_faces():
    """Return images of different people, uint8 (170, 170, 3), RGB."""
    sheet = read_image(SHEET)
    return [sheet[170 * row : 170 * row + 170, 170 * column : 170 * column + 170].copy() for row, column in TILES]


TILES = ((0, 2), (2, 2), (4, 3), (1, 1), (5, 4), (3, 1))
