"""The compiled kernels against numpy, OpenCV and kface.mtcnn, on random and on adversarial input."""

import threading

import numpy as np
import pytest
from native_tools import an_image

from kface.errors import ConfigError, ImageError
from kface.mtcnn import boxes as box
from kface.mtcnn import pyramid


def plain_area(image, height, width):
    """Every output pixel as the mean of what it covers, in float64; OpenCV drops parts under 1/1000 pixel."""

    def weights(side, out):
        scale, table = side / out, np.zeros((out, side))
        for index in range(out):
            for at in range(side):
                part = max(0.0, min((index + 1) * scale, at + 1) - max(index * scale, at))
                table[index, at] = part / scale if part > 1e-3 else 0
        return table

    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.einsum("ya,xb,abc->cyx", rows, columns, (image.astype(np.float64) - 127.5) / 128)


@pytest.mark.parametrize(
    "sides", [((7, 9), (3, 4)), ((7, 9), (7, 9)), ((8, 6), (4, 2)), ((50, 3), (1, 3)), ((13, 40), (12, 1))]
)
def test_shrinking_takes_the_mean_of_what_is_covered(either, sides):
    (height, width), (rows, columns) = sides
    image = an_image(height, width)
    found = either.area_resize(image, rows, columns)
    assert (found.shape, found.dtype) == ((3, rows, columns), np.float32)
    np.testing.assert_allclose(found, plain_area(image, rows, columns), atol=2e-6)


def test_shrinking_equals_opencv_on_any_sides(compiled, reference):
    random = np.random.RandomState(1)
    for seed in range(150):
        height, width = (int(side) for side in random.randint(1, 130, 2))
        rows, columns = int(random.randint(1, height + 1)), int(random.randint(1, width + 1))
        image = an_image(height, width, seed)
        expected = reference.area_resize(image, rows, columns)
        np.testing.assert_allclose(compiled.area_resize(image, rows, columns), expected, atol=3e-6)


@pytest.mark.parametrize("shape", [(360, 640), (721, 1279), (112, 112)])
def test_levels_equal_the_pyramids(compiled, shape):
    image = an_image(*shape)
    normalised = pyramid.normalise(image)
    for scale in pyramid.scales(shape[0], shape[1], 20, 0.709):
        found = compiled.level(image, scale)
        expected = pyramid.level(normalised, scale)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_plain_image_stays_plain(either, value):
    # Weights that do not add up to 1 would show here.
    image = np.full((97, 113, 3), value, np.uint8)
    found = either.area_resize(image, 31, 40)
    np.testing.assert_allclose(found, np.full((3, 31, 40), (value - 127.5) / 128), atol=4e-4)


def test_rows_may_be_padded_and_images_may_be_views(compiled):
    whole = an_image(60, 90)
    views = [
        whole[10:50, 20:70],
        whole[::2],
        whole[:, ::-1],
        whole[..., ::-1],
        whole.transpose(1, 0, 2),
        whole[5:6],
        whole[:, 7:8],
    ]
    views.append(np.broadcast_to(whole[:1], whole.shape))
    boxes = np.array([[1.0, 2, 20, 21], [-5, -5, 60, 60]])
    for view in views:
        solid = np.array(view)
        shape = (max(1, view.shape[0] // 2), max(1, view.shape[1] // 2))
        np.testing.assert_array_equal(compiled.area_resize(view, *shape), compiled.area_resize(solid, *shape))
        np.testing.assert_array_equal(
            compiled.crop_and_resize(view, boxes, 5), compiled.crop_and_resize(solid, boxes, 5)
        )


def some_boxes(count, seed, low=-60, high=160, longest=90):
    random = np.random.RandomState(seed)
    corner = random.uniform(low, high, (count, 2))
    return np.concatenate([corner, corner + random.uniform(-5, longest, (count, 2))], axis=1)


@pytest.mark.parametrize("size", [2, 24, 48, 112])
@pytest.mark.parametrize("shape", [(100, 130), (1, 1), (1, 50), (37, 1)])
def test_crops_are_those_of_the_cascade_bit_for_bit(compiled, size, shape):
    image = an_image(*shape)
    made = some_boxes(40, size)
    edges = np.array(
        [
            [0, 0, shape[1], shape[0]],
            [-1e-9, 0, shape[1] + 1e-9, shape[0]],
            [-30, -30, -10, -10],
            [shape[1], shape[0], shape[1] + 9, shape[0] + 9],
            [5, 5, 5, 5],
            [20, 20, 4, 4],
            [-1e8, -1e8, 1e8, 1e8],
        ]
    )
    made = np.concatenate([made, edges])
    found = compiled.crop_and_resize(image, made, size)
    np.testing.assert_array_equal(found, pyramid.crop_and_resize_each(image, made, size))
    pixels = pyramid.pixels_for_crops(pyramid.normalise(image))
    np.testing.assert_allclose(found, pyramid.crop_and_resize(pixels, shape, made, size), atol=2e-6)
    # The test is worth something: crops lie inside, outside and across the border. A side of 1 holds all coordinates.
    empty = (found == 0).all(axis=(1, 2, 3))
    assert empty.any() == (max(shape) > 1)
    assert not empty.all()


def test_crops_of_what_is_not_finite_are_0(either):
    image = an_image(20, 20)
    wild = np.array(
        [[np.nan, 0, 5, 5], [0, 0, np.inf, 5], [0, -np.inf, 5, 5], [0, 0, 2e9, 5], [0, 0, 1e300, 1e300], [2, 2, 9, 9.0]]
    )
    found = either.crop_and_resize(image, wild, 4)
    assert not found[:5].any()
    assert found[5].all()
    assert either.crop_and_resize(image, np.zeros((0, 4)), 4).shape == (0, 3, 4, 4)
    assert either.crop_and_resize(image, [], 4).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("smaller", [False, True])
@pytest.mark.parametrize("grid", [None, 4.0, 20.0])
def test_suppression_is_the_cascades(compiled, smaller, grid):
    for seed, count in enumerate((1, 2, 31, 32, 33, 64, 65, 300, 700)):
        made = some_boxes(count, seed, 0, 200)
        if grid:
            # Ties, touching borders, empty and equal boxes.
            made = np.round(made / grid) * grid
        for threshold in (0.0, 0.3, 0.5, 0.7, 1.0, -0.5):
            expected = box.suppress(made, threshold, smaller)
            np.testing.assert_array_equal(compiled.suppress(made, threshold, smaller), expected)


def test_overlaps_at_the_threshold_stay(either):
    # The half of the union, exactly: only more than that kills.
    pair = np.array([[0, 0, 30, 10], [10, 0, 40, 10]], float)
    assert either.suppress(pair, 0.5).tolist() == [0, 1]
    assert either.suppress(pair, np.nextafter(0.5, 0)).tolist() == [0]
    assert either.suppress(np.repeat(pair[:1], 100, axis=0), 0.99).tolist() == [0]
    assert either.suppress(np.repeat(pair[:1], 100, axis=0), 1.0).tolist() == list(range(100))


def test_a_dead_box_still_kills(either):
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], float)
    assert either.suppress(chain, 0.5).tolist() == [0]
    assert either.suppress(np.zeros((0, 4)), 0.5).tolist() == []
    assert either.suppress([], 0.5).dtype == np.int64


@pytest.mark.parametrize("smaller", [False, True])
def test_suppression_of_what_is_not_finite_follows_numpy(compiled, reference, smaller):
    random = np.random.RandomState(5)
    for seed in range(12):
        made = some_boxes(120, seed, 0, 60)
        for wild in (np.nan, np.inf, -np.inf, 1e200, -1e200, 1e308):
            made[random.randint(0, 120, 3), random.randint(0, 4, 3)] = wild
        for threshold in (-0.5, 0.0, 0.5):
            expected = reference.suppress(made, threshold, smaller)
            np.testing.assert_array_equal(compiled.suppress(made, threshold, smaller), expected)


@pytest.mark.parametrize("rows", [(1, 1), (1, 9), (3, 8), (5, 63), (2, 64), (7, 65), (0, 4), (4, 0)])
@pytest.mark.parametrize("length", [1, 3, 128, 512])
def test_cosines(either, rows, length):
    random = np.random.RandomState(length)
    first, second = (random.normal(0, 3, (count, length)).astype(np.float32) for count in rows)
    found = either.cosines(first, second)
    wide = [each.astype(np.float64) for each in (first, second)]
    expected = wide[0] @ wide[1].T / np.outer(*(np.linalg.norm(each, axis=1) for each in wide))
    assert (found.shape, found.dtype) == (rows, np.float64)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_a_cosine_is_the_same_number_alone_and_among_many(compiled):
    random = np.random.RandomState(2)
    first, second = (random.normal(0, 1, (count, 512)).astype(np.float32) for count in (5, 131))
    many = compiled.cosines(first, second)
    alone = [[compiled.cosine(a, b) for b in second] for a in first]
    np.testing.assert_array_equal(many, alone)
    np.testing.assert_array_equal(compiled.cosines(second, first).T, many)


def test_cosines_of_special_vectors(either):
    vector = np.array([3, -4, 0], np.float32)
    assert either.cosine(vector, vector) == pytest.approx(1, abs=1e-15)
    assert either.cosine(vector, vector) <= 1
    assert either.cosine(vector, -2 * vector) == pytest.approx(-1, abs=1e-15)
    assert either.cosine(vector, 0 * vector) == 0
    assert either.cosine(np.array([1e-45, 0], np.float32), np.array([1e38, 1e38], np.float32)) == pytest.approx(
        0.5**0.5
    )
    for wild in (np.nan, np.inf):
        assert np.isnan(either.cosine(vector, np.array([1, wild, 0], np.float32)))


def test_similarity_is_at_most_1(either):
    # Rounding alone would take some of them past it.
    rows = np.random.RandomState(0).normal(0, 1, (200, 37)).astype(np.float32)
    found = either.cosines(rows, rows)
    assert found.max() <= 1
    assert found.min() >= -1


@pytest.mark.parametrize("image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), np.uint8), "a.jpg",
                                   np.zeros((0, 5, 3), np.uint8), np.zeros((5, 0, 3), np.uint8)])  # fmt: skip
def test_what_is_no_image_is_refused(either, image):
    with pytest.raises(ImageError):
        either.area_resize(image, 1, 1)
    with pytest.raises(ImageError):
        either.crop_and_resize(image, np.zeros((1, 4)), 24)


def test_what_is_out_of_range_is_refused(either):
    image = an_image(10, 12)
    for call in (
        lambda: either.area_resize(image, 11, 12),
        lambda: either.area_resize(image, 10, 13),
        lambda: either.area_resize(image, 0, 12),
        lambda: either.level(image, 0),
        lambda: either.level(image, 1.01),
        lambda: either.level(image, float("nan")),
        lambda: either.crop_and_resize(image, np.zeros((1, 4)), 1),
        lambda: either.crop_and_resize(image, np.zeros((1, 4)), 4097),
        lambda: either.crop_and_resize(image, np.zeros((1, 3)), 24),
        lambda: either.suppress(np.zeros((2, 5)), 0.5),
        lambda: either.suppress(np.zeros((2, 4)), float("nan")),
        lambda: either.cosine(np.zeros(3), np.zeros(4)),
        lambda: either.cosine([], []),
        lambda: either.cosines(np.zeros((2, 3)), np.zeros((2, 4))),
        lambda: either.cosines(np.zeros((2, 0)), np.zeros((2, 0))),
    ):
        with pytest.raises(ConfigError):
            call()


def test_a_smallest_level_has_a_pixel(either):
    assert either.level(an_image(10, 12), 0.01).shape == (3, 1, 1)
    assert either.level(an_image(10, 12), 1).shape == (3, 10, 12)


def test_threads_get_their_own_results(compiled):
    images = [an_image(100, 120, seed) for seed in range(4)]
    boxes = some_boxes(200, 3)
    expected = [(compiled.level(image, 0.3), compiled.crop_and_resize(image, boxes, 24)) for image in images]
    wrong = []

    def work(number):
        for _ in range(20):
            found = compiled.level(images[number], 0.3), compiled.crop_and_resize(images[number], boxes, 24)
            if not all(np.array_equal(*pair) for pair in zip(found, expected[number])):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
