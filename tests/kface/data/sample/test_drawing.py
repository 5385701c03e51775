"""The sample's drawing takes short cuts: each gives what the straightforward computation does."""

import cv2
import numpy as np
import pytest

from kface.data.sample import Identity, Scene, subject_names
from kface.data.sample import head as heads
from kface.data.sample.camera import HEIGHT, WIDTH, project, view_matrix, visible
from kface.data.sample.identity import generator
from kface.data.sample.paint import paint
from kface.data.sample.scene import _GRAIN, _spread, _with_noise
from kface.data.sample.surfels import Bands, grid, grid_normals, product, surfels
from kface.images import encode_jpeg

NAMES = subject_names(3)


class AllRows(Bands):
    """Takes every row for one that a feature changes."""

    def between(self, low, high):
        return slice(None)


@pytest.fixture(scope="module")
def scene():
    return Scene(Identity(NAMES[0]), 1, 1)


@pytest.mark.parametrize("variation", [0.0, 1.0])
@pytest.mark.parametrize("number", sorted(heads.EXPRESSIONS))
def test_features_and_paint_change_no_rows_but_those_around_them(variation, number):
    expression = heads.EXPRESSIONS[number]
    for name in NAMES:
        person = Identity(name, 0, variation)
        head = heads.build(person, expression)
        every = AllRows(head.y)
        some, all_of_it = (heads.features(person, expression, head.x, head.y, bands) for bands in (head.bands, every))
        np.testing.assert_allclose(some, all_of_it, rtol=1e-15, atol=1e-20)
        for found, expected in zip(
            paint(person, expression, head), paint(person, expression, head._replace(bands=every))
        ):
            np.testing.assert_array_equal(found, expected)


def test_bands_hold_every_row_of_a_height():
    bands = Bands(np.array([[5.0, 5.5], [4.0, 4.5], [4.2, 3.0], [2.0, 2.0]]))
    assert bands.between(4.1, 4.3) == slice(1, 3)
    assert bands.near(5.2, 0.1) == slice(0, 1)
    assert bands.between(-np.inf, 2.5) == slice(3, 4)
    assert bands.between(6, 7) == slice(0, 0)


def test_normals_are_the_cross_product_of_the_slopes():
    points = generator(0, "test").standard_normal((9, 14, 3))
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    normals /= np.sqrt(np.sum(normals**2, axis=2, keepdims=True))
    np.testing.assert_array_equal(grid_normals(points), normals)
    np.testing.assert_array_equal(grid_normals(grid(*np.moveaxis(points, 2, 0))), normals)


def test_surfels_are_the_kept_points_in_their_order():
    random = generator(0, "test")
    points, normals, colours = random.standard_normal((3, 5, 6, 3)).astype(np.float32)
    for keep in (random.uniform(size=(5, 6)) < 0.5, np.ones((5, 6), bool), np.zeros((5, 6), bool)):
        made = surfels(points, normals, colours, 0.25, keep)
        for found, values in ((made.points, points), (made.normals, normals), (made.albedo, colours)):
            np.testing.assert_array_equal(found, values[keep])
        assert made.gloss.tolist() == [0.25] * int(keep.sum())
        shared = surfels(points, normals, np.array([0.1, 0.2, 0.3]), 0.0, keep).albedo
        np.testing.assert_array_equal(shared, np.broadcast_to(np.float32([0.1, 0.2, 0.3]), shared.shape))


def test_light_falls_on_a_surfel_alone_as_on_all(scene):
    every = scene._shadows.irradiance(np.arange(scene.surfels.count))
    assert every.shape == (scene.surfels.count, 8)
    # The frontal lamp lights a frontal face more than the lamp at its side does.
    face = np.flatnonzero((scene.surfels.normals[:, 2] > 0.9) & (scene.surfels.points[:, 2] > 0.6))
    assert every[face, 2].mean() > 2 * every[face, 0].mean()
    some = generator(0, "test").permutation(scene.surfels.count)[:5000]
    np.testing.assert_allclose(scene._shadows.irradiance(some), every[some], atol=1e-6)


def test_a_pixel_shows_the_nearest_surfel_and_pinholes_are_closed(scene):
    matrix = view_matrix(30.0, 10.0)
    pixels, depth = project(scene.surfels.points, matrix)
    facing = scene.surfels.normals @ matrix[2].astype(np.float32) > -0.12
    index, there = visible(pixels, depth, facing)
    column, row = np.floor(pixels).astype(int).T
    drawn = facing & (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
    nearest = np.full((HEIGHT, WIDTH), 1e6)
    np.minimum.at(nearest, (row[drawn], column[drawn]), depth[drawn])
    filled = np.where(there, depth[np.maximum(index, 0)], 1e6)
    same = there & (np.abs(filled - nearest) < 1e-3)
    assert same.sum() > 0.9 * there.sum()
    # What differs is a pinhole: its surfel is a neighbour's, nearer than what was there.
    for at in zip(*np.nonzero(there & ~same)):
        assert filled[at] < nearest[at]
        around = index[max(at[0] - 2, 0) : at[0] + 3, max(at[1] - 2, 0) : at[1] + 3]
        assert (around == index[at]).sum() >= 2
    assert not ((nearest < 1e6) & ~there).any()


@pytest.mark.parametrize("corner", [(0, 0), (120, 200), (HEIGHT - 40, WIDTH - 50)])
def test_values_are_spread_as_in_the_complete_picture(corner):
    random = generator(0, "test", *corner)
    known = np.zeros((HEIGHT, WIDTH), bool)
    known[corner[0] : corner[0] + 40, corner[1] : corner[1] + 50] = random.uniform(size=(40, 50)) < 0.7
    values = random.uniform(size=(HEIGHT, WIDTH, 11)).astype(np.float32)
    mask = known.astype(np.float32)
    weight = cv2.GaussianBlur(mask, (0, 0), 1.2)
    blurred = np.stack([cv2.GaussianBlur(values[..., at] * mask, (0, 0), 1.2) for at in range(11)], axis=2)
    expected = blurred / np.maximum(weight, 1e-3)[..., None]
    everywhere = (weight > 1e-3) & ~known
    inner = np.zeros_like(known)
    inner[corner[0] + 15 : corner[0] + 20, corner[1] + 15 : corner[1] + 20] = True
    for wanted in (everywhere, everywhere & inner):
        found = _spread(values[known], np.flatnonzero(known), np.flatnonzero(wanted))
        np.testing.assert_allclose(found, expected[wanted], rtol=2e-5)
    assert _spread(values[known], np.flatnonzero(known), np.zeros(0, int)).shape == (0, 11)


@pytest.mark.parametrize("size", [(864, 576), (173, 115), (500, 700)])
def test_noise_is_the_grain_rolled_and_tiled(size):
    picture = generator(0, "test").uniform(-20, 280, (size[1], size[0], 3)).astype(np.float32)
    for number in range(4):
        random = generator(number, "test")
        down, right, mirrored = (int(random.randint(bound)) for bound in (256, 384, 2))
        grain = np.roll(_GRAIN, (down, right), axis=(0, 1))
        grain = np.tile(grain[:, ::-1] if mirrored else grain, (3, 3, 1))[: size[1], : size[0]]
        expected = np.clip(picture + 2.3 * grain.astype(np.float64), 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(_with_noise(picture, 2.3, generator(number, "test")), expected)


def test_jpeg_of_any_memory_layout():
    picture = cv2.GaussianBlur(generator(0, "test").randint(0, 256, (40, 60, 3)).astype(np.uint8), (0, 0), 2)
    for view in (picture, picture[:, ::-1], picture[::2, 3:40], np.asfortranarray(picture)):
        expected = cv2.imencode(".jpg", np.ascontiguousarray(view[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        assert encode_jpeg(view, 92) == bytes(expected.tobytes())


def test_a_product_in_parts_is_the_product():
    random = generator(0, "test")
    matrix, values = random.standard_normal((3, 3)), random.standard_normal((3, 40_000))
    for factor in (matrix, matrix[0]):
        np.testing.assert_allclose(product(factor, values), factor @ values, atol=1e-12)
    assert product(matrix.astype(np.float32), values.astype(np.float32)).dtype == np.float32
    assert product(matrix, values[:, :0]).shape == (3, 0)
