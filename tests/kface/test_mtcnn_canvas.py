"""The packed canvas: levels that do not touch, and P-Net's outputs on it against those of each level alone."""

import numpy as np
import pytest

from kface.errors import ModelError
from kface.mtcnn import canvas as packed
from kface.mtcnn import pyramid, weights

FRAMES = [(480, 640), (360, 640), (720, 1280), (481, 639), (97, 411), (37, 51)]


def sizes_of(height, width, min_face=20.0):
    scales = pyramid.scales(height, width, min_face, 0.709)
    return [(int(height * scale), int(width * scale)) for scale in scales]


@pytest.mark.parametrize("frame", FRAMES)
def test_the_layout(frame):
    sizes = sizes_of(*frame)
    canvas = packed.layout(sizes)
    assert [(place.height, place.width) for place in canvas.places] == sizes
    taken = np.zeros((canvas.height, canvas.width), int)
    for place in canvas.places:
        assert place.top % 2 == place.left % 2 == 0
        # An odd level keeps the row or column after it, which its last outputs look at.
        bottom, right = place.top + place.height, place.left + place.width
        taken[place.top : bottom + place.height % 2, place.left : right + place.width % 2] += 1
        assert bottom + place.height % 2 <= canvas.height
        assert right + place.width % 2 <= canvas.width
    assert taken.max() == 1
    assert canvas.height % 2 == canvas.width % 2 == 0
    assert packed.layout(sizes) == canvas


@pytest.mark.parametrize("frame", FRAMES[:4])
def test_little_is_left_over(frame):
    sizes = sizes_of(*frame)
    canvas = packed.layout(sizes)
    assert sum(height * width for height, width in sizes) > 0.85 * canvas.height * canvas.width


def test_any_sizes_are_placed_apart():
    random = np.random.RandomState(0)
    for _ in range(30):
        sizes = [tuple(int(side) for side in random.randint(11, 120, 2)) for _ in range(random.randint(1, 12))]
        canvas = packed.layout(sizes)
        taken = np.zeros((canvas.height, canvas.width), int)
        for place in canvas.places:
            taken[place.top : place.top + place.height, place.left : place.left + place.width] += 1
        assert taken.max() == 1
        assert int(taken.sum()) == sum(height * width for height, width in sizes)


def test_packing():
    canvas = packed.layout([(13, 21), (12, 12)])
    levels = [np.full((3,) + size, value, np.float32) for size, value in (((13, 21), 0.5), ((12, 12), -0.25))]
    image = packed.pack(levels, canvas)
    assert image.shape == (4, canvas.height, canvas.width)
    assert image.dtype == np.float32
    for level, place in zip(levels, canvas.places):
        part = image[:, place.top : place.top + place.height, place.left : place.left + place.width]
        assert np.array_equal(part[:3], level)
        assert (part[3] == 0).all()
    assert (image[3] == 0).sum() == 13 * 21 + 12 * 12
    assert (image[:3, image[3] == 1] == 0).all()


def test_what_does_not_fit_is_refused():
    canvas = packed.layout([(13, 21), (12, 12)])
    with pytest.raises(ValueError, match="levels other than"):
        packed.pack([np.zeros((3, 12, 12), np.float32)], canvas)
    for sizes in ([], [(10, 40)]):
        with pytest.raises(ValueError, match="at least 11x11"):
            packed.layout(sizes)


@pytest.fixture(scope="module")
def models():
    pytest.importorskip("onnx", reason="the canvas form is made by onnx")
    try:
        return weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))


@pytest.fixture(scope="module")
def nets(models):
    runtime = pytest.importorskip("onnxruntime", reason="P-Net runs in it")
    data = (models / "pnet.onnx").read_bytes()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    both = [runtime.InferenceSession(form, options) for form in (data, packed.network(data))]

    def runner(session):
        names = [node.name for node in session.get_outputs()]
        return lambda image: dict(zip(names, session.run(names, {"image": image})))

    return [runner(session) for session in both]


@pytest.mark.parametrize("sizes", [sizes_of(240, 321), sizes_of(97, 411), [(11, 13), (13, 11), (12, 12), (15, 14)]])
def test_every_output_is_that_of_the_level_alone(nets, sizes):
    alone, on_canvas = nets
    random = np.random.RandomState(1)
    canvas = packed.layout(sizes)
    # Extreme values beside each other, so that a look at a neighbour cannot pass unnoticed.
    levels = [np.sign(random.uniform(-1, 1, (3,) + size)).astype(np.float32) for size in sizes]
    parts = packed.unpack(on_canvas(packed.pack(levels, canvas)[None]), canvas)
    assert len(parts) == len(levels)
    for level, part in zip(levels, parts):
        expected = alone(level[None])
        assert set(part) == {"offsets", "logits"}
        for name, value in expected.items():
            assert part[name].shape == value[0].shape
            np.testing.assert_allclose(part[name], value[0], atol=1e-5)


def test_the_mask_is_needed(nets):
    # Odd sides: without the mask the last outputs look at what is beside the level.
    alone, on_canvas = nets
    level = np.sign(np.random.RandomState(2).uniform(-1, 1, (3, 25, 33))).astype(np.float32)
    canvas = packed.layout([(25, 33)])
    image = packed.pack([level], canvas)
    image[3] = 0
    found = packed.unpack(on_canvas(image[None]), canvas)[0]["offsets"]
    expected = alone(level[None])["offsets"][0]
    np.testing.assert_allclose(found[:, :-1, :-1], expected[:, :-1, :-1], atol=1e-5)
    assert np.abs(found - expected).max() > 1e-3


def test_only_p_net_has_a_canvas_form(models):
    with pytest.raises(ModelError, match="not the plain form"):
        packed.network((models / "pnet.split.onnx").read_bytes())
    with pytest.raises(ModelError, match="not an ONNX file"):
        packed.network(b"not a network")
